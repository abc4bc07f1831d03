"""A bad line between a node and its loop: a proxy that does to requests what networks and gateways do.

It reads a whole request before it decides about it, so that a test knows whether the loop has got it.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

LOGIN_PAGE = b"<!doctype html><title>Log in</title><form method=post><input name=user></form>"


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer, as bytes."""

    head: bytes
    body: bytes

    @property
    def first_line(self) -> str:
        return self.head.partition(b"\r\n")[0].decode(errors="replace")

    @property
    def data(self) -> bytes:
        return self.head + self.body


class BrokenOffError(Exception):
    """The connection to the client ends here."""


@dataclass(slots=True)
class Line:
    """One connection: the client's end, and a way to ask the loop."""

    to_client: asyncio.StreamWriter
    ask: Callable[[], Awaitable[Message]]

    async def say(self, data: bytes) -> None:
        self.to_client.write(data)
        await self.to_client.drain()


Fault = Callable[[Line], Awaitable[None]]


def answered(status: str, body: bytes = b"", *headers: str) -> Fault:
    """Somebody in between answers; the loop hears nothing."""

    async def fault(line: Line) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        await line.say("\r\n".join(lines).encode() + body)

    return fault


async def lost_before(_line: Line) -> None:
    raise BrokenOffError


async def lost_after(line: Line) -> None:
    """The loop has done it, and nobody hears of it."""
    await line.ask()
    raise BrokenOffError


async def reset_within_the_answer(line: Line) -> None:
    answer = (await line.ask()).data
    await line.say(answer[: len(answer) // 2])
    raise BrokenOffError


async def too_long_announced(line: Line) -> None:
    answer = await line.ask()
    length = b"Content-Length: %d" % (len(answer.body) + 100)
    await line.say(re.sub(rb"(?i)content-length: *\d+", length, answer.head) + answer.body)
    raise BrokenOffError


async def a_byte_per_second(line: Line) -> None:
    for byte in (await line.ask()).data:
        await line.say(bytes([byte]))
        await asyncio.sleep(1)


async def half_open_before(_line: Line) -> None:
    """Nothing comes any more, and nobody says so."""
    await asyncio.Event().wait()


async def half_open_after(line: Line) -> None:
    await line.ask()
    await asyncio.Event().wait()


FAULTS: dict[str, Fault] = {
    "lost before": lost_before,
    "lost after": lost_after,
    "reset within the answer": reset_within_the_answer,
    "wrong length": too_long_announced,
    "1 B/s": a_byte_per_second,
    "half-open before": half_open_before,
    "half-open after": half_open_after,
    "500": answered("500 Internal Server Error", b"oh"),
    "502": answered("502 Bad Gateway", b"<h1>Bad Gateway</h1>", "Content-Type: text/html"),
    "503": answered("503 Service Unavailable", b"", "Retry-After: 2"),
    "429": answered("429 Too Many Requests", b"", "Retry-After: 1"),
    "login page": answered("200 OK", LOGIN_PAGE, "Content-Type: text/html"),
}
RESET_WITHIN_THE_REQUEST = "reset within the request"


@dataclass(slots=True)
class BadNetwork:
    """`share` of the requests whose first line matches meet a fault; `met` counts them by name."""

    target: str
    share: float
    matches: re.Pattern[str]
    dice: random.Random
    faults: Sequence[str]
    host: str = ""
    requests: int = 0
    met: Counter[str] = field(default_factory=Counter)
    _connections: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        try:
            with suppress(BrokenOffError, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    await self._pass_on(reader, writer)
        finally:
            writer.transport.abort()

    async def aclose(self) -> None:
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        fault = self._draw(Message(head, b"").first_line)
        length = _length_of(head)
        if fault == RESET_WITHIN_THE_REQUEST:
            await reader.readexactly(length // 2)
            raise BrokenOffError
        request = Message(head, await reader.readexactly(length))
        line = Line(writer, lambda: self._ask(request))
        if fault:
            await FAULTS[fault](line)
        else:
            await line.say((await line.ask()).data)

    def _draw(self, first_line: str) -> str:
        if not self.matches.match(first_line):
            return ""
        self.requests += 1
        if self.dice.random() >= self.share:
            return ""
        fault = self.dice.choice(self.faults)
        self.met[fault] += 1
        return fault

    async def _ask(self, request: Message) -> Message:
        host, _, port = self.target.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(request.data)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            return Message(head, await reader.readexactly(_length_of(head)))
        finally:
            writer.transport.abort()


def _length_of(head: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return int(found[1]) if found else 0


@asynccontextmanager
async def bad_network(
    target: str,
    *,
    share: float,
    matches: str,
    seed: int = 0,
    faults: Sequence[str] = (*FAULTS, RESET_WITHIN_THE_REQUEST),
) -> AsyncIterator[BadNetwork]:
    """On a free port in front of `host:port`."""
    network = BadNetwork(target, share, re.compile(matches), random.Random(seed), faults)
    server = await asyncio.start_server(network.serve, "127.0.0.1", 0)
    network.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield network
    finally:
        server.close()
        await network.aclose()
        await server.wait_closed()
