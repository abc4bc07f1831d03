"""Rows of operations become routes, entries of the documentation, and errors of one shape."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from fastapi import Depends, FastAPI
from starlette.requests import Request

from learning_loop_node.api.operation import Endpoint, Http, Nothing, Operation, read_nothing
from learning_loop_node.api.replies import text_reply
from learning_loop_node.api.rest import add_endpoints, add_error_replies, add_operations
from learning_loop_node.errors import BusyError, ForbiddenError, InvalidRequestError
from tests.serving import served


@dataclass(frozen=True)
class Greeting:
    name: str


async def read_greeting(request: Request) -> Greeting:
    name = (await request.body()).decode()
    if not name:
        raise InvalidRequestError("the body must be a name; try: curl -d Ada …")
    return Greeting(name)


async def greet(greeting: Greeting) -> dict[str, str]:
    if greeting.name == "busy":
        raise BusyError(retry_after_s=7)
    if greeting.name == "bug":
        raise KeyError("inside")
    return {"hello": greeting.name}


async def mode(_nothing: Nothing) -> str:
    return "idle"


OPERATIONS: list[Operation[Any, Any]] = [
    Operation(
        request=Greeting,
        run=greet,
        summary="Greet somebody.",
        http=Http(method="POST", path="/greeting", read=read_greeting, openapi={"tags": ["polite"]}),
        event="greet",
    ),
    Operation(
        request=Nothing,
        run=mode,
        tag="state",
        summary="Tell the `mode`.",
        http=Http(method="GET", path="/mode", read=read_nothing, reply=text_reply),
    ),
    Operation(
        request=Greeting,
        run=greet,
        summary="Set the mode.",
        http=Http(method="PUT", path="/mode", read=read_greeting),
    ),
    Operation(request=Nothing, run=mode, summary="Only an event.", event="mode_event"),
]


def refuse() -> None:
    raise ForbiddenError("not you")


async def double(number: int) -> int:
    return 2 * number


ENDPOINTS = [
    Endpoint(method="GET", path="/double", run=double),
    Endpoint(method="GET", path="/closed", run=double, access=[Depends(refuse)]),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "answer"),
    [
        ("POST", "/greeting", "Ada", 200, {"hello": "Ada"}),
        ("POST", "/greeting", "1.3", 200, {"hello": "1.3"}),
        ("GET", "/mode", None, 200, "idle"),
        ("PUT", "/mode", "Bob", 200, {"hello": "Bob"}),
        ("GET", "/double?number=4", None, 200, 8),
        (
            "POST",
            "/greeting",
            None,
            422,
            {"detail": "the body must be a name; try: curl -d Ada …", "code": "invalid_request"},
        ),
        (
            "POST",
            "/greeting",
            "busy",
            503,
            {"detail": "Too many requests are waiting; try again shortly", "code": "busy"},
        ),
        (
            "POST",
            "/greeting",
            "bug",
            500,
            {"detail": "internal error; the log of the process says more", "code": "internal_error"},
        ),
        ("GET", "/greeting", None, 405, {"detail": "Method Not Allowed", "code": "method_not_allowed"}),
        ("DELETE", "/mode", None, 405, {"detail": "Method Not Allowed", "code": "method_not_allowed"}),
        ("GET", "/nothing", None, 404, {"detail": "Not Found", "code": "not_found"}),
        ("GET", "/double", None, 422, {"detail": "query.number is missing", "code": "invalid_request"}),
        ("GET", "/closed?number=1", None, 403, {"detail": "not you", "code": "forbidden"}),
    ],
)
async def test_answers(method, path, body, status, answer):
    async with (
        served(make_app()) as url,
        aiohttp.ClientSession() as session,
        session.request(method, url + path, data=body) as response,
    ):
        assert response.status == status
        text = await response.text()
        assert (json.loads(text) if response.content_type == "application/json" else text) == answer
        assert response.headers.get("Retry-After") == ("7" if status == 503 else None)


async def test_every_operation_is_documented():
    async with served(make_app()) as url, aiohttp.ClientSession() as session:
        async with session.get(url + "/openapi.json") as response:
            paths = (await response.json())["paths"]
        async with session.get(url + "/docs") as response:
            assert response.status == 200
    assert {(path, method) for path, methods in paths.items() for method in methods} == {
        ("/greeting", "post"),
        ("/mode", "get"),
        ("/mode", "put"),
        ("/double", "get"),
        ("/closed", "get"),
    }
    greeting = paths["/greeting"]["post"]
    assert greeting["summary"] == "Greet somebody."
    assert greeting["tags"] == ["polite"]
    assert (paths["/mode"]["get"]["tags"], paths["/mode"]["get"]["summary"]) == (["state"], "Tell the mode.")
    assert "`greet`" in greeting["description"]
    assert set(greeting["responses"]) == {"200", "4XX", "5XX"}
    identifiers = [entry["operationId"] for methods in paths.values() for entry in methods.values()]
    assert len(set(identifiers)) == len(identifiers)


def test_the_document_can_be_made_twice():
    app = make_app()
    assert app.openapi() == app.openapi()


def make_app() -> FastAPI:
    app = FastAPI()
    add_error_replies(app)
    add_operations(app, OPERATIONS)
    add_endpoints(app, ENDPOINTS)
    return app
