"""The command `learning-loop`. Its commands import what they need when they run, so that `--help` answers at once."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from ..errors import NodeError
from .backup import backup, restore
from .categories import categories
from .check import check
from .conversions import retry_conversion, show_problems
from .demo import demo
from .detect import detect
from .detector import detector
from .detectors import detectors
from .doctor import doctor
from .exit_status import exit_status_help, exit_status_of
from .export import export
from .images import images
from .import_ import import_
from .model_reports import compare_models, deployment_rule, show_model
from .models import models
from .nodes import nodes
from .outbox import outbox
from .projects import projects
from .serve import serve
from .tokens import tokens
from .train import train
from .trainings import trainings
from .upload import upload
from .users import users
from .version import show_version, version


class _Commands(TyperGroup):
    """Tells errors of ours in one line, without a traceback, and wrong options without the names of exceptions."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except NodeError as error:
            typer.secho(f"learning-loop: {error}", fg="red", err=True)
            raise typer.Exit(exit_status_of(error)) from error
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")  # Typer's checker says whose exception it was
            raise


app = typer.Typer(
    cls=_Commands,
    help="Run a learning loop, its detectors, and look at what they do.",
    epilog=exit_status_help(),
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.callback()(show_version)
app.command()(serve)
app.command()(demo)
app.command()(detect)
app.command()(detector)
app.command()(doctor)
app.command()(upload)
app.command("import")(import_)
app.command()(export)
app.command()(train)
app.add_typer(trainings, name="trainings")
models.command("show")(show_model)
models.command("compare")(compare_models)
models.command("rule")(deployment_rule)
models.command("problems")(show_problems)
models.command("retry")(retry_conversion)
app.add_typer(models, name="models")
app.add_typer(images, name="images")
app.add_typer(outbox, name="outbox")
app.add_typer(projects, name="projects")
app.add_typer(categories, name="categories")
app.command()(backup)
app.command()(restore)
app.command()(check)
app.add_typer(detectors, name="detectors")
app.add_typer(nodes, name="nodes")
app.add_typer(users, name="users")
app.add_typer(tokens, name="tokens")
app.command()(version)


def main() -> None:
    """What `learning-loop` and `python -m learning_loop_node` run."""
    app(prog_name="learning-loop" if "__main__" not in sys.argv[0] else "python -m learning_loop_node")
