"""Brings the schema of a database up to date, with a copy of a SQLite file first."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import inspect, text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from ...errors import SettingError
from ...runtime.files import sync_folder
from ...runtime.threads import io_bound

logger = logging.getLogger(__name__)

VERSION_TABLE = "alembic_version"
MIGRATIONS = Path(__file__).parent / "migrations"


async def migrate(engine: AsyncEngine, file: Path | None) -> None:
    """Apply the steps that this database lacks. `file` is that of a SQLite database, None for a server."""
    async with engine.begin() as connection:
        present = await connection.run_sync(revision_of)
    newest = _scripts().get_current_head()
    if present == newest:
        return
    _refuse_newer(present)
    if present is not None and file is not None:
        copy = await io_bound(back_up, file, present)
        logger.info("the database is brought up to date; its former state is kept as %s", copy)
    async with engine.connect() as connection:
        await connection.execution_options(is_writing=True)
        await connection.run_sync(_upgrade)
        await connection.commit()


async def refuse_other_schema(engine: AsyncEngine) -> None:
    """`SettingError` if this database lacks steps, or has steps that we do not know."""
    async with engine.begin() as connection:
        present = await connection.run_sync(revision_of)
    _refuse_newer(present)
    if present != _scripts().get_current_head():
        raise SettingError("the database is that of an older version; start the loop once, which brings it up to date")


def revision_of(connection: Connection) -> str | None:
    """Which step the database has; None if it is empty."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return revision


def back_up(file: Path, revision: str) -> Path:
    """Copy a SQLite database beside itself, complete and synced."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    copy = file.with_name(f"{file.stem}.before-{revision}.{moment}{file.suffix}")
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    descriptor = os.open(copy, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(file.parent)
    return copy


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _refuse_newer(revision: str | None) -> None:
    try:
        if revision is not None:
            _scripts().get_revision(revision)
    except CommandError as error:
        raise SettingError(
            f"the database was made by a newer version of the loop (its schema is {revision}); install that version, "
            "or put back the copy that was made before"
        ) from error


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
