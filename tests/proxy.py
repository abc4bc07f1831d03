"""A connection that breaks where a test wants it to: between a node and its loop."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

CHUNK_BYTES = 4096


@dataclass(slots=True)
class Cut:
    """The connection breaks `times` when so many bytes of the answer to such a request were let through."""

    request: re.Pattern[bytes]
    after_bytes: int
    times: int


@dataclass(slots=True)
class Proxy:
    """Hands everything on to `target` and back; `requests` are the heads of what was asked."""

    target: str
    host: str = ""
    requests: list[str] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    cut_count: int = 0
    is_away: bool = False
    _connections: set[asyncio.Task[None]] = field(default_factory=set)

    def cut(self, request: str, *, after_bytes: int = 0, times: int = 1) -> None:
        """Break the connection within the answer to the next requests whose first line matches."""
        self.cuts.append(Cut(re.compile(request.encode()), after_bytes, times))

    def asked(self, request: str) -> list[str]:
        """The heads of the requests whose first line matches."""
        return [head for head in self.requests if re.match(request, head)]

    async def go_away(self) -> None:
        """Break all connections and take no new ones, until `is_away` is False again."""
        self.is_away = True
        await self.aclose()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        host, _, port = self.target.rpartition(":")
        if self.is_away:
            writer.close()
            return
        try:
            there, back = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        connection = _Connection(self)
        pumps = [
            asyncio.create_task(connection.ask(reader, back)),
            asyncio.create_task(connection.answer(there, writer)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Before anything is awaited: the end of the proxy may interrupt this, too.
            writer.transport.abort()
            back.transport.abort()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def aclose(self) -> None:
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


class _Connection:
    """One connection, on which one request follows the other."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._cut: Cut | None = None
        self._answered_bytes = 0
        self._is_new = True

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if self._is_new:
                self._begin(data)
            writer.write(data)
            await writer.drain()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK_BYTES):
            self._is_new = True
            if self._cut is not None:
                rest = self._cut.after_bytes - self._answered_bytes
                self._answered_bytes += len(data)
                if rest < len(data):
                    writer.write(data[:rest])
                    await writer.drain()
                    writer.close()
                    await writer.wait_closed()
                    self._proxy.cut_count += 1
                    return
            writer.write(data)
            await writer.drain()

    def _begin(self, data: bytes) -> None:
        """Note the request that begins here, and whether its answer is to be cut."""
        head = data.partition(b"\r\n\r\n")[0]
        self._proxy.requests.append(head.decode(errors="replace"))
        self._is_new, self._cut, self._answered_bytes = False, None, 0
        for cut in self._proxy.cuts:
            if cut.times > 0 and cut.request.match(head):
                cut.times -= 1
                self._cut = cut
                return


@asynccontextmanager
async def proxy_to(target: str) -> AsyncIterator[Proxy]:
    """A proxy on a free port in front of `host:port`."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.aclose()
        await server.wait_closed()
