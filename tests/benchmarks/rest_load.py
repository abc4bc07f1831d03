"""Loads a server over REST, as cheaply as can be, so that it is the server that is measured.

Requests are made by hand before the clock starts; a connection sends its next one as soon as it has its answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import cast

_BOUNDARY = "----------------bench7d4a6d158c9"


@dataclass(frozen=True, slots=True)
class Burst:
    """What one burst of requests showed."""

    rate: float
    latencies_ms: list[float]


def detect_request(jpeg: bytes) -> bytes:
    """`POST /detect` with one image, as curl writes it."""
    head = (
        f"--{_BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="file"; filename="image.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    body = head.encode() + jpeg + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return (
        "POST /detect HTTP/1.1\r\nHost: bench\r\nAccept: */*\r\n"
        f"Content-Length: {len(body)}\r\nContent-Type: multipart/form-data; boundary={_BOUNDARY}\r\n\r\n"
    ).encode() + body


async def burst(port: int, requests: Sequence[bytes], *, connections: int, seconds: float) -> Burst:
    """Keep so many connections busy for some seconds; ends when the last answer is there."""
    loop = asyncio.get_running_loop()
    endless = cycle(requests)
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(lambda: _Client(endless), "127.0.0.1", port)
        clients.append(client)
    start = time.perf_counter()
    await asyncio.gather(*(client.run(start + seconds) for client in clients))
    elapsed_s = time.perf_counter() - start
    latencies_ms = [latency for client in clients for latency in client.latencies_ms]
    return Burst(len(latencies_ms) / elapsed_s, latencies_ms)


class _Client(asyncio.Protocol):
    """One connection with one request at a time."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self._requests = requests
        self._transport: asyncio.Transport
        self._answer = b""
        self._sent_at = self._end = 0.0
        self._done = asyncio.get_running_loop().create_future()
        self.latencies_ms: list[float] = []

    async def run(self, end: float) -> None:
        """Send and receive until this time of `perf_counter`."""
        self._end = end
        self._send()
        try:
            await self._done
        finally:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._answer = self._answer + data if self._answer else data
        head_end = self._answer.find(b"\r\n\r\n")
        if head_end < 0 or len(self._answer) < head_end + 4 + _content_length(self._answer[:head_end]):
            return
        now = time.perf_counter()
        self.latencies_ms.append(1000 * (now - self._sent_at))
        if not self._answer.startswith(b"HTTP/1.1 200"):
            self._fail(RuntimeError(f"the server answered {self._answer[:300]!r}"))
        elif now < self._end:
            self._answer = b""
            self._send()
        elif not self._done.done():
            self._done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or ConnectionError("the server closed the connection"))

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self._transport.write(next(self._requests))

    def _fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)


def _content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    if not found:
        raise RuntimeError(f"the answer says no length: {head!r}")
    return int(rest.split(b"\r\n", 1)[0])
