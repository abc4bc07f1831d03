"""`learning-loop check`: compares what a loop says it has with what is in its folder, and repairs it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from .exit_status import ExitStatus
from .loop_folder import Data, loop_folder_settings, working_on_files
from .output import AsJson, print_json, stdout


def check(
    data: Data = None,
    repair: Annotated[bool, typer.Option("--repair", help="Repair what can be; the loop must not run.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Compare lengths only, do not read all files.")] = False,
    backup: Annotated[
        Path | None, typer.Option("--backup", help="With --repair: where to get lost contents from.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find lost, damaged and superfluous files of a loop, also while it runs. Status 1 if something is wrong."""
    settings = loop_folder_settings(data)
    from ..loop_server.upkeep.check import Check

    with working_on_files(f"looking through {settings.data_folder}") as progress:
        look = Check(settings=settings, repair=repair, quick=quick, backup=backup, on_progress=progress)
        report = asyncio.run(look.run())
    left = [finding for finding in report.findings if not finding.repaired]
    if as_json:
        print_json(report)
    else:
        for finding in report.findings:
            stdout().print(f"{finding.subject}: {finding.what} ({finding.remedy})")
        repaired = len(report.findings) - len(left)
        wrong = "1 thing is" if len(left) == 1 else f"{len(left)} things are"
        stdout().print(f"{report.contents} contents: {wrong} wrong, {repaired} repaired")
    if left:
        raise typer.Exit(ExitStatus.FAILED)
