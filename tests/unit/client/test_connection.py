"""The connection over which a loop calls its nodes, with a small loop on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import socketio
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from learning_loop_node.api.asgi import SocketIoBeside
from learning_loop_node.api.operation import Operation
from learning_loop_node.api.sio import attach_events, make_server
from learning_loop_node.client.connection import ConnectionState, LoopConnection
from learning_loop_node.client.http import LoopHttp
from learning_loop_node.data_classes import SocketResponse
from learning_loop_node.errors import (
    DeadlineError,
    LoginRefusedError,
    LoopRefusedError,
    LoopUnreachableError,
    RefusedError,
)
from learning_loop_node.node.node import Node, NodeConnectionError
from learning_loop_node.runtime.services import supervise
from learning_loop_node.settings import LoopSettings, NodeSettings, Settings
from tests.polling import until
from tests.serving import served


@dataclass
class Loop:
    """Lets in who has logged in, and notes who connects."""

    url: str = ""
    events: socketio.AsyncServer = field(default_factory=make_server)
    guests: dict[str, dict[str, Any]] = field(default_factory=dict)
    logins: int = 0
    valid: set[str] = field(default_factory=set)
    connection_count: int = 0

    @property
    def settings(self) -> LoopSettings:
        host = self.url.removeprefix("http://")
        return LoopSettings(host=host, username="trainer", password=SecretStr("secret"))

    async def log_in(self, request: Request) -> Response:
        form = await request.form()
        if form["password"] != "secret":
            return PlainTextResponse("no", 401)
        self.logins += 1
        self.valid.add(f"session-{self.logins}")
        response = PlainTextResponse("ok")
        response.set_cookie("session", f"session-{self.logins}")
        return response

    async def connect(self, sid: str, environ: dict[str, Any]) -> bool:
        cookies = environ.get("HTTP_COOKIE", "")
        if not any(f"session={session}" in cookies for session in self.valid):
            return False
        self.connection_count += 1
        self.guests[sid] = environ
        return True

    async def disconnect(self, sid: str, *_: Any) -> None:
        self.guests.pop(sid, None)

    async def drop_all(self) -> None:
        for sid in list(self.guests):
            await self.events.disconnect(sid)

    async def ask(self, event: str, *arguments: Any) -> Any:
        [sid] = self.guests
        return await self.events.call(event, arguments, to=sid, timeout=5)


def is_connected(loop: Loop, connection: LoopConnection, count: int) -> bool:
    """For the time of this number."""
    return loop.connection_count == count and connection.is_connected


@asynccontextmanager
async def small_loop() -> AsyncIterator[Loop]:
    loop = Loop()
    app = FastAPI()
    app.add_route("/api/login", loop.log_in, methods=["POST"])
    loop.events.on("connect", loop.connect)
    loop.events.on("disconnect", loop.disconnect)
    loop.events.on("echo", lambda _sid, *arguments: list(arguments))
    loop.events.on("refuse", lambda _sid: {"success": False, "error_msg": "not today"})
    loop.events.on("accept", lambda _sid: {"success": True, "payload": 7})
    loop.events.on("yes", lambda _sid: True)

    async def never(_sid: str) -> None:
        await asyncio.Event().wait()

    loop.events.on("never", never)
    async with served(SocketIoBeside(app, loop.events), lifespan="off") as url:
        loop.url = url
        yield loop
        await loop.events.shutdown()


@asynccontextmanager
async def connection_to(
    loop: Loop, operations: list[Operation[Any, Any]] | None = None, **options: Any
) -> AsyncIterator[LoopConnection]:
    async with LoopHttp(options.pop("settings", loop.settings)) as http:
        connection = LoopConnection(
            http,
            {"nodeType": "trainer", "organization": "", "project": ""},
            attach=lambda client: attach_events(client, operations or []),
            **options,
        )
        try:
            yield connection
        finally:
            await connection.disconnect()


async def test_says_who_it_is():
    async with small_loop() as loop, connection_to(loop) as connection:
        assert connection.state is ConnectionState.DISCONNECTED
        await connection.connect()
        await connection.connect()  # is there already
        assert connection.is_connected
        [environ] = loop.guests.values()
        assert environ["HTTP_NODETYPE"] == "trainer"
        assert "session=session-1" in environ["HTTP_COOKIE"]
    assert loop.connection_count == 1
    assert not loop.guests


async def test_calls_with_any_number_of_arguments():
    async with small_loop() as loop, connection_to(loop) as connection:
        await connection.connect()
        for arguments in ((), ("one",), ("org", "project", {"id": 1})):
            assert await connection.call("echo", *arguments, timeout_s=5) == list(arguments)


async def test_reads_what_the_loop_says_of_success():
    async with small_loop() as loop, connection_to(loop) as connection:
        await connection.connect()
        assert await connection.call_checked("accept", timeout_s=5) == SocketResponse(success=True, payload=7)
        assert (await connection.call_checked("yes", timeout_s=5)).success
        with pytest.raises(LoopRefusedError, match="refuse: not today"):
            await connection.call_checked("refuse", timeout_s=5)
        with pytest.raises(DeadlineError, match="no answer to never"):
            await connection.call("never", timeout_s=0.01)


async def test_a_call_ends_with_its_connection():
    async with small_loop() as loop, connection_to(loop) as connection:
        with pytest.raises(LoopUnreachableError, match="not yet"):
            await connection.call("never", timeout_s=60)
        await connection.connect()
        waiting = asyncio.ensure_future(connection.call("never", timeout_s=60))
        await asyncio.sleep(0)
        await loop.drop_all()
        with pytest.raises(LoopUnreachableError, match="was lost"):
            await waiting
        assert connection.state is ConnectionState.DISCONNECTED
        assert connection.problem is not None


async def test_logs_in_anew_when_the_session_is_over():
    async with small_loop() as loop, connection_to(loop) as connection:
        await connection.connect()
        await loop.drop_all()
        loop.valid.clear()
        await until(lambda: not connection.is_connected)
        await connection.connect()
        assert loop.logins == 2


async def test_a_wrong_login_is_told():
    async with small_loop() as loop:
        wrong = loop.settings.model_copy(update={"password": SecretStr("wrong")})
        async with connection_to(loop, settings=wrong) as connection:
            with pytest.raises(LoginRefusedError, match="LOOP_PASSWORD"):
                await connection.connect()
            assert "LOOP_PASSWORD" in str(connection.problem)


async def test_the_service_connects_again_and_again():
    async with small_loop() as loop, connection_to(loop) as connection, supervise([connection]):
        for count in (1, 2, 3):
            await until(partial(is_connected, loop, connection, count))
            await loop.drop_all()
        await until(partial(is_connected, loop, connection, 4))
        connection.give_up()
        await until(partial(is_connected, loop, connection, 5))
        connection.is_wanted = False
        await until(lambda: not connection.is_connected and not loop.guests)
        connection.is_wanted = True
        await until(lambda: connection.is_connected)


async def test_answers_the_loop_in_its_shape():
    async def run(wanted: str) -> Any:
        match wanted:
            case "refused":
                raise BusyWithAnotherError
            case "own":
                return SocketResponse.for_failure("no good")
            case "nothing":
                return None
            case "yes":
                return True
        return wanted

    operation = Operation(request=str, run=run, summary="", event="do", read_event=lambda wanted: str(wanted))
    async with small_loop() as loop, connection_to(loop, [operation]) as connection:
        await connection.connect()
        assert await loop.ask("do", "<svg>") == {"success": True, "error_msg": None, "payload": "<svg>"}
        assert await loop.ask("do", "yes") == {"success": True, "error_msg": None, "payload": None}
        assert await loop.ask("do", "own") == {"success": False, "error_msg": "no good", "payload": None}
        assert await loop.ask("do", "nothing") is None
        refused = await loop.ask("do", "refused")
        assert (refused["success"], refused["error_msg"], refused["payload"]) == (False, "trains another", "refused")
        assert not (await loop.ask("do", "too", "many"))["success"]


class BusyWithAnotherError(RefusedError):
    """trains another"""

    payload = "refused"


class Connected(Node):
    """A node that needs the loop."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("connected", node_type="trainer", settings=settings)
        self.greetings: list[str] = []

    def register_sio_events(self, sio_client: socketio.AsyncClient) -> None:
        sio_client.on("greet", self.greetings.append)


