"""Scripted nodes: real Socket.IO clients of a running loop, which say and answer what a test tells them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import socketio

from tests.loop import RunningLoop

PATH = "/ws/socket.io"


@dataclass
class NodeClient:
    """A connected node. `called` are the events of the loop with their arguments, in their order."""

    client: socketio.AsyncClient
    called: list[tuple[Any, ...]] = field(default_factory=list)

    async def call(self, event: str, *arguments: Any) -> Any:
        return await self.client.call(event, arguments, timeout=10)

    def answer(self, event: str, with_: Callable[..., Any] | Any) -> None:
        """Acknowledge an event of the loop with this, or with what this returns."""

        async def handle(*arguments: Any) -> Any:
            self.called.append((event, *arguments))
            result = with_(*arguments) if callable(with_) else with_
            return await result if isinstance(result, Awaitable) else result

        self.client.on(event, handle)


@asynccontextmanager
async def node_client(
    loop: RunningLoop,
    node_type: str | None = "trainer",
    *,
    session: aiohttp.ClientSession | None = None,
    headers: Mapping[str, str] | None = None,
    transports: list[str] | None = None,
) -> AsyncIterator[NodeClient]:
    """A node with the login of this session, by default that of the administrator."""
    # A session of its own, since the client closes the one that it is given.
    given = session or loop.admin
    jar = aiohttp.CookieJar(unsafe=True)
    jar.update_cookies({cookie.key: cookie.value for cookie in given.cookie_jar})
    async with aiohttp.ClientSession(cookie_jar=jar, headers=given.headers) as own:
        client = socketio.AsyncClient(reconnection=False, http_session=own)
        kind = {"nodeType": node_type, "organization": "", "project": ""} if node_type is not None else {}
        try:
            await client.connect(
                loop.url,
                headers=kind | dict(headers or {}),
                socketio_path=PATH,
                transports=transports,
                wait_timeout=10,
            )
            yield NodeClient(client)
        finally:
            await client.disconnect()
            await asyncio.sleep(0)


def trainer_status(state: str = "idle", *, id: str = "trainer 1", **changes: Any) -> dict[str, Any]:
    """What a trainer says in `update_trainer`."""
    return {
        "id": id,
        "name": id.title(),
        "state": state,
        "uptime": 1.5,
        "errors": {},
        "progress": None,
        "pretrained_models": [{"name": "small", "label": "Small", "description": "quick"}],
        "architecture": "mocked",
        "context": None,
    } | changes
