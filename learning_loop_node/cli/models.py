"""`learning-loop models`: list, push and deploy the models of a project."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import NotFoundError
from .loop_options import Host, Organization, Password, Project, Username, loop_client, loop_settings
from .output import AsJson, print_json, stderr, stdout

if TYPE_CHECKING:
    from ..client.deployment import DeploymentEntry
    from ..client.loop import LoopClient
    from ..client.models import ModelEntry

models = typer.Typer(help="List, compare, push and deploy the models of a project.", no_args_is_help=True)

ModelFormat = Annotated[str | None, typer.Option("--format", help="Only models that have this format.")]


@models.command("list")
def list_models(
    model_format: ModelFormat = None,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """List the models, and mark the one that detectors should run."""

    async def ask() -> tuple[Sequence[ModelEntry], str | None]:
        async with loop_client(settings) as loop:
            target = await loop.deployment.target()
            return await loop.models.list(model_format), target.model_uuid if target else None

    settings = loop_settings(host, username, password, organization, project)
    entries, deployed = asyncio.run(ask())
    if as_json:
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
        table.add_row(entry.version or "-", ", ".join(entry.formats), training, parent, entry.id, is_deployed)
    stdout().print(table if entries else f"no models in {settings.organization}/{settings.project}")


@models.command("push")
def push_model(
    files: Annotated[list[Path], typer.Argument(help="One zip, the files of a model, or a folder with them.")],
    model_format: Annotated[str, typer.Option("--format", help="Format of the model, such as `onnx`.")],
    version: Annotated[str | None, typer.Option("--version", help="Its version; else the loop gives the next.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="VERSION", help="Add the format to the model of this version.")
    ] = None,
    deploy: Annotated[bool, typer.Option("--deploy", help="Let the detectors run it at once.")] = False,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Send a model to the loop, or with --to another format of one that is there."""
    if to is not None and version is not None:
        raise typer.BadParameter("give either --version, for a new model, or --to", param_hint="--to")

    async def send() -> tuple[str, str | None]:
        async with loop_client(settings) as loop:
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
    settings = loop_settings(host, username, password, organization, project)
    with stderr().status(f"sending {len(parts)} file{'s' if len(parts) > 1 else ''} to {settings.host} ..."):
        model_id, pushed_version = asyncio.run(send())
    if as_json:
        print_json({"id": model_id, "version": pushed_version, "deployed": deploy})
    else:
        stdout().print(f"model {pushed_version or '-'} ({model_id}){' is deployed' if deploy else ''}")


@models.command("deploy")
def deploy_model(
    version: Annotated[str, typer.Argument(help="Version of the model, such as `1.3`.")],
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Let the detectors of the project run this model."""

    async def choose() -> tuple[str, str]:
        async with loop_client(settings) as loop:
            target = await loop.deployment.set(version=version)
            return target.model_uuid, target.version

    settings = loop_settings(host, username, password, organization, project)
    model_id, chosen = asyncio.run(choose())
    if as_json:
        print_json({"id": model_id, "version": chosen})
    else:
        stdout().print(f"model {chosen} ({model_id}) is deployed")


@models.command("history")
def show_history(
    limit: Annotated[int, typer.Option("--limit", min=1, help="So many at most, newest first.")] = 20,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Show which models were deployed, when and by whom."""

    async def ask() -> Sequence[DeploymentEntry]:
        async with loop_client(settings) as loop:
            return await loop.deployment.history(limit)

    settings = loop_settings(host, username, password, organization, project)
    entries = asyncio.run(ask())
    if as_json:
        print_json(entries)
        return
    from rich.table import Table

    table = Table("number", "version", "since", "until", "by", "id")
    for entry in entries:
        since, until = (moment[:19].replace("T", " ") if moment else "" for moment in (entry.since, entry.until))
        table.add_row(str(entry.number), entry.version, since, until, entry.user or "-", entry.model_uuid)
    stdout().print(table if entries else f"no model was deployed in {settings.organization}/{settings.project}")


@models.command("rollback")
def roll_back(
    number: Annotated[
        int | None, typer.Option("--number", min=1, help="Of an entry of the history; else the last other model.")
    ] = None,
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Deploy again what was deployed before."""

    async def go_back() -> tuple[str, str]:
        async with loop_client(settings) as loop:
            target = await loop.deployment.roll_back(number)
            return target.model_uuid, target.version

    settings = loop_settings(host, username, password, organization, project)
    model_id, chosen = asyncio.run(go_back())
    if as_json:
        print_json({"id": model_id, "version": chosen})
    else:
        stdout().print(f"model {chosen} ({model_id}) is deployed")


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
