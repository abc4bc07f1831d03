"""When the grace period of a deleted project is over, everything in it is lost, and nothing else."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from learning_loop_node.loop_server.storage.projects import project_named
from learning_loop_node.loop_server.storage.tables import ConversionRow, Table, TrainingMetricRow, TrainingRow
from learning_loop_node.loop_server.upkeep.cleaning import Cleaning
from tests.builders import jpeg
from tests.loop import P, RunningLoop, running_loop

PASSED_ON = ("users", "sessions", "facets")


@pytest.fixture
async def loop(tmp_path: Path):
    async with running_loop(tmp_path) as running:
        await running.create_project()
        await running.post_images([jpeg(seed=1), jpeg(seed=2)], keys=["1", "2"])
        await running.push_model(deploy=True)
        yield running


def cleaning_in(loop: RunningLoop, days: float) -> Cleaning:
    """The loop's cleaning, so many days later; contents count as written long ago."""
    inner = loop.app.state.loop
    for file in (inner.folder / "blobs").glob("??/*"):
        os.utime(file, (time.time() - 7200,) * 2)
    return Cleaning(
        inner.database,
        inner.blobs,
        inner.thumbnails,
        grace_period_days=30,
        now=lambda: datetime.now(UTC) + timedelta(days=days),
    )


async def row_counts(loop: RunningLoop) -> dict[str, int]:
    async with loop.app.state.loop.database.reading() as session:
        return {
            table.name: await session.scalar(select(func.count()).select_from(table)) or 0
            for table in Table.metadata.sorted_tables
            if table.name not in PASSED_ON
        }


def contents(loop: RunningLoop) -> list[Path]:
    return sorted((loop.app.state.loop.folder / "blobs").glob("??/*"))


async def test_before_the_end_nothing_is_lost(loop: RunningLoop):
    await loop.json("DELETE", P)
    assert await cleaning_in(loop, days=29.9).remove_expired_projects() == 0
    assert len(contents(loop)) == 3
    await loop.json("POST", f"{P}/restore")
    assert await cleaning_in(loop, days=1000).remove_expired_projects() == 0, "it has been restored"
    assert len(await loop.image_ids()) == 2


async def test_afterwards_nothing_is_left_of_it(loop: RunningLoop):
    await loop.json("DELETE", P)
    assert await cleaning_in(loop, days=30.1).remove_expired_projects() == 1
    assert {name: count for name, count in (await row_counts(loop)).items() if count} == {}
    assert contents(loop) == []


async def test_nor_of_its_trainings_and_conversions(loop: RunningLoop):
    [model] = (await loop.json("GET", f"{P}/models"))["models"]
    now = datetime.now(UTC)
    async with loop.app.state.loop.database.writing() as session:
        project = await project_named(session, "zauberzeug", "demo")
        values = {"number": 1, "state": "finished", "model_variant": "small", "hyperparameters": {}, "categories": []}
        session.add(TrainingRow(id="t", project_id=project.id, created=now, **values))
        session.add(ConversionRow(model_id=model["id"], format="onnx", state="failed", changed=now))
        await session.flush()
        counts = {"confusion": {}, "train_image_count": 1, "test_image_count": 1}
        session.add(TrainingMetricRow(training_id="t", moment=now, **counts))
    before = await row_counts(loop)
    assert [before[name] for name in ("trainings", "training_metrics", "conversions")] == [1, 1, 1]
    await loop.json("DELETE", P)
    assert await cleaning_in(loop, days=30.1).remove_expired_projects() == 1
    assert {name: count for name, count in (await row_counts(loop)).items() if count} == {}


async def test_what_another_project_uses_as_well_stays(loop: RunningLoop):
    await loop.json("DELETE", P)
    await loop.create_project()
    [kept] = await loop.post_images([jpeg(seed=1)])
    assert await cleaning_in(loop, days=30.1).remove_expired_projects() == 1
    assert len(contents(loop)) == 1
    assert await loop.image_content(kept["id"]) == jpeg(seed=1)


async def test_with_a_period_of_zero_a_project_cannot_be_restored(tmp_path: Path):
    async with running_loop(tmp_path, grace_period_days=0) as loop:
        await loop.create_project()
        await loop.json("DELETE", P)
        assert (await loop.json("GET", "/zauberzeug/projects/deleted"))["projects"] == []
        async with loop.admin.post(f"/api{P}/restore") as answer:
            assert answer.status == 404
