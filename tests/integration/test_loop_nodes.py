"""The loop's Socket.IO server: who may connect, what is heard of nodes, calls to them, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from learning_loop_node.errors import DeadlineError, UnavailableError
from learning_loop_node.loop_server import node_events
from learning_loop_node.loop_server.nodes import NodeKind
from tests.loop import RunningLoop, running_loop
from tests.metrics import samples_of
from tests.node_clients import PASSWORD, PATH, node_client, session_of, trainer_status
from tests.polling import until

HANDSHAKE = f"{PATH}/?EIO=4&transport=polling"


@pytest.fixture
async def loop(tmp_path: Path) -> AsyncIterator[RunningLoop]:
    async with running_loop(tmp_path) as running:
        await running.create_project()
        yield running


async def test_without_nodes_none_are_listed(loop: RunningLoop):
    assert await loop.json("GET", "/nodes") == {"nodes": []}


@pytest.mark.parametrize("transports", [None, ["websocket"], ["polling"]], ids=["upgraded", "websocket", "polling"])
async def test_a_trainer_is_listed_as_it_describes_itself(loop: RunningLoop, transports: list[str] | None):
    async with node_client(loop, transports=transports) as trainer:
        assert await loop.json("GET", "/nodes") == {"nodes": []}, "it has not said yet who it is"
        status = trainer_status("running", progress=0.5, errors={"prepare": "no images"})
        answer = await trainer.call("update_trainer", status)
        assert answer == {"success": True, "error_msg": None, "payload": None}
        [node] = (await loop.json("GET", "/nodes"))["nodes"]
        assert node.pop("connected_since")
        assert node == {
            "id": "trainer 1",
            "kind": "trainer",
            "name": "Trainer 1",
            "state": "running",
            "progress": 0.5,
            "errors": {"prepare": "no images"},
            "architecture": "mocked",
            "pretrained_models": status["pretrained_models"],
            "capabilities": [],
            "formats": None,
            "context": None,
            "uptime": 1.5,
            "user": "admin",
        }
    await until(lambda: not loop.app.state.loop.nodes.all())
    assert await loop.json("GET", "/nodes") == {"nodes": []}


async def test_an_annotation_node_is_answered_as_0_27_wants_it(loop: RunningLoop):
    status = {
        "id": "tool",
        "name": "Tool",
        "state": "online",
        "uptime": 0,
        "errors": {},
        "capabilities": ["segmentation"],
    }
    async with node_client(loop, "annotation_node") as tool:
        answer = await tool.call("update_annotation_node", status)
        assert answer == {"success": True, "error_msg": None, "payload": None}
        [node] = (await loop.json("GET", "/nodes"))["nodes"]
        assert (node["kind"], node["capabilities"]) == ("annotation_node", ["segmentation"])


async def test_a_node_of_0_3_2_gets_literally_true(loop: RunningLoop):
    status = {
        "id": "old",
        "name": "old one",
        "state": "idle",
        "uptime": 3,
        "latest_error": "",
        "latest_produced_model_id": None,
    }
    async with node_client(loop, None) as trainer:
        assert await trainer.call("update_trainer", status) is True
        [node] = (await loop.json("GET", "/nodes"))["nodes"]
        assert (node["kind"], node["id"]) == ("legacy", "old")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param((), "takes 1 arguments, not 0", id="nothing"),
        pytest.param((None,), "argument 1", id="null"),
        pytest.param(("text",), "argument 1", id="text"),
        pytest.param(({},), "id is missing", id="empty"),
        pytest.param(({"id": ""},), "id", id="empty id"),
        pytest.param(({"id": 5},), "id must be a valid string", id="number for an id"),
        pytest.param(({"id": "x" * 300},), "id", id="long id"),
        pytest.param(({"id": "a", "state": 5},), "state", id="number for a state"),
        pytest.param(
            ({"id": "a", "context": {"organization": "o"}},), "context.project is missing", id="half a context"
        ),
        pytest.param(({"id": "a"}, 2), "takes 1 arguments, not 2", id="too many"),
    ],
)
async def test_a_wrong_status_is_answered_by_name(loop: RunningLoop, arguments: tuple[Any, ...], words: str):
    async with node_client(loop) as trainer:
        answer = await trainer.call("update_trainer", *arguments)
        assert answer["success"] is False
        assert answer["code"] == "invalid_request"
        assert words in answer["error_msg"]
        assert (await trainer.call("update_trainer", trainer_status()))["success"] is True


async def test_long_errors_are_shortened_and_numbers_that_are_none_are_left_out(loop: RunningLoop):
    async with node_client(loop) as trainer:
        status = trainer_status("running", errors={"run_training": "x" * 100_000}, progress=float("nan"))
        assert (await trainer.call("update_trainer", status))["success"] is True
        [node] = (await loop.json("GET", "/nodes"))["nodes"]
        assert len(node["errors"]["run_training"]) == 4096
        assert node["progress"] is None


async def test_only_so_many_events_of_one_node_wait(loop: RunningLoop):
    entered = 0
    free = asyncio.Event()

    async def slow(_node: Any) -> None:
        nonlocal entered
        entered += 1
        await free.wait()

    loop.app.state.loop.connections.answer([node_events.NodeEvent(name="slow", arguments=(), run=slow)])
    async with node_client(loop) as trainer:
        calls = [asyncio.create_task(trainer.call("slow")) for _ in range(node_events.MOST_AT_ONCE + 5)]
        await until(lambda: sum(call.done() for call in calls) == 5)
        free.set()
        answers = await asyncio.gather(*calls)
    assert entered == node_events.MOST_AT_ONCE
    assert [answer["code"] for answer in answers if not answer["success"]] == ["busy"] * 5


# --- who may connect


@pytest.mark.parametrize(
    ("who", "status", "words"),
    [
        pytest.param("nobody", 401, "log in first", id="nobody"),
        pytest.param("guest", 403, "guests may not", id="guest"),
        pytest.param("viewer", 403, "annotator", id="viewer"),
        pytest.param("wrong token", 401, "token", id="wrong token"),
        pytest.param("foreign page", 403, "origin", id="page of another site"),
        pytest.param("fetched by a page", 403, "origin", id="request that a page of another site makes"),
    ],
)
@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_who_may_not_connect_is_told_why(
    loop: RunningLoop, who: str, status: int, words: str, transport: str, caplog: pytest.LogCaptureFixture
):
    await add_user(loop, "viewer", "viewer")
    headers = {
        "nobody": {},
        "guest": {"Cookie": "loop_session=guest"},
        "viewer": {"Authorization": f"Bearer {await token_of(loop, 'viewer')}"},
        "wrong token": {"Authorization": "Bearer llt_nothing"},
        "foreign page": cookie_of(loop) | {"Origin": "http://elsewhere.example"},
        "fetched by a page": cookie_of(loop) | {"Sec-Fetch-Site": "cross-site"},
    }[who]
    url = f"{PATH}/?EIO=4&transport={transport}"
    if transport == "polling":
        async with loop.nobody.get(url, headers=headers) as answer:
            assert answer.status == status
            assert words in (await answer.json())["detail"]
    else:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await loop.nobody.ws_connect(url, headers=headers)
        assert refused.value.status == status
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert not loop.app.state.loop.connections.server.eio.sockets
    assert (await samples_of(loop.url)).sum("learning_loop_server_connections_refused_total") == 1


async def test_a_page_of_the_loop_itself_may_connect(loop: RunningLoop):
    headers = cookie_of(loop) | {"Origin": loop.url}
    async with loop.nobody.get(HANDSHAKE, headers=headers) as answer:
        assert answer.status == 200


async def test_bearer_tokens_open_as_cookies_do(loop: RunningLoop):
    await add_user(loop, "anna", "annotator")
    token = await token_of(loop, "anna")
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        node_client(loop, session=session) as trainer,
    ):
        assert (await trainer.call("update_trainer", trainer_status()))["success"] is True
        [node] = (await loop.json("GET", "/nodes"))["nodes"]
        assert node["user"] == "anna"


async def test_without_login_an_open_loop_lets_everybody_in(tmp_path: Path):
    async with (
        running_loop(tmp_path, open=True) as loop,
        aiohttp.ClientSession() as session,
        node_client(loop, None, session=session) as trainer,
    ):
        assert await trainer.call("update_trainer", {"id": "old", "name": "old"}) is True


async def test_nodes_of_others_are_not_told(loop: RunningLoop):
    await add_user(loop, "ours", "annotator")
    await add_user(loop, "other", "annotator", organization="other")
    async with AsyncExitStack() as stack:
        for name in ("ours", "other"):
            session = await stack.enter_async_context(session_of(loop, name))
            client = await stack.enter_async_context(node_client(loop, session=session))
            await client.call("update_trainer", trainer_status(id=name))
        for name in ("ours", "other"):
            session = await stack.enter_async_context(session_of(loop, name))
            async with session.get("/api/nodes") as answer:
                assert [node["id"] for node in (await answer.json())["nodes"]] == [name]
    everywhere = trainer_status(
        "running", id="of all", context={"organization": "zauberzeug", "project": "demo"}, errors={"a": "b"}
    )
    async with node_client(loop) as trainer, session_of(loop, "other") as session:
        await trainer.call("update_trainer", everywhere)
        async with session.get("/api/nodes") as answer:
            [node] = (await answer.json())["nodes"]
        assert (node["context"], node["errors"]) == (None, {}), "where it works is not theirs to know"


async def test_a_converter_says_from_which_format_to_which_it_leads(loop: RunningLoop):
    status = {"id": "c", "name": "halves", "state": "idle", "source_format": "float32", "target_format": "float16"}
    async with node_client(loop, "converter") as converter:
        for told, expected in (
            ({}, {"source": "float32", "target": "float16"}),
            ({"target_format": None}, None),
        ):
            assert (await converter.call("update_converter", status | told))["success"] is True
            [node] = (await loop.json("GET", "/nodes"))["nodes"]
            assert (node["kind"], node["formats"]) == ("converter", expected)


# --- for how long


async def test_whose_rights_change_is_disconnected(loop: RunningLoop):
    await add_user(loop, "anna", "maintainer")
    async with session_of(loop, "anna") as session, node_client(loop, session=session) as trainer:
        await trainer.call("update_trainer", trainer_status())
        await loop.json("PATCH", "/users/anna", json={"organizations": {"zauberzeug": "viewer"}})
        await until(lambda: not trainer.client.connected)
    assert loop.app.state.loop.nodes.all() == []


async def test_whose_session_ends_is_disconnected_and_nobody_else(loop: RunningLoop):
    await add_user(loop, "anna", "maintainer")
    async with session_of(loop, "anna") as session, node_client(loop) as other:
        async with node_client(loop, session=session) as trainer:
            async with session.post("/api/logout") as answer:
                assert answer.status == 200
            await until(lambda: not trainer.client.connected)
        assert (await other.call("update_trainer", trainer_status()))["success"] is True


async def test_who_never_speaks_socket_io_is_disconnected(loop: RunningLoop):
    async with loop.admin.get(HANDSHAKE) as answer:
        assert answer.status == 200
    inner = loop.app.state.loop.connections
    await inner.look()
    assert len(inner.server.eio.sockets) == 1
    inner.handshake_s = 0.0
    await inner.look()
    assert inner.server.environ == {}


async def test_only_so_many_may_connect(loop: RunningLoop):
    loop.app.state.loop.connections.limit_of_one = 2
    async with node_client(loop), node_client(loop):
        async with loop.admin.get(HANDSHAKE) as answer:
            assert answer.status == 503
            assert answer.headers["Retry-After"] == "30"
        await add_user(loop, "anna", "maintainer")
        async with session_of(loop, "anna") as session, node_client(loop, session=session):
            pass
    await until(lambda: not loop.app.state.loop.connections.server.environ)
    async with node_client(loop):
        pass


# --- calls to nodes


async def test_a_node_is_called_and_its_answer_comes(loop: RunningLoop):
    async with node_client(loop) as trainer:
        trainer.answer("stop_training", {"success": True, "error_msg": None, "payload": None})
        trainer.answer("begin_training", lambda *given: list(given))
        await trainer.call("update_trainer", trainer_status())
        nodes = loop.app.state.loop.nodes
        assert (await nodes.call("trainer 1", "stop_training", timeout_s=5))["success"] is True
        assert await nodes.call("trainer 1", "begin_training", "o", "p", {"a": 1}, timeout_s=5) == ["o", "p", {"a": 1}]


async def test_a_node_that_does_not_answer_is_not_waited_for(loop: RunningLoop):
    async with node_client(loop) as trainer:
        await trainer.call("update_trainer", trainer_status())
        trainer.answer("stop_training", asyncio.Event().wait)
        with pytest.raises(DeadlineError, match="stop_training within"):
            await loop.app.state.loop.nodes.call("trainer 1", "stop_training", timeout_s=0.1)


async def test_a_node_that_leaves_ends_the_call(loop: RunningLoop):
    asked = asyncio.Event()

    async def never() -> None:
        asked.set()
        await asyncio.sleep(3600)

    nodes = loop.app.state.loop.nodes
    async with node_client(loop, transports=["websocket"]) as trainer:
        trainer.answer("stop_training", never)
        await trainer.call("update_trainer", trainer_status())
        call = asyncio.create_task(nodes.call("trainer 1", "stop_training", timeout_s=60))
        await asked.wait()
        await trainer.client.disconnect()
        with pytest.raises(UnavailableError, match="left before it answered"):
            await call
    with pytest.raises(UnavailableError, match="not connected"):
        await nodes.call("trainer 1", "stop_training", timeout_s=60)


async def test_of_two_connections_of_a_node_the_last_one_counts(loop: RunningLoop):
    nodes = loop.app.state.loop.nodes
    async with node_client(loop) as first, node_client(loop) as second:
        await first.call("update_trainer", trainer_status("running"))
        await second.call("update_trainer", trainer_status("idle"))
        assert [node.state for node in nodes.of_kind(NodeKind.TRAINER)] == ["idle"]
        assert nodes.by_id("trainer 1").state == "idle"


async def test_a_node_is_restarted_by_whoever_manages_all_for_whom_it_works(loop: RunningLoop):
    await add_user(loop, "anna", "maintainer")
    await add_user(loop, "other", "maintainer", organization="other")
    async with AsyncExitStack() as stack:
        sessions = {name: await stack.enter_async_context(session_of(loop, name)) for name in ("anna", "other")}
        ours = await stack.enter_async_context(node_client(loop, session=sessions["anna"]))
        of_all = await stack.enter_async_context(node_client(loop))
        for node, id_ in ((ours, "ours"), (of_all, "of all")):
            node.answer("restart", None)
            await node.call("update_trainer", trainer_status(id=id_))
        asked = {
            (name, id_): await status_of(session, f"/api/nodes/{id_}/restart")
            for name, session in (sessions | {"admin": loop.admin}).items()
            for id_ in ("ours", "of all", "nobody")
        }
        await until(lambda: len(ours.called) == 2 and len(of_all.called) == 1)
    assert asked == {
        ("anna", "ours"): 200,
        ("anna", "of all"): 403,
        ("anna", "nobody"): 404,
        ("other", "ours"): 404,
        ("other", "of all"): 403,
        ("other", "nobody"): 404,
        ("admin", "ours"): 200,
        ("admin", "of all"): 200,
        ("admin", "nobody"): 404,
    }


# --- the end


async def test_nodes_do_not_keep_the_loop_from_stopping(tmp_path: Path):
    async with AsyncExitStack() as clients:
        async with running_loop(tmp_path) as loop:
            for transports in (["polling"], ["websocket"], None):
                client = await clients.enter_async_context(node_client(loop, transports=transports))
                await client.call("update_trainer", trainer_status())
            await loop.app.state.loop.let_go()
            async with loop.admin.get(HANDSHAKE) as answer:
                assert answer.status == 503
            began = time.monotonic()
        assert time.monotonic() - began < 1


async def test_events_and_connections_are_counted(loop: RunningLoop):
    async with node_client(loop) as trainer:
        await trainer.call("update_trainer", trainer_status())
        await trainer.call("update_trainer", {})
        found = await samples_of(loop.url)
    prefix = "learning_loop_server_"
    assert found.by("kind", prefix + "nodes") == dict.fromkeys(NodeKind, 0) | {"trainer": 1}
    events = found.by("outcome", prefix + "node_events_total", event="update_trainer")
    assert events == {"ok": 1, "invalid_request": 1}


def cookie_of(loop: RunningLoop) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{cookie.key}={cookie.value}" for cookie in loop.admin.cookie_jar)}


async def add_user(loop: RunningLoop, name: str, role: str, *, organization: str = "zauberzeug") -> None:
    await loop.json("POST", "/users", json={"name": name, "password": PASSWORD, "organizations": {organization: role}})


async def token_of(loop: RunningLoop, name: str) -> str:
    async with loop.nobody.post("/api/token", data={"username": name, "password": PASSWORD}) as answer:
        return (await answer.json())["access_token"]  # type: ignore[no-any-return]


async def status_of(session: aiohttp.ClientSession, path: str) -> int:
    async with session.post(path) as answer:
        return answer.status
