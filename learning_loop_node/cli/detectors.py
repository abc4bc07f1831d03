"""`learning-loop detectors`: how the detectors of a project are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from .loop_options import Host, Organization, Password, Project, Username, loop_client, loop_settings
from .output import AsJson, print_json, stdout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..client.detectors import DetectorEntry

detectors = typer.Typer(help="Show how the detectors of a project are, and forget some.", no_args_is_help=True)


@detectors.command("list")
def list_detectors(
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """List the detectors with their last status, and say which ones are late."""

    async def ask() -> Sequence[DetectorEntry]:
        async with loop_client(settings) as loop:
            return await loop.detectors.list()

    settings = loop_settings(host, username, password, organization, project)
    found = asyncio.run(ask())
    if as_json:
        print_json(found)
        return
    from rich.table import Table

    table = Table("name", "state", "last contact", "model", "errors", "id")
    for entry in found:
        state = f"{entry.state} (late)" if entry.is_late else str(entry.state)
        is_behind = entry.runs_deployed is False
        model = f"{entry.current_model or '-'}{f' (not {entry.deployed_model})' if is_behind else ''}"
        errors = "; ".join(map(str, entry.errors.values()))
        table.add_row(entry.name, state, _ago(entry.age_s), model, errors, entry.uuid)
    stdout().print(table if found else f"no detectors in {settings.organization}/{settings.project}")


@detectors.command("forget")
def forget_detector(
    uuid: Annotated[str, typer.Argument(help="Id of the detector, as `detectors list` shows it.")],
    host: Host = None,
    username: Username = None,
    password: Password = None,
    organization: Organization = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Remove a detector from the list; one that still runs is there again with its next report."""

    async def forget() -> None:
        async with loop_client(settings) as loop:
            await loop.detectors.forget(uuid)

    settings = loop_settings(host, username, password, organization, project)
    asyncio.run(forget())
    if as_json:
        print_json({"forgotten": uuid})
    else:
        stdout().print(f"detector {uuid} is forgotten")


def _ago(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
