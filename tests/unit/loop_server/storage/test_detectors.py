from __future__ import annotations

import doctest
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.errors import NotFoundError
from learning_loop_node.loop_server.storage import detectors, projects
from learning_loop_node.loop_server.storage.database import Database, sqlite_url
from learning_loop_node.loop_server.storage.tables import DetectorRow


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(sqlite_url(tmp_path))
    await database.open()
    yield database
    await database.aclose()


def test_examples():
    results = doctest.testmod(detectors)
    assert results.attempted
    assert not results.failed


async def test_what_is_news(database: Database):
    project_id = await add_project(database)
    statuses: list[tuple[dict[str, Any], bool]] = [
        ({"state": "online", "uptime": 1}, True),
        ({"state": "online", "uptime": 31}, False),
        ({"state": "online", "uptime": 61, "errors": {"update_model": "?"}}, True),
    ]
    for status, is_news in statuses:
        async with database.writing() as session:
            assert await detectors.keep_report(session, project_id, "d", status) is is_news


async def test_the_last_gaps_are_kept(database: Database):
    project_id = await add_project(database)
    for number in range(detectors.GAPS + 3):
        async with database.writing() as session:
            await detectors.keep_report(session, project_id, "d", {"uptime": number})
            row = await session.get(DetectorRow, (project_id, "d"))
            assert row is not None
            row.received -= timedelta(seconds=30)
    async with database.reading() as session:
        (row,) = await detectors.reports(session, project_id, after="", limit=10)
    assert len(row.gaps) == detectors.GAPS
    assert detectors.interval_of(row.gaps) == pytest.approx(30, abs=5)
    assert row.first_seen is not None
    assert row.first_seen > row.received, "the test has moved what was received last into the past"


async def test_ten_thousand_are_read_page_by_page(database: Database):
    project_id = await add_project(database)
    now = datetime.now(UTC)
    async with database.writing() as session:
        session.add_all(
            DetectorRow(project_id=project_id, id=f"{number:05}", first_seen=now, received=now, gaps=[], status={})
            for number in range(detectors.MAX_DETECTORS)
        )
    found: list[str] = []
    async with database.reading() as session:
        while page := await detectors.reports(session, project_id, after=found[-1] if found else "", limit=1000):
            found += [row.id for row in page]
    assert found == [f"{number:05}" for number in range(detectors.MAX_DETECTORS)]


async def test_one_that_is_forgotten_is_unknown(database: Database):
    project_id = await add_project(database)
    async with database.writing() as session:
        await detectors.keep_report(session, project_id, "d", {})
        await detectors.forget(session, project_id, "d")
        with pytest.raises(NotFoundError, match="no detector d"):
            await detectors.forget(session, project_id, "d")


async def add_project(database: Database) -> str:
    async with database.writing() as session:
        return (await projects.add_project(session, "o", "p")).id
