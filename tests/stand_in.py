"""A small HTTP server in the test's own event loop, told per path what to answer."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class StandIn:
    """Answers requests as the test says; `requests` are the calls so far, as `GET /api/status`."""

    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    host: str = ""

    def on(self, call: str, *answers: web.Response | Answer) -> None:
        """Answer this call with one answer after the other; the last one stays."""
        waiting = list(answers)

        async def next_answer(request: web.Request) -> web.StreamResponse:
            answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if isinstance(answer, web.Response):
                return web.Response(
                    body=answer.body, status=answer.status, headers=answer.headers
                )  # an answer object serves one request only
            return await answer(request)

        self.answers[call] = next_answer

    def count(self, call: str) -> int:
        return self.requests.count(call)


@asynccontextmanager
async def stand_in(certificate: ssl.SSLContext | None = None) -> AsyncIterator[StandIn]:
    """A running stand-in; unknown calls are answered with 404, a login with a cookie. With a certificate, over TLS."""
    fake = StandIn()

    async def serve(request: web.Request) -> web.StreamResponse:
        call = f"{request.method} {request.path}"
        fake.requests.append(call)
        if answer := fake.answers.get(call):
            return await answer(request)
        return web.json_response({"detail": f"no {call}"}, status=404)

    async def login(request: web.Request) -> web.StreamResponse:
        await request.post()
        return web.Response(headers={"Set-Cookie": f"session={fake.count('POST /api/login')}; Path=/; HttpOnly"})

    fake.on("POST /api/login", login)
    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", serve)
    server = TestServer(app, host="127.0.0.1", scheme="https" if certificate else "http")
    await server.start_server(ssl=certificate)
    async with server:
        fake.host = f"127.0.0.1:{server.port}"
        yield fake


async def break_off(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()
