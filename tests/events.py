"""A Socket.IO client for tests."""

from __future__ import annotations

import gc
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import socketio


@asynccontextmanager
async def connected(url: str, transport: str = "websocket", **options: Any) -> AsyncIterator[socketio.AsyncClient]:
    """A client of a node; `transport` is `websocket` or `polling`."""
    client = socketio.AsyncClient(**options)
    await client.connect(url, socketio_path="/ws/socket.io", transports=[transport])
    try:
        yield client
    finally:
        await client.disconnect()
        # The client leaves the answer to its last poll unread; it is collected here, where its complaint is expected.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