async def test_a_node_has_a_connection_with_the_events_of_its_program(tmp_path):
    async with small_loop() as loop:
        node = Connected(Settings(loop=loop.settings, node=NodeSettings(data_folder=tmp_path)))
        assert node.readiness() == {"loop": "not connected yet"}
        async with served(node):
            await asyncio.wait_for(node.CONNECTED_TO_LOOP.wait(), 10)
            assert node.readiness() == {}
            assert node.sio_client is not None
            assert node.sio_client.connected
            assert not node.socket_connection_broken
            [sid] = loop.guests
            await loop.events.emit("greet", "hello", to=sid)
            await until(lambda: node.greetings == ["hello"])
            node.socket_connection_broken = True
            await until(lambda: loop.connection_count == 2 and node.CONNECTED_TO_LOOP.is_set())
            node.set_skip_repeat_loop(True)
            await asyncio.wait_for(node.DISCONNECTED_FROM_LOOP.wait(), 10)
            await until(lambda: not loop.guests)


async def test_a_node_without_loop_says_so(tmp_path):
    settings = Settings(loop=LoopSettings(host="127.0.0.1:9"), node=NodeSettings(data_folder=tmp_path))
    node = Connected(settings)
    await node._on_startup()
    with pytest.raises(NodeConnectionError, match=r"127\.0\.0\.1:9"):
        await node._ensure_sio_connection()
    assert "127.0.0.1:9" in node.readiness()["loop"]
    await node._on_shutdown()
