from __future__ import annotations

import asyncio
import base64
import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from learning_loop_node.client.http import LoopHttp
from learning_loop_node.client.transfer import Progress, Received, announcement_of, receive_file
from learning_loop_node.errors import (
    HashMismatchError,
    LoopRefusedError,
    NodeError,
    StorageFullError,
    TooLargeError,
    TransferBrokenError,
)
from learning_loop_node.settings import LoopSettings
from tests.clock import ManualClock
from tests.stand_in import Answer, StandIn, break_off, stand_in

CONTENT = b"PK" + bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()
CALL = "GET /api/file"
LIMIT = 10**6


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with stand_in() as fake:
        yield fake


@pytest.fixture
async def http(server: StandIn, clock: ManualClock) -> AsyncIterator[LoopHttp]:
    async with LoopHttp(LoopSettings(host=server.host), clock) as connection:
        yield connection


@pytest.mark.parametrize(
    ("headers", "is_verified"),
    [
        pytest.param({}, False, id="nothing announced"),
        pytest.param({"X-Content-SHA256": SHA256}, True, id="hash"),
        pytest.param({"X-Content-SHA256": SHA256.upper()}, True, id="hash in capitals"),
        pytest.param(
            {"Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(SHA256)).decode()}:"}, True, id="Repr-Digest"
        ),
        pytest.param({"X-Content-SHA256": "none", "Repr-Digest": "sha-256=:a:"}, False, id="no hash"),
    ],
)
async def test_receives_a_file(
    server: StandIn, http: LoopHttp, tmp_path: Path, headers: dict[str, str], is_verified: bool
) -> None:
    server.on(CALL, web.Response(body=CONTENT, headers=headers))
    progress: list[Progress] = []
    received = await receive_file(http, "/file", tmp_path / "a.zip", largest_bytes=LIMIT, on_progress=progress.append)
    assert content_of(received) == CONTENT
    assert received.is_verified is is_verified
    assert progress[-1] == Progress(len(CONTENT), len(CONTENT))
    assert names_in(tmp_path) == ["a.zip"]


async def test_an_empty_file(server: StandIn, http: LoopHttp, tmp_path: Path) -> None:
    server.on(CALL, web.Response(body=b""))
    received = await receive_file(http, "/file", tmp_path / "a.zip", largest_bytes=LIMIT)
    assert received.size_bytes == 0


@pytest.mark.parametrize(
    ("headers", "resumes"),
    [
        pytest.param({"ETag": '"1"'}, True, id="tag"),
        pytest.param({"X-Content-SHA256": SHA256}, True, id="hash"),
        pytest.param({"ETag": 'W/"1"'}, False, id="weak tag"),
        pytest.param({}, False, id="nothing that identifies the content"),
    ],
)
async def test_goes_on_where_it_broke_off(
    server: StandIn, http: LoopHttp, tmp_path: Path, headers: dict[str, str], resumes: bool
) -> None:
    pieces = serve_in_pieces(server, headers, piece=4000)

    async def receive() -> Received:
        return await receive_file(http, "/file", tmp_path / "a.zip", largest_bytes=LIMIT, on_progress=pieces.arrived)

    for _ in range(2):
        with pytest.raises(TransferBrokenError):
            await receive()
    if resumes:
        assert content_of(await receive()) == CONTENT
        assert pieces.ranges == [None, "bytes=4000-", "bytes=8000-"]
    else:
        assert pieces.ranges == [None, None]


async def test_begins_anew_if_the_server_ignores_the_range(server: StandIn, http: LoopHttp, tmp_path: Path) -> None:
    headers = {"ETag": '"1"'}
    arrived = serve_in_pieces(server, headers, piece=4000).arrived
    with pytest.raises(TransferBrokenError):
        await receive_file(http, "/file", tmp_path / "a.zip", largest_bytes=LIMIT, on_progress=arrived)
    server.on(CALL, web.Response(body=CONTENT[::-1], headers={"ETag": '"2"'}))
    received = await receive_file(http, "/file", tmp_path / "a.zip", largest_bytes=LIMIT)
    assert content_of(received) == CONTENT[::-1]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(web.Response(status=416), id="range not possible"),
        pytest.param(
            web.Response(status=206, body=b"rest", headers={"Content-Range": "bytes 0-3/9", "ETag": '"1"'}),
            id="another range",
        ),
        pytest.param(
            web.Response(status=206, body=b"rest", headers={"Content-Range": "bytes 4000-/9", "ETag": '"2"'}),
            id="another content",
        ),
    ],
)
async def test_a_rest_that_does_not_fit(server: StandIn, http: LoopHttp, tmp_path: Path, answer: web.Response) -> None:
    arrived = serve_in_pieces(server, {"ETag": '"1"'}, piece=4000).arrived
    for expected in ("broke off", "begins anew"):
        with pytest.raises(TransferBrokenError, match=expected):
            await receive_file(http, "/file", tmp_path / "a.zip", largest_bytes=LIMIT, on_progress=arrived)
        server.on(CALL, answer)
    server.on(CALL, web.Response(body=CONTENT))
    received = await receive_file(http, "/file", tmp_path / "a.zip", largest_bytes=LIMIT)
    assert content_of(received) == CONTENT


