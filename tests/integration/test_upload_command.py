"""`learning-loop upload` to the loop and through a node, and what an outbox exports comes in again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from learning_loop_node.cli import app
from learning_loop_node.cli.exit_status import ExitStatus
from learning_loop_node.client.detector import DetectorClient, Transport
from learning_loop_node.errors import InvalidRequestError
from learning_loop_node.settings import LoopSettings
from tests.builders import jpeg, make_metadata, make_settings
from tests.loop import ORGANIZATION, PROJECT, RunningLoop, running_loop
from tests.nodes import RunningNode, running_node
from tests.polling import until


@pytest.fixture
async def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningLoop]:
    async with running_loop(tmp_path) as running:
        await running.create_project()
        for name, value in {
            "LOOP_HOST": running.host,
            "LOOP_USERNAME": running.username,
            "LOOP_PASSWORD": running.password,
            "LOOP_ORGANIZATION": ORGANIZATION,
            "LOOP_PROJECT": PROJECT,
        }.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
async def node(loop: RunningLoop, tmp_path: Path) -> AsyncIterator[RunningNode]:
    place = LoopSettings(host=loop.host, organization=ORGANIZATION, project=PROJECT)
    async with running_node(tmp_path / "node", settings=make_settings(tmp_path / "node", loop=place)) as node:
        yield node


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """25 pictures, one of them twice, the first with a sidecar."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(24):
        (folder / f"{number:02}.jpg").write_bytes(jpeg(seed=number))
    (folder / "again.jpg").write_bytes(jpeg(seed=0))
    (folder / "00.json").write_text(
        json.dumps({"tags": ["sidecar"], "box_annotations": [{"category_name": "face"} | box()]})
    )
    return folder


async def test_to_the_loop_and_again(loop: RunningLoop, photos: Path):
    options = ("--tag", "holiday", "--tag", "2026", "--source", "camera", "--state", "review", "--at-once", "1")
    first = await upload(photos, *options)
    assert (first.exit_code, first.stdout) == (ExitStatus.OK, "25 images: 24 stored, 1 already there\n")
    records = {record["sha256"]: record for record in await loop.list_images()}
    assert len(records) == 24
    marked = records[sha256(jpeg(seed=0)).hexdigest()]
    assert marked["tags"] == ["sidecar", "holiday", "2026"]
    assert marked["box_annotations"][0]["category_name"] == "face"
    other = records[sha256(jpeg(seed=1)).hexdigest()]
    assert (other["tags"], other["source"], other["state"]) == (["holiday", "2026"], "camera", "review")
    again = await upload(photos, *options, "--json")
    assert {entry["fate"] for entry in json.loads(again.stdout)} == {"known"}
    assert len(await loop.list_images()) == 24


async def test_what_is_deleted_at_the_loop_is_said_and_can_be_restored(loop: RunningLoop, photos: Path):
    assert (await upload(photos / "01.jpg")).stdout == "1 image: 1 stored\n"
    [record] = await loop.list_images()
    await run("images", "delete", "--all")
    again = await upload(photos / "0[12].jpg")
    assert again.stdout == "2 images: 1 stored, 1 deleted at the loop\n"
    assert f"`learning-loop images restore {record['id']}` brings it back" in again.stderr
    assert "1 image restored" in (await run("images", "restore", record["id"])).stdout
    assert (await upload(photos / "01.jpg")).stdout == "1 image: 1 already there\n"


async def test_images_are_named_after_their_files(loop: RunningLoop, photos: Path):
    (photos / "01.json").write_text(json.dumps({"name": "brick"}))
    await upload(photos / "0[012].jpg")
    assert sorted(record["name"] for record in await loop.list_images()) == ["00.jpg", "02.jpg", "brick"]
    listed = (await run("images", "list", "name=02")).stdout
    assert ("02.jpg" in listed, "brick" in listed) == (True, False)


async def test_what_is_no_picture_is_named_and_the_others_arrive(loop: RunningLoop, photos: Path):
    (photos / "05.jpg").write_bytes(b"no picture")
    (photos / "07.json").write_text("{")
    result = await upload(photos / "0*.jpg")
    assert (result.exit_code, result.stdout) == (ExitStatus.FAILED, "10 images: 8 stored, 2 failed\n")
    assert ["05.jpg" in result.stderr, "07.json" in result.stderr] == [True, True]
    assert len(await loop.list_images()) == 8


async def test_through_a_node_and_again(loop: RunningLoop, node: RunningNode, photos: Path):
    for _ in range(2):
        result = await upload(photos, "--node", node.url, "--tag", "holiday", "--state", "review")
        assert (result.exit_code, result.stdout) == (ExitStatus.OK, "25 images: 25 kept by the node\n")
        await until(lambda: node.node.outbox.status().items == 0)
    records = await loop.list_images()
    assert sorted(record["sha256"] for record in records) == sorted(
        sha256(jpeg(seed=seed)).hexdigest() for seed in range(24)
    )
    assert {record["state"] for record in records} == {"review"}
    assert {*records[0]["tags"]} >= {"holiday", "picked_by_system"}


@pytest.mark.parametrize("transport", list(Transport))
async def test_a_key_at_the_node(loop: RunningLoop, node: RunningNode, transport: Transport):
    async with DetectorClient(node.url, transport=transport) as client:
        for seed in (1, 1, 2):
            await client.upload(jpeg(seed=seed), idempotency_key=f"key-{seed}")
        with pytest.raises(InvalidRequestError, match="idempotency_key must be"):
            await client.upload(jpeg(), idempotency_key="with blank")
    await until(lambda: node.node.outbox.status().items == 0)
    assert sorted(record["idempotency_key"] for record in await loop.list_images()) == ["key-1", "key-2"]


async def test_what_an_outbox_exports_comes_in_with_its_metadata(loop: RunningLoop, node: RunningNode, tmp_path: Path):
    await node.node.outbox.set_mode("stopped")
    async with DetectorClient(node.url) as client:
        await client.upload(jpeg(seed=1), make_metadata(tags=["mine"], source="robot"))
    copies = tmp_path / "copies"
    assert (await run("outbox", "export", copies, "--node", node.url)).exit_code == ExitStatus.OK
    assert (await upload(copies)).stdout == "1 image: 1 stored\n"
    [record] = await loop.list_images()
    assert record["tags"] == ["mine", "picked_by_system"]
    assert (record["source"], record["box_detections"][0]["category_name"]) == ("robot", "face")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        pytest.param(["/nowhere.jpg"], ExitStatus.USAGE, id="no picture"),
        pytest.param(["--project", "nothing"], ExitStatus.REFUSED, id="no project"),
        pytest.param(["--password", "wrong"], ExitStatus.REFUSED, id="wrong password"),
        pytest.param(["--state", "somewhere"], ExitStatus.USAGE, id="no state"),
    ],
)
async def test_what_cannot_be(loop: RunningLoop, photos: Path, arguments: list[str], status: ExitStatus):
    result = await upload(*([] if arguments[0].startswith("/") else [photos]), *arguments)
    assert result.exit_code == status, result.output
    assert await loop.list_images() == []


def box() -> dict[str, Any]:
    return {"x": 1, "y": 2, "width": 3, "height": 4, "category_id": None}


async def upload(*arguments: object) -> Result:
    return await run("upload", *arguments)


async def run(*arguments: object) -> Result:
    """The command in a thread, so that the servers of the test can answer it."""
    return await asyncio.to_thread(CliRunner().invoke, app, [str(argument) for argument in arguments])
