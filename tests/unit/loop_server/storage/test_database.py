"""One writer at a time, all or nothing, and a clear word about addresses that cannot be used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from learning_loop_node.errors import RefusedError, SettingError
from learning_loop_node.loop_server.storage.database import Database, sqlite_url
from learning_loop_node.loop_server.storage.tables import CategoryRow, ProjectRow, UserRow


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(sqlite_url(tmp_path))
    await database.open()
    yield database
    await database.aclose()


async def test_a_fresh_database_is_empty_and_safe(database: Database):
    async with database.reading() as session:
        assert (await session.scalars(select(ProjectRow))).all() == []
        pragmas = ("journal_mode", "synchronous", "foreign_keys")
        values = [await session.scalar(text(f"PRAGMA {pragma}")) for pragma in pragmas]
    assert values == ["wal", 2, 1]


async def test_what_fails_leaves_nothing(database: Database):
    with pytest.raises(ZeroDivisionError):
        await add_and_fail(database)
    assert await names(database) == []
    with pytest.raises(IntegrityError):
        async with database.writing() as session:
            session.add_all([user("a", id_="1"), user("a", id_="2")])
    assert await names(database) == []


async def test_what_is_read_is_not_written(database: Database):
    async with database.reading() as session:
        session.add(user("a"))
        await session.flush()
    assert await names(database) == []


async def test_a_single_query_sees_what_is_committed_and_waits_for_no_writer(database: Database):
    query = select(UserRow.id, UserRow.name).order_by(UserRow.id)
    assert await database.look_up(query) is None
    async with database.writing() as session:
        session.add_all([user("b", id_="2"), user("a", id_="1")])
        await session.flush()
        assert await database.look_up(query) is None
    assert await database.look_up(query) == ("1", "a")
    found = await asyncio.gather(*(database.look_up(query) for _ in range(100)))
    assert found == [("1", "a")] * 100
    await database.aclose()
    with pytest.raises(RuntimeError, match="not open"):
        await database.look_up(query)


async def test_no_change_is_lost_when_many_write_at_once(database: Database):
    async with database.writing() as session:
        session.add(user("0"))

    async def count_up() -> None:
        async with database.writing() as session:
            row = await session.scalar(select(UserRow))
            assert row is not None
            row.name = str(int(row.name) + 1)

    await asyncio.gather(*(count_up() for _ in range(20)))
    assert await names(database) == ["20"]


async def test_readers_are_not_held_up_by_a_writer(database: Database):
    async with database.writing() as session:
        session.add(user("a"))
        await session.flush()
        assert await names(database) == []
    assert await names(database) == ["a"]


async def test_a_reference_to_nothing_is_refused(database: Database):
    with pytest.raises(RefusedError, match="removed meanwhile"):
        async with database.writing() as session:
            session.add(CategoryRow(project_id="none", id="1", position=0, name="a", type="box"))


async def test_moments_come_back_as_the_same_moment(database: Database):
    moment = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=timezone(timedelta(hours=2)))
    async with database.writing() as session:
        session.add(user("a", created=moment))
    async with database.reading() as session:
        created = await session.scalar(select(UserRow.created))
    assert created == moment
    assert created.tzinfo is UTC


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("", id="empty"),
        pytest.param("rubbish", id="rubbish"),
        pytest.param("sqlite://", id="in memory"),
        pytest.param("sqlite:///:memory:", id="in memory by name"),
        pytest.param("oracle9://x/y", id="unknown kind"),
        pytest.param("postgresql+psycopg2://x/y", id="driver not installed"),
        pytest.param("postgresql+asyncpg://127.0.0.1:9/y", id="no server there"),
    ],
)
async def test_addresses_that_cannot_be_used(url: str):
    with pytest.raises(SettingError, match="LOOP_DATABASE_URL"):
        await Database(url).open()


async def test_a_password_in_the_address_is_not_shown():
    with pytest.raises(SettingError) as caught:
        await Database("postgresql+asyncpg://me:secret@127.0.0.1:9/y").open()
    assert "secret" not in str(caught.value)


async def test_a_closed_database_says_so(tmp_path: Path):
    database = Database(sqlite_url(tmp_path))
    with pytest.raises(RuntimeError, match="not open"):
        await database.check()
    await database.open()
    await database.aclose()
    await database.aclose()
    with pytest.raises(RuntimeError, match="not open"):
        await database.check()


async def add_and_fail(database: Database) -> None:
    async with database.writing() as session:
        session.add(user("a"))
        await session.flush()
        raise ZeroDivisionError


def user(name: str, *, id_: str = "1", created: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> UserRow:
    return UserRow(id=id_, name=name, password_hash="x", role="ADMIN", created=created)


async def names(database: Database) -> list[str]:
    async with database.reading() as session:
        return list((await session.scalars(select(UserRow.name))).all())
