"""`learning-loop backup` and `learning-loop restore`: the folder of a loop, copied while it runs, and put back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .exit_status import ExitStatus
from .loop_folder import Data, loop_folder_settings, working_on_files
from .output import AsJson, print_json, stderr, stdout


def backup(
    target: Annotated[Path, typer.Argument(help="Folder for the backup; an earlier one in it is brought up to date.")],
    data: Data = None,
    link: Annotated[
        bool, typer.Option("--link", help="Share the disk with the loop's files where possible: quick, but not a copy.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy everything that a loop keeps, also while it runs. What is in the backup already is not copied again."""
    settings = loop_folder_settings(data)
    from ..errors import SettingError
    from ..loop_server.storage.database import sqlite_file, sqlite_url
    from ..loop_server.upkeep.backup import back_up

    folder = settings.data_folder.absolute()
    file = sqlite_file(settings.database_url or sqlite_url(folder))
    if file is None:
        raise SettingError("LOOP_DATABASE_URL names a database server: use its own tool (pg_dump), and copy blobs/")
    with working_on_files(f"backing up {folder}") as progress:
        report = back_up(file, folder / "blobs", target.absolute(), link=link, on_progress=progress)
    if as_json:
        print_json(report)
    else:
        stdout().print(
            f"{report.contents} contents are in {target}, {report.copied} of them new ({report.copied_bytes:,} bytes)"
        )
    if report.missing:
        first = report.missing[0]
        stderr().print(f"{len(report.missing)} contents are missing or damaged at the loop itself, such as {first}")
        raise typer.Exit(ExitStatus.FAILED)


def restore(
    source: Annotated[Path, typer.Argument(help="Folder with the backup.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make the folder of a loop from a backup, and compare every hash. The folder must be new or empty."""
    settings = loop_folder_settings(data)
    from ..errors import SettingError
    from ..loop_server.upkeep.backup import restore as restore_folder

    if settings.database_url:
        raise SettingError("LOOP_DATABASE_URL is set, but a backup has its own database; unset it, then restore")
    folder = settings.data_folder.absolute()
    with working_on_files(f"restoring {folder}") as progress:
        report = restore_folder(source.absolute(), folder, on_progress=progress)
    if as_json:
        print_json(report)
    else:
        stdout().print(f"{folder} is restored: {report.copied} contents, {report.copied_bytes:,} bytes")
        if report.missing:
            stdout().print(f"{len(report.missing)} contents were missing already when the backup was made")
