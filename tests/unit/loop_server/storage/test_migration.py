"""The migrated schema is that of the tables; a database in use is copied before it is changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from learning_loop_node.errors import SettingError
from learning_loop_node.loop_server.storage.database import FILE_NAME, Database, sqlite_url
from learning_loop_node.loop_server.storage.migration import back_up
from learning_loop_node.loop_server.storage.tables import Table

ADD_USER = "INSERT INTO users (id, name, password_hash, role, created) VALUES ('1', 'a', 'x', 'ADMIN', '2026-01-01')"


async def test_the_migrated_schema_is_that_of_the_tables(tmp_path: Path):
    await open_and_close(tmp_path)
    engine = create_engine(sqlite_url(tmp_path))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Table.metadata) == []
    engine.dispose()


async def test_a_database_of_the_present_schema_is_left_alone(tmp_path: Path):
    await open_and_close(tmp_path)
    run(tmp_path, ADD_USER)
    await open_and_close(tmp_path)
    assert run(tmp_path, "SELECT name FROM users") == [("a",)]
    assert copies(tmp_path) == []


async def test_a_database_of_a_newer_loop_is_refused_and_left_alone(tmp_path: Path):
    await open_and_close(tmp_path)
    run(tmp_path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SettingError, match="newer version"):
        await open_and_close(tmp_path)
    assert run(tmp_path, "SELECT version_num FROM alembic_version") == [("9999",)]


async def test_a_copy_has_everything_including_what_is_not_yet_in_the_main_file(tmp_path: Path):
    await open_and_close(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute(ADD_USER)
        connection.commit()
        copy = back_up(tmp_path / FILE_NAME, "0001")
    assert copy.name.startswith("loop.before-0001.")
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT name FROM users").fetchall() == [("a",)]


async def open_and_close(folder: Path) -> None:
    database = Database(sqlite_url(folder))
    try:
        await database.open()
    finally:
        await database.aclose()


def run(folder: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        rows = connection.execute(statement).fetchall()
        connection.commit()
    return rows


def copies(folder: Path) -> list[Path]:
    return list(folder.glob("*before*"))
