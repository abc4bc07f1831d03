"""Forms are read as a stream, however it is cut into pieces."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.types import Message

from learning_loop_node.errors import InvalidRequestError, TooLargeError
from learning_loop_node.loop_server.receiving import uploads
from learning_loop_node.loop_server.receiving.uploads import received_parts

LARGE = random.Random(1).randbytes(uploads.IN_MEMORY_BYTES + 3_000_001)
CONTENTS = {"a.json": b"{}", "b.jpg": b"\r\n--b\r\n--", "empty": b"", "c.bin": bytes(range(256)) * 20}


@pytest.mark.parametrize("piece", [1, 2, 7, 64, 100_000])
async def test_the_pieces_of_the_stream_do_not_matter(tmp_path: Path, piece: int):
    assert await read(form(CONTENTS), tmp_path, piece=piece) == CONTENTS


async def test_large_contents_are_read_back_from_the_disk(tmp_path: Path):
    contents = {"first": b"1", "large": LARGE, "last": b"2"}
    async with received_parts(request(form(contents)), folder=tmp_path, max_bytes=2**30, max_parts=10) as parts:
        assert [part.size_bytes for part in parts] == [1, len(LARGE), 1]
        assert [await part.read() for part in parts] == list(contents.values())
        chunks = [chunk async for chunk in parts[1].chunks()]
    assert b"".join(chunks) == LARGE
    assert max(map(len, chunks)) <= uploads.CHUNK_BYTES


async def test_parts_tell_their_names_and_headers(tmp_path: Path):
    body = (
        b'--xyz\r\nContent-Disposition: form-data; name="files"; filename="a%3Ab.jpg"\r\n'
        b"Idempotency-Key: k\r\nContent-Type: image/jpeg\r\n\r\nx\r\n--xyz--\r\n"
    )
    async with received_parts(request(body), folder=tmp_path, max_bytes=1000, max_parts=1) as [part]:
        assert (part.name, part.filename) == ("files", "a%3Ab.jpg")
        assert part.headers["idempotency-key"] == "k"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param("größe 写真.jpg".encode(), "größe 写真.jpg", id="as curl sends it"),
        pytest.param(b"\xff\xfe.jpg", "\ufffd\ufffd.jpg", id="no UTF-8"),
    ],
)
async def test_names_may_have_any_letters(tmp_path: Path, sent: bytes, expected: str):
    disposition = b'Content-Disposition: form-data; name="files"; filename="' + sent + b'"'
    body = b"--xyz\r\n" + disposition + b"\r\n\r\nx\r\n--xyz--\r\n"
    assert await read(body, tmp_path) == {expected: b"x"}


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
async def test_what_is_too_large_is_refused(tmp_path: Path, announced: bool):
    with pytest.raises(TooLargeError, match="500"):
        await read(form({"a": bytes(1000)}), tmp_path, max_bytes=500, announced=announced)


async def test_too_many_parts_are_refused(tmp_path: Path):
    with pytest.raises(TooLargeError, match="3 parts"):
        await read(form(CONTENTS), tmp_path, max_parts=3)


async def test_a_form_without_end_is_refused(tmp_path: Path):
    with pytest.raises(InvalidRequestError, match="ends in the middle"):
        await read(form(CONTENTS)[:-5], tmp_path)


async def test_a_client_that_goes_away_is_no_error_of_ours(tmp_path: Path):
    with pytest.raises(InvalidRequestError, match="went away"):
        await read(form(CONTENTS), tmp_path, goes_away=True)


def form(contents: dict[str, bytes]) -> bytes:
    parts = [
        f'--xyz\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in contents.items()
    ]
    return b"".join(parts) + b"--xyz--\r\n"


def request(body: bytes, *, piece: int = 2**16, announced: bool = True, goes_away: bool = False) -> Request:
    headers = [(b"content-type", b"multipart/form-data; boundary=xyz")]
    if announced:
        headers.append((b"content-length", str(len(body)).encode()))
    messages = messages_of(body, piece, goes_away)

    async def receive() -> Message:
        return next(messages)

    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def messages_of(body: bytes, piece: int, goes_away: bool) -> Iterator[Message]:
    for start in range(0, len(body), piece):
        is_last = start + piece >= len(body)
        if is_last and goes_away:
            break
        yield {"type": "http.request", "body": body[start : start + piece], "more_body": not is_last}
    yield {"type": "http.disconnect"}


async def read(
    body: bytes, folder: Path, *, max_bytes: int = 10**9, max_parts: int = 100, **how: int | bool
) -> dict[str, bytes]:
    asked = request(body, **how)  # type: ignore[arg-type]
    async with received_parts(asked, folder=folder, max_bytes=max_bytes, max_parts=max_parts) as parts:
        return {part.filename: await part.read() for part in parts}
