"""HTTP by hand: requests that no library would send, and what comes back."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

SLOWEST_S = 5.0
BOUNDARY = "bOuNdArY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; status 0 means that the connection was closed without an answer, -1 that there was silence."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0

    @property
    def is_json(self) -> bool:
        return self.headers.get("content-type", "").startswith("application/json")

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A request, the statuses it may be answered with, and words that the answer's `detail` must hold.

    `pieces` are sent one after the other. Where `is_ours` is false, the answer is that of the HTTP server below us, or
    the request is as good as any other.
    """

    name: str
    pieces: Callable[[], Iterable[bytes]]
    status: tuple[int, ...]
    words: tuple[str, ...] = ()
    is_ours: bool = True
    is_left_open: bool = False


def case(name: str, data: bytes | Callable[[], Iterable[bytes]], *status: int, **options: Any) -> Case:
    """A case in one line; `words` may be one text."""
    words = options.pop("words", ())
    pieces = data if callable(data) else lambda: [data]
    return Case(
        name=name, pieces=pieces, status=status, words=(words,) if isinstance(words, str) else tuple(words), **options
    )


def request(
    method: str,
    path: str | bytes,
    headers: Sequence[tuple[str | bytes, str | bytes]] = (),
    body: bytes = b"",
    *,
    length: str | int | None = -1,
    version: str = "1.1",
) -> bytes:
    """The bytes of a request. `length` is that of the body unless given; None leaves the header out."""
    lines = [b"%s %s HTTP/%s" % (method.encode(), _bytes(path), version.encode()), b"Host: 127.0.0.1"]
    lines += [_bytes(name) + b": " + _bytes(value) for name, value in headers]
    if length == -1:
        length = len(body) if body or method in ("POST", "PUT", "PATCH") else None
    if length is not None:
        lines.append(b"Content-Length: " + str(length).encode())
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def form(
    *parts: tuple[bytes, bytes], boundary: str = BOUNDARY, end: bytes = b"--\r\n"
) -> tuple[list[tuple[str, str]], bytes]:
    """The header and the body of a multipart form; each part is its headers and its content."""
    line = b"--" + boundary.encode()
    body = b"".join(line + b"\r\n" + head + b"\r\n\r\n" + content + b"\r\n" for head, content in parts)
    return [("Content-Type", f"multipart/form-data; boundary={boundary}")], body + line + end


def part(name: str, filename: str | None = "image.jpg") -> bytes:
    """The headers of a part."""
    text = f'Content-Disposition: form-data; name="{name}"'
    return (text if filename is None else f'{text}; filename="{filename}"').encode()


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


async def exchange(address: tuple[str, int], attack: Case) -> Answer:
    """Send the pieces of a case and wait for the answer, for no longer than an answer may take."""
    start = time.monotonic()
    reader, writer = await asyncio.open_connection(*address)
    received = bytearray()
    try:
        async with asyncio.timeout(SLOWEST_S):
            receiving = asyncio.ensure_future(_receive(reader, received))
            try:
                with suppress(ConnectionError):
                    for piece in attack.pieces():
                        writer.write(piece)
                        await writer.drain()
                if attack.is_left_open:
                    await asyncio.sleep(0.05)
                    return Answer(status=-1, seconds=time.monotonic() - start)
                await receiving
            finally:
                receiving.cancel()
    except TimeoutError:
        return Answer(status=-1, seconds=time.monotonic() - start)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return _parsed(bytes(received), time.monotonic() - start)


async def _receive(reader: asyncio.StreamReader, received: bytearray) -> None:
    """Read until one answer is complete or the connection ends."""
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            received += data
            while received[9:10] == b"1" and b"\r\n\r\n" in received:  # 100: the server waits for the body
                del received[: received.index(b"\r\n\r\n") + 4]
            if _is_complete(bytes(received)):
                return


def _is_complete(received: bytes) -> bool:
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return False
    headers = head.lower()
    if b"\r\ntransfer-encoding: chunked" in headers:
        return body.endswith(b"0\r\n\r\n")
    _, found, rest = headers.partition(b"\r\ncontent-length: ")
    return bool(found) and len(body) >= int(rest.split(b"\r\n")[0])


class _Received:
    """What http.client wants to see of a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> BytesIO:
        return BytesIO(self._data)


def _parsed(received: bytes, seconds: float) -> Answer:
    if not received:
        return Answer(status=0, seconds=seconds)
    response = http.client.HTTPResponse(_Received(received))  # type: ignore[arg-type]  # all that it uses is there
    response.begin()
    body = b""
    with suppress(http.client.IncompleteRead):
        body = response.read()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(status=response.status, headers=headers, body=body, seconds=seconds)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8")
