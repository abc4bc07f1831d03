from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from learning_loop_node.client.communicator import LoopCommunicator, LoopResponse
from learning_loop_node.errors import InvalidRequestError, LoginRefusedError, LoopUnreachableError
from learning_loop_node.settings import LoopSettings
from tests.clock import ManualClock
from tests.stand_in import StandIn, stand_in


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with stand_in() as fake:
        yield fake


@pytest.fixture
async def communicator(server: StandIn, clock: ManualClock) -> AsyncIterator[LoopCommunicator]:
    made = LoopCommunicator(LoopSettings(host=server.host, username="ada"), clock)
    yield made
    await made.shutdown()


async def test_without_arguments_it_takes_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOST": "127.0.0.1:1", "PASSWORD": "secret", "ORGANIZATION": "o", "LOOP_PROJECT": "p"}.items():
        monkeypatch.setenv(name, value)
    made = LoopCommunicator()
    assert (made.host, made.password, made.organization, made.project) == ("127.0.0.1:1", "secret", "o", "p")
    assert (made.base_url, made.websocket_url()) == ("http://127.0.0.1:1", "ws://127.0.0.1:1")


@pytest.mark.parametrize("status", [200, 204, 404, 409, 500, 302])
async def test_any_answer_is_returned(server: StandIn, communicator: LoopCommunicator, status: int) -> None:
    server.on("GET /api/things", web.Response(status=status, body=b"[1]" if status != 204 else None))
    answer = await communicator.get("/things?a=b")
    assert answer.status_code == status
    assert answer.is_success is (status < 300)
    assert answer.is_error is (status >= 400)
    if status != 204:
        assert (answer.json(), answer.text, answer.content) == ([1], "[1]", b"[1]")


async def test_no_answer_is_an_error(unused_tcp_port: int) -> None:
    made = LoopCommunicator(LoopSettings(host=f"127.0.0.1:{unused_tcp_port}"))
    with pytest.raises(LoopUnreachableError):
        await made.get("/status", requires_login=False)
    await made.shutdown()


@pytest.mark.parametrize(
    ("options", "content_type", "body"),
    [
        ({"json": {"a": [1]}}, "application/json", '{"a":[1]}'),
        ({"data": {"a": "1"}}, "application/x-www-form-urlencoded", "a=1"),
        ({"content": b"raw"}, "application/octet-stream", "raw"),
        ({"data": b"raw"}, "application/octet-stream", "raw"),
        ({"content": b"{}", "headers": {"Content-Type": "application/json"}}, "application/json", "{}"),
        ({"files": {"files": ("a.json", b"{}")}}, "multipart/form-data", 'filename="a.json"'),
        ({"files": [("files", ("a.bin", b"1", "x/y"))]}, "multipart/form-data", "Content-Type: x/y"),
        ({"files": [("files", b"1")], "data": {"a": 1}}, "multipart/form-data", 'name="a"'),
    ],
)
async def test_bodies(
    server: StandIn, communicator: LoopCommunicator, options: dict[str, Any], content_type: str, body: str
) -> None:
    seen = note_body(server, "POST /api/things")
    await communicator.post("/things", params={"q": "1"}, **options)
    assert seen["content_type"] == content_type
    assert body in seen["body"]
    assert seen["query"] == {"q": "1"}


async def test_put_sends_files_by_their_paths(server: StandIn, communicator: LoopCommunicator, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"a": 1}')
    seen = note_body(server, "PUT /api/things")
    await communicator.put("/things", files=[str(tmp_path / "model.json")])
    assert 'name="files"; filename="model.json"' in seen["body"]
    assert "Content-Type: application/json" in seen["body"]
    assert '{"a": 1}' in seen["body"]


async def test_put_of_a_missing_file(server: StandIn, communicator: LoopCommunicator) -> None:
    answer = await communicator.put("/things", files=["/nowhere/a.txt"])
    assert (answer.status_code, answer.text) == (404, "File not found")
    assert server.requests == []


async def test_an_unknown_option_is_named(communicator: LoopCommunicator) -> None:
    with pytest.raises(InvalidRequestError, match="follow_redirects"):
        await communicator.post("/things", follow_redirects=True)


async def test_another_prefix(server: StandIn, communicator: LoopCommunicator) -> None:
    server.on("DELETE /other/things", web.Response())
    assert (await communicator.delete("/things", api_prefix="/other")).status_code == 200


@pytest.mark.parametrize(
    ("headers", "limited", "waits"),
    [
        pytest.param({}, 2, [5, 5], id="not said how long"),
        pytest.param({"Retry-After": "7"}, 1, [7], id="said how long"),
        pytest.param({"Retry-After": "0"}, 1, [1], id="not at all"),
        pytest.param({"Retry-After": "1000"}, 5, [], id="too long"),
        pytest.param({}, 99, [5] * 20, id="for ever"),
    ],
)
async def test_waits_when_the_loop_asks_to(
    server: StandIn,
    communicator: LoopCommunicator,
    clock: ManualClock,
    headers: dict[str, str],
    limited: int,
    waits: list[float],
) -> None:
    answers = [web.Response(status=429, headers=headers) for _ in range(limited)]
    server.on("GET /api/things", *answers, web.Response())
    answer = await communicator.get("/things")
    assert clock.waits == waits
    assert answer.status_code == (200 if len(waits) == limited else 429)


async def test_login(server: StandIn, communicator: LoopCommunicator) -> None:
    await communicator.ensure_login()
    await communicator.ensure_login()
    assert communicator.get_cookies() == {"session": "1"}
    await communicator.ensure_login(relogin=True)
    assert communicator.get_cookies() == {"session": "2"}
    server.on("POST /api/login", web.Response(status=401))
    with pytest.raises(LoginRefusedError):
        await communicator.ensure_login(relogin=True)


async def test_backend_ready(server: StandIn, communicator: LoopCommunicator, clock: ManualClock) -> None:
    server.on("GET /api/status", web.Response(status=502), web.Response(status=502), web.Response())
    assert await communicator.backend_ready()
    assert clock.waits == [10, 10]


async def test_backend_not_ready(communicator: LoopCommunicator, clock: ManualClock) -> None:
    with pytest.raises(TimeoutError):
        await communicator.backend_ready(timeout=25)
    assert clock.waits == [10, 10]


async def test_no_use_after_shutdown(communicator: LoopCommunicator) -> None:
    await communicator.shutdown()
    with pytest.raises(RuntimeError, match="closed"):
        await communicator.get("/status")


def test_an_answer_that_is_no_json() -> None:
    with pytest.raises(ValueError):
        LoopResponse(200, b"<html>").json()


def note_body(server: StandIn, call: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    async def note(request: web.Request) -> web.Response:
        seen.update(content_type=request.content_type, body=(await request.read()).decode(), query=dict(request.query))
        return web.Response()

    server.on(call, note)
    return seen
