"""Each request is counted once, whatever becomes of it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from starlette.types import Receive, Scope, Send

from learning_loop_node.loop_server.watching.counted_requests import CountedRequests, Requests


class Route:
    path = "/things/{thing}"


async def outcomes_of(application) -> dict[tuple[str, str], dict[str, int]]:
    requests = Requests()
    scope = {"type": "http", "method": "GET", "path": "/things/7"}
    with suppress(RuntimeError, asyncio.CancelledError):
        await CountedRequests(application, requests)(scope, nothing, send)
    assert requests.in_progress == 0
    return {place: recorder.outcomes for place, recorder in requests.traffic.used().items()}


async def nothing() -> dict[str, object]:
    return {}


async def send(_message: object) -> None:
    pass


async def answers(scope: Scope, _receive: Receive, send: Send) -> None:
    scope["route"] = Route()
    await send({"type": "http.response.start", "status": 201})
    await send({"type": "http.response.body"})


async def answers_and_raises(scope: Scope, receive: Receive, send: Send) -> None:
    await answers(scope, receive, send)
    raise RuntimeError


async def raises(scope: Scope, _receive: Receive, _send: Send) -> None:
    scope["route"] = Route()
    raise RuntimeError


async def is_cancelled(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("application", "expected"),
    [
        pytest.param(answers, {("/things/{thing}", "GET"): {"201": 1}}, id="answered"),
        pytest.param(answers_and_raises, {("/things/{thing}", "GET"): {"201": 1}}, id="broken off"),
        pytest.param(raises, {("/things/{thing}", "GET"): {"500": 1}}, id="raised"),
        pytest.param(is_cancelled, {("other", "GET"): {"cancelled": 1}}, id="nobody waits"),
    ],
)
async def test_outcome(application, expected: dict[tuple[str, str], dict[str, int]]):
    assert await outcomes_of(application) == expected