async def test_a_file_that_was_complete_when_the_process_ended(server: StandIn, http: LoopHttp, tmp_path: Path) -> None:
    def crash(progress: Progress) -> None:
        if progress.received_bytes == progress.total_bytes:
            raise KeyboardInterrupt

    server.on(CALL, web.Response(body=CONTENT, headers={"X-Content-SHA256": SHA256}))
    with pytest.raises(KeyboardInterrupt):
        await receive_file(http, "/file", tmp_path / "a.zip", largest_bytes=LIMIT, on_progress=crash)
    received = await receive_file(http, "/file", tmp_path / "a.zip", largest_bytes=LIMIT)
    assert received.is_verified
    assert server.count(CALL) == 1


@pytest.mark.parametrize("note", ["", "{}", "[]", '{"sha256": 1', "\0"])
async def test_a_note_that_makes_no_sense(server: StandIn, http: LoopHttp, tmp_path: Path, note: str) -> None:
    put(tmp_path / "a.zip.part", "other")
    put(tmp_path / "a.zip.announced", note)
    server.on(CALL, web.Response(body=CONTENT))
    received = await receive_file(http, "/file", tmp_path / "a.zip", largest_bytes=LIMIT)
    assert content_of(received) == CONTENT


async def test_a_wrong_hash_leaves_nothing(server: StandIn, http: LoopHttp, tmp_path: Path) -> None:
    server.on(CALL, web.Response(body=CONTENT + b"!", headers={"X-Content-SHA256": SHA256}))
    with pytest.raises(HashMismatchError, match=SHA256):
        await receive_file(http, "/file", tmp_path / "a.zip", largest_bytes=LIMIT)
    assert names_in(tmp_path) == []


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b"x" * 65536)


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        pytest.param(web.Response(status=404, text="no such model"), LoopRefusedError, "no such model", id="refused"),
        pytest.param(web.Response(text="<html>", content_type="text/html"), TransferBrokenError, "web page", id="page"),
        pytest.param(web.Response(body=b"x" * (LIMIT + 1)), TooLargeError, str(LIMIT), id="announced too large"),
        pytest.param(endless, TooLargeError, str(LIMIT), id="endless"),
        pytest.param(break_off, NodeError, "LOOP_HOST", id="no answer"),
    ],
)
async def test_answers_that_are_no_file(
    server: StandIn, http: LoopHttp, tmp_path: Path, answer: web.Response, error: type[Exception], text: str
) -> None:
    server.on(CALL, answer)
    with pytest.raises(error, match=text):
        await receive_file(http, "/file", tmp_path / "a.zip", largest_bytes=LIMIT)
    assert "a.zip" not in names_in(tmp_path)


async def test_a_trickle(server: StandIn, http: LoopHttp, clock: ManualClock, tmp_path: Path) -> None:
    go_on = asyncio.Semaphore(0)

    async def trickle(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x")
            await go_on.acquire()

    def pass_time(_: Progress) -> None:
        clock.advance(40)
        go_on.release()

    server.on(CALL, trickle)
    with pytest.raises(TransferBrokenError, match="1024 bytes per second"):
        await receive_file(http, "/file", tmp_path / "a.zip", largest_bytes=LIMIT, on_progress=pass_time)


async def test_memory_stays_flat(server: StandIn, http: LoopHttp, tmp_path: Path) -> None:
    large, size_bytes = tmp_path / "large", 100 * 2**20
    await asyncio.to_thread(write_zeros, large, size_bytes)
    server.on(CALL, send_file(large))
    tracemalloc.start()
    try:
        received = await receive_file(http, "/file", tmp_path / "a.zip", largest_bytes=size_bytes)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert received.size_bytes == size_bytes
    assert peak_bytes < 10 * 2**20


async def test_a_disk_that_refuses(server: StandIn, http: LoopHttp, tmp_path: Path) -> None:
    put(tmp_path / "file", "in the way")
    server.on(CALL, web.Response(body=CONTENT))
    with pytest.raises(StorageFullError, match="cannot be written"):
        await receive_file(http, "/file", tmp_path / "file" / "a.zip", largest_bytes=LIMIT)


def test_a_compressed_answer_announces_no_length() -> None:
    announced = announcement_of({"Content-Encoding": "gzip", "Content-Length": "7", "ETag": '"1"'})
    assert announced.total_bytes is None
    assert not announced.identifies


@dataclass
class Pieces:
    """The ranges that were asked for, and the signal that a piece has arrived."""

    ranges: list[str | None] = field(default_factory=list)
    has_arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def arrived(self, _: Progress) -> None:
        self.has_arrived.set()


def serve_in_pieces(server: StandIn, headers: dict[str, str], piece: int) -> Pieces:
    """Serve `CONTENT` with ranges, and break off once a piece has arrived."""
    pieces = Pieces()

    async def serve(request: web.Request) -> web.StreamResponse:
        asked = request.headers.get("Range")
        pieces.ranges.append(asked)
        pieces.has_arrived.clear()
        start = int(asked[6:-1]) if asked else 0
        rest = CONTENT[start:]
        place = {"Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"} if asked else {}
        answer = web.StreamResponse(
            status=206 if asked else 200, headers={"Content-Length": str(len(rest))} | place | headers
        )
        await answer.prepare(request)
        await answer.write(rest[:piece])
        if len(rest) > piece:
            await pieces.has_arrived.wait()
            return await break_off(request)
        return answer

    server.on(CALL, serve)
    return pieces


def write_zeros(file: Path, size_bytes: int) -> None:
    with file.open("wb") as opened:
        opened.truncate(size_bytes)


def send_file(file: Path) -> Answer:
    async def send(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(file)

    return send


def content_of(received: Received) -> bytes:
    return received.file.read_bytes()


def names_in(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


def put(file: Path, text: str) -> None:
    file.write_text(text)
