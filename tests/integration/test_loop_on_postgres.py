"""The loop with a database server, where one can be started: the same stories, and many writers at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, select
from sqlalchemy.ext.asyncio import create_async_engine

from learning_loop_node.errors import InvalidRequestError
from learning_loop_node.loop_server.storage.database import Database
from learning_loop_node.loop_server.storage.tables import ProjectRow, Table
from learning_loop_node.loop_server.upkeep.check import Check
from learning_loop_node.settings import LoopServerSettings
from tests.builders import jpeg
from tests.loop import P, running_loop
from tests.postgres import database_for, is_installed, postgres_server

pytestmark = pytest.mark.skipif(not is_installed(), reason="no Postgres server (initdb, pg_ctl) with asyncpg here")


NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgres_server(tmp_path_factory.mktemp("postgres") / "server") as address:
        yield address


@pytest.fixture
async def url(server: str, tmp_path: Path) -> str:
    return await database_for(tmp_path, server)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    await database.open()
    yield database
    await database.aclose()


async def test_the_migrated_schema_is_that_of_the_tables(database: Database, url: str):
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Table.metadata))

    engine = create_async_engine(url)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_a_loop_keeps_everything_over_a_restart(tmp_path: Path, url: str):
    face = {"category_name": "face", "x": 1, "y": 2, "width": 3, "height": 4}
    async with running_loop(tmp_path, database_url=url, demo_data=True) as loop:
        await loop.post_images([jpeg()], keys=["a"], metadata={"box_annotations": [face], "tags": ["t"]})
        by_name = {entry["name"]: entry for entry in (await loop.json("GET", P))["categories"]}
        await loop.json("PATCH", f"{P}/categories/{by_name['purple box']['id']}", json={"name": "box"})
        await loop.json("DELETE", P)
        await loop.json("POST", f"{P}/restore")
        before = await loop.list_images()
        assert [image["id"] for image in (await loop.json("GET", f"{P}/images?tag=t"))["images"]] == [before[-1]["id"]]
    async with running_loop(tmp_path, database_url=url, demo_data=True) as loop:
        assert await loop.list_images() == before
        assert (await loop.post_images([jpeg()], keys=["a"]))[0]["stored"] is False
    settings = LoopServerSettings(data_folder=tmp_path / "loop", database_url=url)
    assert (await Check(settings=settings, repair=True).run()).findings == []


async def test_the_same_key_at_once_from_several_connections_is_one_image(tmp_path: Path, url: str):
    async with running_loop(tmp_path, database_url=url) as loop:
        await loop.create_project()
        answers = await asyncio.gather(*(loop.post_images([jpeg()], keys=["k"]) for _ in range(8)))
        assert len({answer[0]["id"] for answer in answers}) == 1
        assert [answer[0]["stored"] for answer in answers].count(True) == 1


async def test_no_change_is_lost_when_several_processes_write(database: Database, url: str):
    async with running_databases(url, 3) as others:

        async def make(which: Database, name: str) -> None:
            async with which.writing() as session:
                known = (await session.scalars(select(ProjectRow.name))).all()
                await asyncio.sleep(0)
                if name not in known:
                    session.add(ProjectRow(id=f"{id(which)}-{name}", organization="o", name=name, created=NOW))

        await asyncio.gather(*(make(which, str(number)) for which in others for number in range(5)))
    async with database.reading() as session:
        assert sorted(await session.scalars(select(ProjectRow.name))) == list("01234")


async def test_what_is_read_is_one_state(database: Database):
    async with database.reading() as session:
        assert (await session.scalars(select(ProjectRow.name))).all() == []
        async with database.writing() as writing:
            writing.add(ProjectRow(id="1", organization="o", name="p", created=NOW))
        assert (await session.scalars(select(ProjectRow.name))).all() == []


async def test_texts_that_the_server_cannot_hold(database: Database):
    with pytest.raises(InvalidRequestError, match="U\\+0000"):
        async with database.reading() as session:
            await session.execute(select(ProjectRow).where(ProjectRow.name == "a\0b"))


@asynccontextmanager
async def running_databases(url: str, count: int) -> AsyncIterator[list[Database]]:
    """As many processes would have them."""
    databases = [Database(url) for _ in range(count)]
    for database in databases:
        await database.open()
    yield databases
    for database in databases:
        await database.aclose()
