"""Rows of operations become events, and every event has an answer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import socketio
from fastapi import FastAPI

from learning_loop_node.api.asgi import SocketIoBeside
from learning_loop_node.api.operation import Nothing, Operation
from learning_loop_node.api.sio import add_events, make_server
from learning_loop_node.data_classes import ImageMetadata
from learning_loop_node.errors import BusyError, InvalidRequestError
from tests.serving import served


def read_tag(tag: Any) -> str:
    if not isinstance(tag, str):
        raise InvalidRequestError("the argument must be a tag")
    return tag


async def tagged(tag: str) -> ImageMetadata:
    if tag == "busy":
        raise BusyError("try again")
    if tag == "bug":
        raise KeyError("inside")
    if tag == "not text":
        return ImageMetadata(tags=["\ud800"])
    if tag == "no JSON":
        return ImageMetadata(tags=[object()])  # type: ignore[list-item]
    return ImageMetadata(tags=[tag])


async def nothing(_: Nothing) -> str:
    return "done"


OPERATIONS: list[Operation[Any, Any]] = [
    Operation(request=str, run=tagged, summary="Tag.", event="tag", read_event=read_tag),
    Operation(request=Nothing, run=nothing, summary="Nothing.", event="nothing", reply_event=lambda text: {"is": text}),
]


@asynccontextmanager
async def serving(server: socketio.AsyncServer | None = None) -> AsyncIterator[str]:
    if server is None:
        server = make_server()
        add_events(server, OPERATIONS)
    async with served(SocketIoBeside(FastAPI(), server)) as url:
        yield url


@asynccontextmanager
async def client(server: socketio.AsyncServer | None = None) -> AsyncIterator[socketio.AsyncClient]:
    async with serving(server) as url, aiohttp.ClientSession() as session:
        client = socketio.AsyncClient(http_session=session)
        await client.connect(url, socketio_path="/ws/socket.io", transports=["websocket"])
        try:
            yield client
        finally:
            await client.disconnect()


@pytest.mark.parametrize(
    ("tag", "error"),
    [
        pytest.param("busy", {"error": "try again", "code": "busy"}, id="an error of ours"),
        pytest.param(3, {"error": "the argument must be a tag", "code": "invalid_request"}, id="not what was expected"),
        pytest.param(
            ("a", "b"),
            {"error": "the event tag got a wrong number of arguments", "code": "invalid_request"},
            id="too many arguments",
        ),
        pytest.param(
            "bug",
            {"error": "internal error; the log of the process says more", "code": "internal_error"},
            id="not an error of ours",
        ),
    ],
)
async def test_errors_are_answers(tag, error):
    async with client() as program:
        assert await program.call("tag", tag, timeout=5) == error


@pytest.mark.parametrize("tag", ["not text", "no JSON"])
async def test_a_result_that_cannot_be_written_is_an_error(tag):
    async with client() as program:
        answer = await program.call("tag", tag, timeout=5)
        assert answer["code"] == "invalid_data"
        assert "ImageMetadata cannot be written as JSON" in answer["error"]


async def test_results_are_answers():
    async with client() as program:
        assert (await program.call("tag", "日本", timeout=5))["tags"] == ["日本"]
        assert await program.call("nothing", timeout=5) == {"is": "done"}


async def test_json_nested_without_end_costs_its_sender_only():
    async with serving() as url, aiohttp.ClientSession() as session:
        deep = "[" * 200_000 + "]" * 200_000
        async with session.ws_connect(f"{url}/ws/socket.io/?EIO=4&transport=websocket") as socket:
            await socket.receive(timeout=5)
            await socket.send_str("40")
            await socket.receive(timeout=5)
            await socket.send_str(f'420["tag",{deep}]')
            await socket.send_str('421["nothing"]')
            await socket.receive(timeout=5)
        program = socketio.AsyncClient(http_session=session)
        await program.connect(url, socketio_path="/ws/socket.io", transports=["websocket"])
        assert await program.call("nothing", timeout=5) == {"is": "done"}
        await program.disconnect()


class Robot(socketio.AsyncNamespace):  # type: ignore[misc]
    """Handlers as some programs write them."""

    async def on_move(self, _sid: str, metres: int) -> list[int]:
        return [metres]


@pytest.mark.parametrize(
    ("event", "answer"),
    [
        pytest.param("move", [3], id="in a class"),
        pytest.param("turn", ["/", 3], id="for every namespace"),
        pytest.param("tag", {"error": "the argument must be a tag", "code": "invalid_request"}, id="one of ours"),
    ],
)
async def test_handlers_of_a_program_are_found_wherever_they_are(event, answer):
    server = make_server()
    add_events(server, OPERATIONS)
    server.register_namespace(Robot("/"))

    async def turn(namespace: str, _sid: str, degrees: int) -> list[Any]:
        return [namespace, degrees]

    server.on("turn", turn, namespace="*")
    async with client(server) as connected:
        assert await connected.call(event, 3) == answer


async def test_a_program_may_answer_all_other_events_itself():
    server = make_server()
    add_events(server, OPERATIONS)

    async def other(event: str, _sid: str, *_arguments: Any) -> str:
        return f"own {event}"

    server.on("*", other)
    async with client(server) as connected:
        assert await connected.call("fly") == "own fly"
        assert await connected.call("nothing") == {"is": "done"}


PROGRAM = """
import logging
from learning_loop_node.api.sio import make_server
from learning_loop_node.logs import configure_logging

configure_logging(as_json=True)
server = make_server()
for name in ("socketio.server", "engineio.server"):
    logging.getLogger(name).info("nobody wants to know")
    logging.getLogger(name).error("out of order")
"""


def test_the_library_logs_as_the_process_does():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=True)
    assert [json.loads(line)["message"] for line in done.stdout.splitlines()] == ["out of order"] * 2
    assert done.stderr == ""
