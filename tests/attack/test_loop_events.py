"""Malformed Socket.IO messages for the loop: each is answered by name where possible, and harms no other node."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from learning_loop_node.loop_server.connections import MAX_MESSAGE_BYTES
from tests.loop import RunningLoop, running_loop
from tests.node_clients import PATH
from tests.polling import until

from .loop_events import CASES, GOOD, floods
from .node_events import ID, Case, event
from .test_node_events import Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD_ID = ID + 1
OTHER = GOOD | {"id": "other", "name": "Other"}
WEBSOCKET = f"{PATH}/?EIO=4&transport=websocket"
POLLING = f"{PATH}/?EIO=4&transport=polling"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def loop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningLoop]:
    async with running_loop(tmp_path_factory.mktemp("loop")) as running:
        await running.create_project()
        yield running


@asynccontextmanager
async def connection(loop: RunningLoop, node_type: str = "trainer") -> AsyncIterator[Wire]:
    async with loop.admin.ws_connect(WEBSOCKET, max_msg_size=2**26, headers={"nodeType": node_type}) as socket:
        assert (await socket.receive_str()).startswith("0")
        await socket.send_str("40")
        assert (await socket.receive_str()).startswith("40")
        yield Wire(socket)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def other(loop: RunningLoop) -> AsyncIterator[Wire]:
    """Another trainer, connected all the while."""
    async with connection(loop) as wire:
        yield wire


@pytest.mark.parametrize("attack", CASES, ids=lambda attack: attack.name)
async def test_malformed_event(attack: Case, loop: RunningLoop, other: Wire):
    async with connection(loop) as wire:
        for frame in attack.frames():
            try:
                await wire.send(frame)
            except ConnectionError:  # the loop has closed it meanwhile
                break
        if attack.words:
            answer = await wire.acknowledgement(ID)
            assert answer["success"] is False
            assert answer["code"] != "internal_error"
            assert all(re.search(word, answer["error_msg"]) for word in attack.words), answer
            assert len(answer["error_msg"]) < 1000
            await assert_good(wire, GOOD)  # the same connection goes on
        elif attack.is_fine:
            assert (await wire.acknowledgement(ID))["success"] is True
    await assert_good(other, OTHER)
    assert [node["id"] for node in (await loop.json("GET", "/nodes"))["nodes"]].count("other") == 1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", range(len(floods(1))), ids=lambda kind: floods(5_000)[kind].name)
async def test_flood(kind: int, is_long: bool, loop: RunningLoop, other: Wire):
    attack = floods(100_000 if is_long else 5_000)[kind]
    async with connection(loop) as wire:
        for number, frame in enumerate(attack.frames()):
            await wire.send(frame)
            if number % 1000 == 999:
                await assert_good(other, OTHER)  # nobody else waits
    await assert_good(other, OTHER)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 401, id="no login"),
        pytest.param({"Cookie": "loop_session=guest"}, 403, id="guest"),
        pytest.param({"Cookie": "loop_session=" + "x" * 5000}, 401, id="long cookie"),
        pytest.param({"Authorization": "Bearer x"}, 401, id="unknown token"),
        pytest.param({"Authorization": "Basic eDp5"}, 401, id="another scheme"),
        pytest.param({"Origin": "http://evil.example"}, 403, id="foreign page"),
        pytest.param({"Origin": "null"}, 403, id="page without origin"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, 403, id="page of a neighbour"),
    ],
)
@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_who_has_no_business_here(loop: RunningLoop, headers: Mapping[str, str], status: int, transport: str):
    url = f"{PATH}/?EIO=4&transport={transport}"
    before = len(loop.app.state.loop.connections.server.eio.sockets)
    if transport == "polling":
        async with loop.nobody.get(url, headers=headers) as answer:
            assert answer.status == status
            assert "Access-Control-Allow-Origin" not in answer.headers
    else:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await loop.nobody.ws_connect(url, headers=headers)
        assert refused.value.status == status
    assert len(loop.app.state.loop.connections.server.eio.sockets) == before, "nothing is kept of it"


async def test_a_foreign_page_cannot_go_on_with_a_connection_of_somebody(loop: RunningLoop):
    async with loop.admin.get(POLLING) as answer:
        sid = re.search(r'"sid":"([^"]+)"', await answer.text())
    assert sid
    headers = {"Origin": "http://evil.example"}
    async with loop.admin.post(f"{POLLING}&sid={sid[1]}", data="40", headers=headers) as refused:
        assert refused.status == 403


@pytest.mark.parametrize("sid", ["x", "", "%00", "x" * 10_000, "../.."], ids=["x", "empty", "zero", "long", "path"])
async def test_made_up_connections(loop: RunningLoop, sid: str):
    async with loop.nobody.get(f"{POLLING}&sid={sid}") as answer:
        assert answer.status in (400, 401)


@pytest.mark.parametrize("path", [PATH, f"{PATH}/", f"{PATH}/x", f"{PATH}/?EIO=3", f"{PATH}/?EIO=4&transport=carrier"])
async def test_addresses_that_are_none(loop: RunningLoop, path: str):
    async with loop.nobody.get(path) as answer:
        assert answer.status == 401
    async with loop.admin.get(path) as answer:
        assert answer.status in (400, 404)


async def test_bodies_of_polling_are_bounded(loop: RunningLoop, other: Wire):
    async with loop.admin.get(POLLING) as answer:
        sid = re.search(r'"sid":"([^"]+)"', await answer.text())
    assert sid
    body = b"42" + bytes(MAX_MESSAGE_BYTES)
    async with loop.admin.post(f"{POLLING}&sid={sid[1]}", data=BytesIO(body)) as answer:
        assert answer.status == 413
        assert (await answer.json())["code"] == "too_large"
    await assert_good(other, OTHER)


async def test_who_has_gone_leaves_nothing_behind(loop: RunningLoop, other: Wire):
    """Only the other trainer is still there, whatever the cases above did, and those that never began."""
    connections = loop.app.state.loop.connections
    connections.handshake_s = 0.0
    await connections.look()
    await connections.look()
    await until(lambda: len(connections.nodes.all()) == 1)
    await until(lambda: len(connections.server.environ) == 1)
    await assert_good(other, OTHER)


async def test_there_are_enough():
    assert len(CASES) >= 60
    assert len({attack.name for attack in CASES}) == len(CASES)


async def assert_good(wire: Wire, status: Mapping[str, Any]) -> None:
    await wire.send(event("update_trainer", dict(status), id_=GOOD_ID))
    answer = await wire.acknowledgement(GOOD_ID)
    assert answer == {"success": True, "error_msg": None, "payload": None}
