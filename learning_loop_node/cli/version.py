"""`learning-loop version`: what is installed."""

from __future__ import annotations

import platform
from importlib.metadata import version as version_of
from typing import Annotated

import typer

from ..doctor.installed import EXTRAS, installed_version


def _show_and_exit(is_asked: bool) -> None:
    if is_asked:
        version()
        raise typer.Exit


def show_version(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_and_exit, is_eager=True, help="As the command `version`.")
    ] = False,
) -> None:
    """Options that stand before a command."""


def version(as_json: Annotated[bool, typer.Option("--json", help="As one line of JSON.")] = False) -> None:
    """Show the versions of the package and of Python, and which extras are installed."""
    facts = {
        "learning-loop-node": version_of("learning-loop-node"),
        "python": platform.python_version(),
        "extras": [extra for extra, distribution in EXTRAS.items() if installed_version(distribution)],
    }
    if as_json:
        import json

        typer.echo(json.dumps(facts))
    else:
        extras = f" with [{', '.join(facts['extras'])}]" if facts["extras"] else ""
        typer.echo(f"learning-loop-node {facts['learning-loop-node']}{extras}, Python {facts['python']}")
