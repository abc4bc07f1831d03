"""`learning-loop models`: list, push and deploy the models of a project."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..doctor.quantities import moment_text
from ..errors import NotFoundError
from .asked import Asked, about_a_project
from .output import print_json, stderr, stdout
from .tables import print_table

if TYPE_CHECKING:
    from ..client.deployment import DeploymentEntry, DeploymentTarget
    from ..client.loop import LoopClient
    from ..client.models import ModelEntry

models = typer.Typer(help="List, compare, push and deploy the models of a project.", no_args_is_help=True)

HISTORY = 1000
"""So many deployments are looked through for the one that a rollback restores."""

ModelFormat = Annotated[str | None, typer.Option("--format", help="Only models that have this format.")]


@models.command("list")
@about_a_project()
def list_models(
    asked: Asked,
    model_format: ModelFormat = None,
) -> None:
    """List the models, and mark the one that detectors should run."""

    async def ask() -> tuple[Sequence[ModelEntry], str | None]:
        async with asked.loop() as loop:
            target = await loop.deployment.target()
            return await loop.models.list(model_format), target.model_uuid if target else None

    entries, deployed = asyncio.run(ask())
    if asked.as_json:
        print_json(
            [
                {
                    "id": entry.id,
                    "version": entry.version,
                    "formats": entry.formats,
                    "parent": entry.parent.version if entry.parent else None,
                    "training": entry.training,
                    "deployed": entry.id == deployed,
                }
                for entry in entries
            ]
        )
        return
    from rich.table import Table

    table = Table("version", "formats", "training", "went on from", "id", "deployed")
    for entry in entries:
        is_deployed = "yes" if entry.id == deployed else ""
        training = str(entry.training) if entry.training is not None else ""
        parent = entry.parent.version or "-" if entry.parent else ""
        formats = ", ".join([*entry.formats, *(f"{problem.format} failed" for problem in entry.problems or ())])
        table.add_row(entry.version or "-", formats, training, parent, entry.id, is_deployed)
    print_table(table, f"no models in {asked.place}")
    if any(entry.problems for entry in entries):
        problems = asked.command("models", "problems")
        stderr().print(f"formats that failed: `{problems}` says why", style="yellow", soft_wrap=True)


@models.command("push")
@about_a_project()
def push_model(
    asked: Asked,
    files: Annotated[list[Path], typer.Argument(help="One zip, the files of a model, or a folder with them.")],
    model_format: Annotated[str, typer.Option("--format", help="Format of the model, such as `onnx`.")],
    version: Annotated[str | None, typer.Option("--version", help="Its version; else the loop gives the next.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="VERSION", help="Add the format to the model of this version.")
    ] = None,
    deploy: Annotated[bool, typer.Option("--deploy", help="Let the detectors run it at once.")] = False,
) -> None:
    """Send a model to the loop, or with --to another format of one that is there."""
    if to is not None and version is not None:
        raise typer.BadParameter("give either --version, for a new model, or --to", param_hint="--to")

    async def send() -> tuple[str, str | None]:
        async with asked.loop() as loop:
            if to is None:
                pushed = await loop.models.push(parts, model_format, version=version)
                model_id, pushed_version = pushed.id, pushed.version
            else:
                model_id, pushed_version = await _id_of(loop, to), to
                await loop.models.add_format(model_id, parts, model_format)
            if deploy:
                await loop.deployment.set(model_uuid=model_id)
            return model_id, pushed_version

    parts = _files_of(files)
    with stderr().status(f"sending {len(parts)} file{'s' if len(parts) > 1 else ''} to {asked.settings.host} ..."):
        model_id, pushed_version = asyncio.run(send())
    if asked.as_json:
        print_json({"id": model_id, "version": pushed_version, "deployed": deploy})
    else:
        stdout().print(f"model {pushed_version or '-'} ({model_id}){' is deployed' if deploy else ''}")


@models.command("deploy")
@about_a_project()
def deploy_model(
    asked: Asked,
    version: Annotated[str, typer.Argument(help="Version of the model, such as `1.3`.")],
) -> None:
    """Let the detectors of the project run this model."""

    async def choose() -> tuple[str, str]:
        async with asked.loop() as loop:
            try:
                target = await loop.deployment.set(version=version)
            except NotFoundError:
                await _id_of(loop, version)  # which says what there is instead
                raise
            return target.model_uuid, target.version

    model_id, chosen = asyncio.run(choose())
    if asked.as_json:
        print_json({"id": model_id, "version": chosen})
    else:
        stdout().print(f"model {chosen} ({model_id}) is deployed")


@models.command("history")
@about_a_project()
def show_history(
    asked: Asked,
    limit: Annotated[int, typer.Option("--limit", min=1, help="So many at most, newest first.")] = 20,
) -> None:
    """Show which models were deployed, when and by whom."""

    async def ask() -> Sequence[DeploymentEntry]:
        async with asked.loop() as loop:
            return await loop.deployment.history(limit)

    entries = asyncio.run(ask())
    if asked.as_json:
        print_json(entries)
        return
    from rich.table import Table

    table = Table("number", "version", "since", "until", "by", "id")
    for entry in entries:
        since, until = (moment_text(moment) if moment else "" for moment in (entry.since, entry.until))
        table.add_row(str(entry.number), entry.version, since, until, entry.user or "-", entry.model_uuid)
    print_table(table, f"no model was deployed in {asked.place}")


@models.command("rollback")
@about_a_project()
def roll_back(
    asked: Asked,
    number: Annotated[
        int | None, typer.Option("--number", min=1, help="Of an entry of the history; else the last other model.")
    ] = None,
) -> None:
    """Deploy again what was deployed before.

    That is the last other model, so that a second rollback brings back what the first one has replaced; --number names
    an entry of `models history` instead.
    """

    async def go_back() -> tuple[DeploymentTarget, Sequence[DeploymentEntry]]:
        async with asked.loop() as loop:
            former = await loop.deployment.history(HISTORY)
            return await loop.deployment.roll_back(number), former

    target, former = asyncio.run(go_back())
    if asked.as_json:
        print_json({"id": target.model_uuid, "version": target.version})
        return
    restored = next((entry for entry in former if _is_restored(entry, target, number)), None)
    which = f", as it was with deployment {restored.number} of {moment_text(restored.since)}" if restored else ""
    stdout().print(f"model {target.version} ({target.model_uuid}) is deployed{which}", soft_wrap=True)
    replaced = next((entry.version for entry in former if entry.until is None), None)
    again = f"another rollback would bring back {replaced}; " if replaced not in (None, target.version) else ""
    history, certain = asked.command("models", "history"), asked.command("models", "rollback", "--number", "NUMBER")
    stderr().print(f"{again}`{certain}` goes to a certain one of `{history}`", soft_wrap=True)


def _is_restored(entry: DeploymentEntry, target: DeploymentTarget, number: int | None) -> bool:
    return entry.number == number if number is not None else entry.model_uuid == target.model_uuid


async def _id_of(loop: LoopClient, version: str) -> str:
    entries = await loop.models.list()
    for entry in entries:
        if entry.version == version:
            return entry.id
    there = ", ".join(entry.version or "-" for entry in entries) or "none"
    raise NotFoundError(f"there is no model with version {version}; there are: {there}")


def _files_of(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        elif path.is_file():
            files.append(path)
        else:
            raise typer.BadParameter(f"there is no {path}", param_hint="FILES")
    if not files:
        raise typer.BadParameter("the folder is empty", param_hint="FILES")
    return files
