"""A server that speaks TLS and nothing else, with a certificate made for the test."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

DAY = timedelta(days=1)


class Authority:
    """Signs certificates; `file` is what whoever trusts it is given."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._ca = trustme.CA(organization_name=name)
        self.file = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def issue(self, *names: str, begins_days: float = -2, ends_days: float = 90) -> ssl.SSLContext:
        """What a server with such a certificate needs; the days count from now."""
        now = datetime.now(UTC)
        certificate = self._ca.issue_cert(*names, not_before=now + begins_days * DAY, not_after=now + ends_days * DAY)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return context

    def as_certificate_of_a_server(self) -> ssl.SSLContext:
        """One that is signed by itself."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        key = self.file.with_suffix(".key")
        self._ca.private_key_pem.write_to_path(key)
        context.load_cert_chain(self.file, key)
        return context


@asynccontextmanager
async def listening(context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server on 127.0.0.1 that accepts connections, over TLS with a context, and closes them."""
    arrived: set[asyncio.Task[None]] = set()

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.add(asyncio.ensure_future(close(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)  # handshakes that were refused
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*arrived, return_exceptions=True)
