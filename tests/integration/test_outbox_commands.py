"""`learning-loop outbox` with a running node and with its folder alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from learning_loop_node.cli import app
from learning_loop_node.cli.exit_status import ExitStatus
from learning_loop_node.client.detector import DetectorClient
from learning_loop_node.detector.outbox.store import Item
from tests.builders import jpeg, make_metadata
from tests.nodes import RunningNode, running_node
from tests.polling import until

GONE = "2020-01-02_03:04:05.000000"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningNode]:
    """A node without a loop; of its three images, one is in quarantine."""
    async with running_node(tmp_path / "node") as node, DetectorClient(node.url) as client:
        for number, tags in enumerate((["front", "dark"], ["front"], ["broken"])):
            await client.upload(
                jpeg(seed=number), make_metadata(tags=tags, source="robot"), upload_priority=number == 0
            )
        await client.set_outbox_mode("stopped")
        await until(lambda: not node.node.outbox.in_flight)
        store = node.node.outbox.store
        store.quarantine(store.listed(9)[1], "the loop does not like it")
        yield node


@pytest.fixture(params=["--node", "--folder"])
def whose(request: pytest.FixtureRequest, node: RunningNode, tmp_path: Path) -> list[str]:
    return ["--node", node.url] if request.param == "--node" else ["--folder", str(tmp_path / "node")]


async def test_list(node: RunningNode, whose: list[str]):
    waiting, apart = node.node.outbox.store.listed(9), node.node.outbox.store.quarantined(9)
    result = await outbox("list", *whose)
    assert result.exit_code == ExitStatus.OK, result.output
    for shown in (*(item.name for item in waiting), apart[0].name, "front, dark", "the loop does not like it", "robot"):
        assert shown in result.stdout
    assert "2 images" in result.stdout.splitlines()[-1]
    assert "1 in quarantine" in result.stdout.splitlines()[-1]
    told = json.loads((await outbox("list", *whose, "--json", "--limit", "1")).stdout)
    assert [entry["name"] for entry in told["waiting"]] == [waiting[0].name]
    assert told["quarantined"][0]["reason"] == "the loop does not like it"
    assert told["totals"]["items"] == 2


async def test_retry(node: RunningNode, whose: list[str]):
    store = node.node.outbox.store
    [apart] = store.quarantined(9)
    unknown = await outbox("retry", GONE, *whose)
    assert unknown.exit_code == ExitStatus.FAILED
    assert GONE in unknown.stderr
    result = await outbox("retry", *whose)
    assert (result.exit_code, result.stdout) == (ExitStatus.OK, "1 image back in the queue\n")
    store.refresh()
    assert apart.name in {item.name for item in store.listed(9)}
    assert json.loads((await outbox("retry", *whose, "--json")).stdout) == {"count": 0, "left": {}}


async def test_export(node: RunningNode, whose: list[str], tmp_path: Path):
    store, target = node.node.outbox.store, tmp_path / "copies"
    before = everything_in(tmp_path / "node" / "outbox")
    result = await outbox("export", target, *whose)
    assert (result.exit_code, result.stdout) == (ExitStatus.OK, "2 images: 2 copied\n")
    for item in store.listed(9):
        assert copy_of(item, target, "jpg") == store.jpeg(item)
        assert json.loads(copy_of(item, target, "json"))["source"] == "robot"
    assert (await outbox("export", target, *whose)).stdout == "2 images: 2 already there\n"
    assert (await outbox("export", target, "--quarantined", *whose)).stdout == "1 image: 1 copied\n"
    [reason] = target.glob("*.reason.txt")
    assert reason.read_text() == "the loop does not like it\n"
    assert len(list(target.iterdir())) == 7
    assert everything_in(tmp_path / "node" / "outbox") == before


async def test_export_overwrites_nothing(node: RunningNode, whose: list[str], tmp_path: Path):
    target = tmp_path / "copies"
    await outbox("export", target, *whose)
    changed = next(target.glob("*.jpg"))
    changed.write_bytes(b"mine")
    result = await outbox("export", target, *whose, "--json")
    assert result.exit_code == ExitStatus.FAILED
    assert json.loads(result.stdout) == {"failed": 1, "already there": 1}
    assert changed.read_bytes() == b"mine"


async def test_export_of_what_is_damaged_says_so(node: RunningNode, whose: list[str], tmp_path: Path):
    [item, *_] = node.node.outbox.store.listed(1)
    (tmp_path / "node" / "outbox" / item.lane / item.name / f"{item.stem}.json").write_text("{")
    result = await outbox("export", tmp_path / "copies", *whose)
    assert (result.exit_code, result.stdout) == (ExitStatus.OK, "2 images: 2 copied\n")
    assert "not valid JSON" in (await outbox("list", *whose)).stdout
    (tmp_path / "node" / "outbox" / item.lane / item.name / f"{item.stem}.jpg").unlink()
    result = await outbox("export", tmp_path / "more", *whose)
    if whose[0] == "--node":  # which finds out when it sends
        assert result.exit_code == ExitStatus.FAILED
        assert "is missing" in result.stderr
    else:
        assert "jpg is missing" in (await outbox("list", *whose)).stderr


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        pytest.param(["list"], ExitStatus.USAGE, id="whose"),
        pytest.param(["list", "--node", "a", "--folder", "b"], ExitStatus.USAGE, id="both"),
        pytest.param(["list", "--node", "127.0.0.1:9"], ExitStatus.UNREACHABLE, id="no node"),
        pytest.param(["list", "--node", "a b"], ExitStatus.USAGE, id="no address"),
        pytest.param(["retry", "--folder", "/nowhere"], ExitStatus.USAGE, id="no folder"),
        pytest.param(["export", "/dev/null/x", "--folder", "/dev"], ExitStatus.USAGE, id="no outbox"),
    ],
)
async def test_what_cannot_be(arguments: list[str], status: ExitStatus):
    result = await outbox(*arguments)
    assert result.exit_code == status, result.output
    assert len(result.stderr.splitlines()) == 1


def copy_of(item: Item, target: Path, ending: str) -> bytes:
    return (target / f"{item.stem.replace(':', '-')}.{ending}").read_bytes()


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


async def outbox(*arguments: object) -> Result:
    """In a thread, so that the node of the test can answer."""
    return await asyncio.to_thread(CliRunner().invoke, app, ["outbox", *map(str, arguments)])
