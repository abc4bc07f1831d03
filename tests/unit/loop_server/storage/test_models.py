"""What is told where a model is asked for that is not there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from learning_loop_node.errors import NotFoundError
from learning_loop_node.loop_server.storage import models, projects
from learning_loop_node.loop_server.storage.database import Database, sqlite_url
from learning_loop_node.loop_server.storage.tables import ModelRow

TEN = ", ".join(f"{number}.0" for number in range(3, 13))


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        pytest.param(0, "learning-loop train, or models push, makes the first", id="none"),
        pytest.param(1, "there are: 1.0", id="one"),
        pytest.param(models.TOLD, f"there are: {', '.join(f'{number}.0' for number in range(1, 11))}", id="all told"),
        pytest.param(12, f"there are: {TEN}; and 2 older ones", id="more than are told"),
    ],
)
async def test_who_names_a_model_that_is_not_there_hears_of_those_that_are(tmp_path: Path, count: int, expected: str):
    database = Database(sqlite_url(tmp_path))
    await database.open()
    start = datetime(2026, 1, 2, tzinfo=UTC)
    async with database.writing() as session:
        project = await projects.add_project(session, "o", "p")
        for number in range(1, count + 1):
            row = ModelRow(id=str(number), version=f"{number}.0", host="", comment="", information={})
            row.project_id, row.created = project.id, start + timedelta(hours=number)
            session.add(row)
    async with database.reading() as session:
        with pytest.raises(NotFoundError) as refused:
            await models.model_named(session, project.id, "1.0,2")
    assert str(refused.value) == f"there is no model 1.0,2 in this project; {expected}"
    await database.aclose()
