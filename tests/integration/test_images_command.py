"""`learning-loop images` against a real loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from learning_loop_node.cli import app
from learning_loop_node.cli.exit_status import ExitStatus
from tests.builders import jpeg
from tests.loop import RunningLoop, running_loop

PICTURES: list[dict[str, Any]] = [
    {"id": "a", "tags": ["night"], "state": "inbox", "source": "cam 1", "created": "2026-01-02T03:04:05"},
    {"id": "b", "tags": ["night", "rain"], "state": "review", "created": "2026-02-02T03:04:05"},
    {
        "id": "c",
        "state": "inbox",
        "box_annotations": [{"category_name": "face", "x": 1, "y": 1, "width": 1, "height": 1}],
    },
]


@pytest.fixture
async def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningLoop]:
    for name in ("LOOP_USERNAME", "LOOP_PASSWORD", "LOOP_TOKEN", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    async with running_loop(tmp_path) as running:
        await running.create_project()
        monkeypatch.setenv("LOOP_HOST", running.host)
        monkeypatch.setenv("LOOP_ORGANIZATION", "zauberzeug")
        monkeypatch.setenv("LOOP_PROJECT", "demo")
        for number, metadata in enumerate(PICTURES):
            await running.post_images([jpeg(seed=number)], metadata=metadata)
        yield running


async def test_images_are_chosen_by_filters_or_ids(loop: RunningLoop):
    expected = {
        (): ["a", "b", "c"],
        ("tag=night",): ["a", "b"],
        ("tag=night", "tag=rain"): ["b"],
        ("state=inbox", "state=review", "annotated=no"): ["a", "b"],
        ("created_since=2026-02-01", "created_until=2026-03-01"): ["b"],
        ("category=face",): ["c"],
        ("source=cam 1",): ["a"],
        ("c", "a"): ["c", "a"],
        ("id=b",): ["b"],
    }
    for words, ids in expected.items():
        found = await images("ids", *words)
        assert found.stdout.split() == ids, words
    assert (await images("ids", "--sort", "-arrival")).stdout.split() == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["ids", "stat=inbox"], ["stat", "state"], id="unknown filter"),
        pytest.param(["ids", "annotated=perhaps"], ["annotated=perhaps"], id="no truth"),
        pytest.param(["ids", "created_since=now"], ["created_since=now"], id="no moment"),
        pytest.param(["ids", "a", "state=inbox"], ["either"], id="ids and filters"),
        pytest.param(["move", "a"], ["--to-state"], id="nowhere"),
        pytest.param(["tag", "a"], ["--add"], id="no tag"),
        pytest.param(["delete"], ["--all"], id="everything by mistake"),
    ],
)
def test_what_cannot_be_understood(arguments: list[str], words: list[str]):
    result = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["images", *arguments])
    assert result.exit_code == ExitStatus.USAGE
    for word in words:
        assert word in result.output


async def test_images_are_moved_tagged_deleted_and_restored(loop: RunningLoop):
    assert answer(await images("move", "tag=night", "--to-state", "complete", "--to-set", "val", "--json")) == {
        "moved": 2
    }
    assert answer(await images("tag", "state=complete", "--add", "seen", "--remove", "rain", "--json")) == {"tagged": 2}
    listed = answer(await images("list", "set=val", "--sort", "arrival", "--json"))
    assert [(entry["state"], entry["tags"]) for entry in listed] == [
        ("complete", ["night", "seen"]),
        ("complete", ["night", "seen"]),
    ]
    assert "2 images deleted" in (await images("delete", "tag=seen")).stdout
    assert (await images("ids")).stdout.split() == ["c"]
    assert (await images("ids", "deleted=only")).stdout.split() == ["a", "b"]
    assert "2 shown; in the project, besides deleted ones: 1 inbox" in (await images("list", "deleted=only")).stdout
    assert answer(await images("restore", "a", "--json")) == {"restored": 1}
    assert answer(await images("restore", "--all", "--json")) == {"restored": 1}
    assert "1 inbox" in (await images("list")).stdout


async def test_an_image_is_shown(loop: RunningLoop):
    shown = (await images("show", "c")).stdout
    assert "1: face" in shown
    assert answer(await images("show", "c", "--json"))["id"] == "c"
    assert (await images("show", "unknown")).exit_code == ExitStatus.REFUSED
    refused = await images("move", "unknown", "--to-state", "inbox")
    assert (refused.exit_code, refused.stdout) == (ExitStatus.REFUSED, "")


def answer(result: Result):
    assert result.exit_code == ExitStatus.OK, result.output
    return json.loads(result.stdout)


async def images(*arguments: str) -> Result:
    login = ["--username", "admin", "--password", "secret"]
    return await asyncio.to_thread(CliRunner(env={"COLUMNS": "200"}).invoke, app, ["images", *arguments, *login])
