"""Malformed Socket.IO messages: each is answered by name where an answer is possible, and harms nobody else."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from learning_loop_node.settings import DetectorSettings
from tests.builders import make_settings
from tests.nodes import RunningNode, running_node
from tests.polling import until

from .node_events import CASES, ID, Case, Frame, event, floods

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE_S = 5.0
SILENCE_ID = ID + 1


class Wire:
    """A websocket of a node on which frames are sent by hand."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, frame: Frame) -> None:
        if isinstance(frame, bytes):
            await self._socket.send_bytes(frame)
        else:
            await self._socket.send_str(frame)

    async def acknowledgement(self, id_: int) -> Any:
        """What the event with this id is answered with; None if the node closes the connection."""
        async with asyncio.timeout(PATIENCE_S):
            async for message in self._socket:
                found = re.match(rf"43(?:/\w+,)?0*{id_}(\[.*)", str(message.data), re.DOTALL)
                if found:
                    return json.loads(found[1])[0]
        return None


@asynccontextmanager
async def connection(http: aiohttp.ClientSession) -> AsyncIterator[Wire]:
    url = "/ws/socket.io/?EIO=4&transport=websocket"
    async with http.ws_connect(url, max_msg_size=2**26) as socket:
        assert (await socket.receive_str()).startswith("0")
        await socket.send_str("40")
        assert (await socket.receive_str()).startswith("40")
        yield Wire(socket)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningNode]:
    tmp_path: Path = tmp_path_factory.mktemp("node")
    limits = DetectorSettings(max_pixels=20_000, max_cameras=50)
    async with running_node(tmp_path, settings=make_settings(tmp_path, detector=limits)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(node: RunningNode) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(node.url) as session:
        yield session


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def other(http: aiohttp.ClientSession) -> AsyncIterator[Wire]:
    """Another client, connected all the while."""
    async with connection(http) as wire:
        yield wire


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def before(other: Wire) -> list[Any]:
    """What good events are answered with at first."""
    return await answers_to_good(other)


@pytest.mark.parametrize("attack", CASES, ids=lambda attack: attack.name)
async def test_malformed_event(
    attack: Case, node: RunningNode, http: aiohttp.ClientSession, other: Wire, before: list[Any]
):
    async with connection(http) as wire:
        for frame in attack.frames():
            await wire.send(frame)
        if attack.words:
            answer = await wire.acknowledgement(ID)
            assert sorted(answer) == ["code", "error"]
            assert answer["code"] != "internal_error"
            assert all(re.search(word, answer["error"]) for word in attack.words), answer
            assert len(answer["error"]) < 1000
            assert await answers_to_good(wire) == before  # the same connection goes on
        elif attack.is_fine:
            assert "error" not in await wire.acknowledgement(ID)
    assert await answers_to_good(other) == before
    assert node.node.outbox.status().items == 0
    assert node.node.inference.pending == 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", range(len(floods(1))), ids=lambda kind: floods(5_000)[kind].name)
async def test_flood(
    kind: int, is_long: bool, node: RunningNode, http: aiohttp.ClientSession, other: Wire, before: list[Any]
):
    attack = floods(100_000 if is_long else 5_000)[kind]
    async with connection(http) as wire:
        for number, frame in enumerate(attack.frames()):
            await wire.send(frame)
            if number % 1000 == 999:
                assert await answers_to_good(other) == before  # nobody else waits
    await until(lambda: node.node.inference.pending == 0)
    assert await answers_to_good(other) == before


async def test_who_has_gone_leaves_nothing_behind(node: RunningNode, other: Wire):
    """Only the other client is still there, whatever the cases above did."""
    await until(lambda: len(node.node.connected_clients) == 1)
    assert len(node.node.sio.environ) == 1


async def test_there_are_enough():
    assert len(CASES) >= 60
    assert len({attack.name for attack in CASES}) == len(CASES)


async def answers_to_good(wire: Wire) -> list[Any]:
    answers = []
    for name in ("about", "get_outbox_mode"):
        await wire.send(event(name, id_=SILENCE_ID))
        answers.append(await wire.acknowledgement(SILENCE_ID))
    return answers
