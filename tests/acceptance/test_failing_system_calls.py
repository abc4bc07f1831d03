"""A detector whose system calls fail: its callers are told, nothing is kept by halves, and it goes on by itself."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest

from learning_loop_node.client.detector import DetectorClient
from learning_loop_node.errors import StorageFullError
from tests.builders import jpeg
from tests.child import Child, python_child
from tests.loop import ORGANIZATION, PROJECT, running_loop
from tests.nodes import put_model
from tests.polling import until
from tests.strace import failing

UPLOADS = 14
FIRST, SECOND, EVERY_SEVENTH = "1", "2", "1+7"

OPEN, WRITE, SYNC = "open,openat", "write,pwrite64,writev", "fsync,fdatasync"
RENAME, DELETE, FOLDER = "rename,renameat,renameat2", "unlink,unlinkat,rmdir", "mkdir,mkdirat"


@pytest.mark.parametrize(
    ("calls", "errors"),
    [
        pytest.param(OPEN, ("EIO", "EINTR", "EMFILE"), id="open"),
        pytest.param(WRITE, ("EIO", "ENOSPC", "EINTR"), id="write"),
        pytest.param(SYNC, ("ENOSPC", "EIO"), id="fsync"),
        pytest.param(RENAME, ("EIO", "ENOSPC"), id="rename"),
        pytest.param(FOLDER, ("ENOSPC", "EMFILE"), id="mkdir"),
    ],
)
async def test_saving(tmp_path: Path, calls: str, errors: Sequence[str]):
    """Each image is acknowledged and arrives, or refused and does not; the next one is not affected."""
    robot = Robot()
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        async with node_process(tmp_path, loop.host) as node, DetectorClient(node.url) as client:
            await client.set_outbox_mode("stopped")
            for error in errors:
                for when in (FIRST, SECOND, EVERY_SEVENTH):
                    refused = len(robot.refused)
                    async with failing(node.process.pid, calls, error, when):
                        await robot.upload(client, UPLOADS)
                    if error == "EINTR":
                        assert len(robot.refused) == refused, f"{error} {when}: an interrupted call is repeated"
                    else:
                        assert len(robot.refused) > refused, f"{error} {when}: nobody was told"
                    refused = len(robot.refused)
                    await robot.upload(client, 2)
                    assert len(robot.refused) == refused, f"{error} {when}: it did not recover"
            assert leftovers(tmp_path) == []
            await client.set_outbox_mode("continuous_upload")
            await until(lambda: is_empty(client))
            counts = (await client.status())["outbox"]
        stored = Counter(record["sha256"] for record in await loop.list_images())
    assert stored == Counter(robot.acknowledged)
    assert (counts["saved"], counts["refused"]) == (len(robot.acknowledged), len(robot.refused))
    assert (counts["quarantined"], counts["dropped"]) == (0, {})


@pytest.mark.parametrize(
    ("calls", "error"),
    [
        pytest.param(OPEN, "EMFILE", id="open"),
        pytest.param(RENAME, "EIO", id="rename"),
        pytest.param(DELETE, "EIO", id="delete"),
        pytest.param(SYNC, "EIO", id="fsync"),
    ],
)
async def test_sending(tmp_path: Path, calls: str, error: str):
    """What waits arrives exactly once, whatever fails while it is read and deleted."""
    robot = Robot()
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        async with node_process(tmp_path, loop.host) as node, DetectorClient(node.url) as client:
            await client.set_outbox_mode("stopped")
            await robot.upload(client, UPLOADS)
            async with failing(node.process.pid, calls, error, EVERY_SEVENTH):
                await client.set_outbox_mode("continuous_upload")
                await until(lambda: is_trying(client))
            await until(lambda: is_empty(client))
            assert (await client.status())["outbox"]["quarantined"] == 0
            if calls != DELETE:
                await until(lambda: not leftovers(tmp_path))
        assert robot.refused == []
        if calls == DELETE:  # what could not be deleted is at the next start
            async with node_process(tmp_path, loop.host) as node, DetectorClient(node.url) as client:
                await until(lambda: is_empty(client))
                assert leftovers(tmp_path) == []
        stored = Counter(record["sha256"] for record in await loop.list_images())
    assert stored == Counter(robot.acknowledged)


@dataclass
class Robot:
    """Sends pictures, no two alike, and notes the hashes of those that the node answered for."""

    acknowledged: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _seeds: count[int] = field(default_factory=count)

    async def upload(self, client: DetectorClient, number: int) -> None:
        """Anything but an answer or a refusal for want of room fails the test."""
        for _ in range(number):
            image = jpeg(seed=next(self._seeds))
            try:
                await client.upload(image)
            except StorageFullError:
                self.refused.append(sha256(image).hexdigest())
            else:
                self.acknowledged.append(sha256(image).hexdigest())


def leftovers(folder: Path) -> list[Path]:
    """What lies where images are written and deleted."""
    return list((folder / "node" / "outbox" / "tmp").iterdir())


async def is_empty(client: DetectorClient) -> bool:
    await asyncio.sleep(0.05)
    return bool((await client.status())["outbox"]["items"] == 0)


async def is_trying(client: DetectorClient) -> bool:
    """Whether something of what waited was sent, or failed."""
    counts = (await client.status())["outbox"]
    return counts["items"] < UPLOADS or counts["last_error"] is not None


@asynccontextmanager
async def node_process(folder: Path, loop_host: str) -> AsyncIterator[Child]:
    """On asyncio's event loop: that of uvloop ends the process when the writes fail with which it wakes itself."""
    if not (folder / "node" / "models").exists():
        put_model(folder / "node")
    environment = os.environ | {
        "DATA_FOLDER": str(folder / "node"),
        "LOOP_HOST": loop_host,
        "LOOP_ORGANIZATION": ORGANIZATION,
        "LOOP_PROJECT": PROJECT,
    }
    program = "tests.acceptance.programs.doubtful:node"
    running_on = r"running on (http://\S+)"
    async with python_child(
        *("-m", "uvicorn", program, "--host", "127.0.0.1", "--port", "0", "--loop", "asyncio"),
        environment=environment,
        address=running_on,
        ready=running_on,
    ) as child:
        yield child
