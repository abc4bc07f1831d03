"""A detector node as a process of its own: killed while clients send, stopped with images still to be decided."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import aiohttp
import pytest

from learning_loop_node.client.detector import DetectorClient, Transport
from learning_loop_node.errors import DetectionFailedError, UnavailableError
from tests.builders import jpeg
from tests.child import Child, python_child
from tests.loop import ORGANIZATION, PROJECT, running_loop
from tests.nodes import put_model
from tests.polling import until

PROGRAM = "tests.acceptance.programs.doubtful"
PLAIN_UVICORN = ("-m", "uvicorn", f"{PROGRAM}:node", "--host", "127.0.0.1", "--port", "0")
RUN_NODE = ("-m", PROGRAM, "--host", "127.0.0.1", "--port", "0")
EVERY_WAY = pytest.mark.parametrize(
    "way", [pytest.param(PLAIN_UVICORN, id="plain uvicorn"), pytest.param(RUN_NODE, id="run_node")]
)
NO_LOOP = "127.0.0.1:9"

MOST_ANSWERS_PER_LIFE = 60


@pytest.mark.parametrize(
    ("number", "lives", "expected"),
    [
        pytest.param(signal.SIGKILL, 6, -signal.SIGKILL, id="kill -9"),
        pytest.param(signal.SIGTERM, 2, 0, id="orderly"),
    ],
)
async def test_every_acknowledged_image_is_at_the_loop_exactly_once(
    tmp_path: Path, number: int, lives: int, expected: int
):
    dice = random.Random(27)
    put_model(tmp_path)
    robots = Robots()
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        for _ in range(lives):
            async with node_process(tmp_path, loop.host) as node, asyncio.TaskGroup() as clients:
                for name in ROBOTS:
                    clients.create_task(robots.send_until_it_dies(node.url, name))
                enough = len(robots.acknowledged) + dice.randint(1, MOST_ANSWERS_PER_LIFE)
                await until(lambda goal=enough: len(robots.acknowledged) >= goal)  # type: ignore[misc]
                await asyncio.sleep(dice.uniform(0, 0.03))  # to hit any moment, not only the one after an answer
                node.send(number)
                assert await node.status(within_s=10) == expected, node.output
        async with node_process(tmp_path, loop.host) as node:
            await until(lambda: is_outbox_empty(node.url))
            node.send(signal.SIGTERM)
            assert await node.status(within_s=10) == 0, node.output
        records = await loop.list_images()
    stored = Counter(record["sha256"] for record in records)
    assert robots.acknowledged.keys() <= stored.keys() <= robots.sent
    assert set(stored.values()) == {1}
    assert len({record["idempotency_key"] for record in records}) == len(records)
    assert set(robots.acknowledged.values()) == set(ROBOTS)
    assert not list((tmp_path / "outbox" / "quarantine").iterdir())


@EVERY_WAY
async def test_an_idle_node_ends_at_once_with_status_0(tmp_path: Path, way: tuple[str, ...]):
    put_model(tmp_path)
    async with node_process(tmp_path, NO_LOOP, way) as node:
        async with aiohttp.ClientSession() as session, session.get(f"{node.url}/readyz") as answer:
            assert answer.status == 200
        node.send(signal.SIGTERM)
        # a second on an idle machine; the limit only tells an end from waiting for connections
        assert await node.status(within_s=5) == 0, node.output
    assert "Traceback" not in node.output


@EVERY_WAY
async def test_images_in_the_intake_are_decided_before_the_end(tmp_path: Path, way: tuple[str, ...]):
    images = [jpeg(seed=seed) for seed in range(150)]
    put_model(tmp_path)
    async with node_process(tmp_path, NO_LOOP, way) as node:
        async with DetectorClient(node.url) as client:
            await client.batch_detect(images)
            node.send(signal.SIGTERM)
        assert await node.status(within_s=10) == 0, node.output
    assert "Traceback" not in node.output
    kept = [sha256_of(file.read_bytes()) for file in (tmp_path / "outbox" / "normal").glob("*/*.jpg")]
    assert sorted(kept) == sorted(map(sha256_of, images))


async def test_a_logic_that_hangs_ends_the_process_and_its_clients_are_told(tmp_path: Path):
    put_model(tmp_path)
    way = tuple(part.replace("doubtful", "hanging") for part in PLAIN_UVICORN)
    async with node_process(tmp_path, NO_LOOP, way, INFERENCE_HANG_S="0.5") as node:
        async with DetectorClient(node.url) as client:
            with pytest.raises(DetectionFailedError, match="INFERENCE_HANG_S"):
                await client.detect(jpeg())
        assert await node.status(within_s=30) == 1, node.output
    assert "the detector logic has been busy for more than 0.5 s (INFERENCE_HANG_S)" in node.output


async def keep(client: DetectorClient, image: bytes) -> None:
    await client.upload(image)


async def detect_and_keep(client: DetectorClient, image: bytes) -> None:
    await client.detect(image, autoupload="all")


ROBOTS: dict[str, tuple[Transport, Callable[[DetectorClient, bytes], Awaitable[None]]]] = {
    "upload over REST": (Transport.REST, keep),
    "upload as event": (Transport.SOCKETIO, keep),
    "detect over REST": (Transport.REST, detect_and_keep),
    "detect as event": (Transport.SOCKETIO, detect_and_keep),
}


@dataclass
class Robots:
    """Send each image once; `acknowledged` are the hashes of those that the node answered for, and who sent them."""

    sent: set[str] = field(default_factory=set)
    acknowledged: dict[str, str] = field(default_factory=dict)
    _seeds: count[int] = field(default_factory=count)

    async def send_until_it_dies(self, url: str, name: str) -> None:
        transport, send = ROBOTS[name]
        async with DetectorClient(url, transport=transport) as client:
            with suppress(UnavailableError):
                while True:
                    image = jpeg(seed=next(self._seeds))
                    self.sent.add(sha256_of(image))
                    await send(client, image)
                    self.acknowledged[sha256_of(image)] = name


def sha256_of(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()


async def is_outbox_empty(url: str) -> bool:
    async with DetectorClient(url) as client:
        return bool((await client.status())["outbox"]["items"] == 0)


@asynccontextmanager
async def node_process(
    data_folder: Path, loop_host: str, way: tuple[str, ...] = PLAIN_UVICORN, **variables: str
) -> AsyncIterator[Child]:
    """The program on a free port, once it answers; it must come up."""
    environment = os.environ | {
        "DATA_FOLDER": str(data_folder),
        "LOOP_HOST": loop_host,
        "LOOP_ORGANIZATION": ORGANIZATION,
        "LOOP_PROJECT": PROJECT,
        **variables,
    }
    running_on = r"running on (http://\S+)"
    async with python_child(*way, environment=environment, address=running_on, ready=running_on) as child:
        yield child
