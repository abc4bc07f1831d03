"""Loops that take images: one reached without a network, with a script of failures; one over real sockets."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from learning_loop_node.client.failures import error_of_answer
from learning_loop_node.client.http import LoopHttp
from learning_loop_node.errors import LoopUnreachableError, NodeError
from learning_loop_node.runtime.clock import Clock
from learning_loop_node.settings import LoopSettings

PATH = "/zauberzeug/projects/demo/images"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an upload."""

    file_name: str
    content_type: str
    key: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """A request with images, JSON and JPEG in pairs."""

    parts: list[Part]

    @property
    def keys(self) -> list[str]:
        return [part.key for part in self.parts[::2]]

    @property
    def images(self) -> list[bytes]:
        return [part.data for part in self.parts[1::2]]


def parse(body: bytes, content_type: str) -> Upload:
    """Read a multipart body, strictly in the form in which it is to be sent."""
    kind, _, boundary = content_type.partition("; boundary=")
    assert kind == "multipart/form-data"
    start, *pieces, end = (b"\r\n" + body).split(f"\r\n--{boundary}".encode())
    assert (start, end) == (b"", b"--\r\n")
    parts = []
    for piece in pieces:
        head, _, data = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        place = headers["Content-Disposition"].removeprefix('form-data; name="files"; filename=')
        parts.append(Part(unquote(place.strip('"')), headers["Content-Type"], headers["Idempotency-Key"], data))
    return Upload(parts)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the loop says; `is_lost`: it stores the images, but nobody hears of it."""

    status: int = 200
    content_type: str = "application/json"
    retry_after: str = ""
    is_lost: bool = False
    url: str = "http://loop/api" + PATH

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": self.retry_after} if self.retry_after else {}

    async def read(self) -> bytes:
        return b"{}"


OK = Answer()
LOST = Answer(is_lost=True)
UNREACHABLE = Answer(status=0)


class Recorded:
    """What a loop got: each try, and what it stored under which key."""

    def __init__(self) -> None:
        self.tries: list[Upload] = []
        self.arrivals: Counter[str] = Counter()
        self.stored: dict[str, bytes] = {}

    def take(self, upload: Upload, answer: Answer) -> None:
        self.tries.append(upload)
        self.arrivals.update(upload.keys)
        if answer.status == 200 and answer.content_type != "text/html":
            for key, image in zip(upload.keys, upload.images, strict=True):
                self.stored.setdefault(key, image)


class ScriptedLoop(LoopHttp):
    """A `LoopHttp` that reaches its loop without a network. `answer` decides about uploads, `status` about the rest."""

    def __init__(
        self,
        clock: Clock,
        answer: Callable[[Upload], Answer] = lambda _: OK,
        status: Callable[[], Answer] = lambda: OK,
    ) -> None:
        super().__init__(LoopSettings(host="loop"))
        self.got = Recorded()
        self.asked_at: list[float] = []
        self.uploaded_at: list[float] = []
        self.in_flight = self.most_in_flight = 0
        self.together = 1
        """The first so many uploads wait for each other."""
        self.answer = answer
        self.status = status
        self._time = clock

    @asynccontextmanager
    async def request(self, method: str, path: str, **arguments: Any) -> AsyncIterator[Any]:
        if path == "/status":
            self.asked_at.append(self._time.now())
            answer = self.status()
        else:
            assert (method, path) == ("POST", PATH)
            self.uploaded_at.append(self._time.now())
            upload = parse(arguments["data"]._value, arguments["headers"]["Content-Type"])
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            try:
                while len(self.uploaded_at) < self.together:
                    await asyncio.sleep(0)
            finally:
                self.in_flight -= 1
            answer = self.answer(upload)
            self.got.take(upload, answer)
        if (error := _error_of(answer)) is not None:
            raise error
        yield answer


def _error_of(answer: Answer) -> NodeError | None:
    if answer.is_lost or answer.status == 0:
        return LoopUnreachableError("no connection")
    return error_of_answer(answer.status, answer.headers, b"") if answer.status >= 300 else None


@asynccontextmanager
async def socket_loop(answer: Callable[[Upload], Answer]) -> AsyncIterator[tuple[str, Recorded]]:
    """A loop on a free port of the loopback; gives its address and what it got."""
    got = Recorded()

    async def images(request: web.Request) -> web.StreamResponse:
        upload = parse(await request.read(), request.headers["Content-Type"])
        reply = answer(upload)
        if reply.status:
            got.take(upload, reply)
        if reply.is_lost or reply.status == 0:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=reply.status or 500, content_type=reply.content_type, headers=reply.headers)

    async def login(_: web.Request) -> web.StreamResponse:
        reply = web.json_response({})
        reply.set_cookie("session", "1")
        return reply

    async def status(_: web.Request) -> web.StreamResponse:
        return web.json_response({})

    app = web.Application(client_max_size=2**30)
    app.router.add_post("/api" + PATH, images)
    app.router.add_get("/api/status", status)
    app.router.add_post("/api/login", login)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"127.0.0.1:{runner.addresses[0][1]}", got
    finally:
        await runner.cleanup()
