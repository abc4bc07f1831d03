"""`learning-loop detectors`: how the detectors of a project are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from ..doctor.quantities import span_text
from .asked import Asked, about_a_project
from .output import print_json, stdout
from .tables import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..client.detectors import DetectorEntry

detectors = typer.Typer(help="Show how the detectors of a project are, and forget some.", no_args_is_help=True)


@detectors.command("list")
@about_a_project()
def list_detectors(
    asked: Asked,
) -> None:
    """List the detectors with their last status, and say which ones are late."""

    async def ask() -> Sequence[DetectorEntry]:
        async with asked.loop() as loop:
            return await loop.detectors.list()

    found = asyncio.run(ask())
    if asked.as_json:
        print_json(found)
        return
    from rich.table import Table

    table = Table("name", "state", "last contact", "model", "errors", "id")
    for entry in found:
        state = f"{entry.state} (late)" if entry.is_late else str(entry.state)
        is_behind = entry.runs_deployed is False
        model = f"{entry.current_model or '-'}{f' (not {entry.deployed_model})' if is_behind else ''}"
        errors = "; ".join(map(str, entry.errors.values()))
        table.add_row(
            entry.name,
            state,
            f"{span_text(entry.age_s)} ago" if entry.age_s is not None else "-",
            model,
            errors,
            entry.uuid,
        )
    print_table(table, f"no detectors in {asked.place}")


@detectors.command("forget")
@about_a_project()
def forget_detector(
    asked: Asked,
    uuid: Annotated[str, typer.Argument(help="Id of the detector, as `detectors list` shows it.")],
) -> None:
    """Remove a detector from the list; one that still runs is there again with its next report."""

    async def forget() -> None:
        async with asked.loop() as loop:
            await loop.detectors.forget(uuid)

    asyncio.run(forget())
    if asked.as_json:
        print_json({"forgotten": uuid})
    else:
        stdout().print(f"detector {uuid} is forgotten")
