"""Calls of Socket.IO events that wait for their acknowledgement, and end at once when the connection is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import socketio


class EventCalls:
    """What waits for an acknowledgement on one connection after the other.

    python-socketio's own `call` waits for the whole of its time-out when the connection breaks meanwhile.
    """

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[Any]] = set()

    async def ask(self, client: socketio.AsyncClient, event: str, data: Any) -> Any:
        """What the other side acknowledges with: a value, a tuple of several, or None. A tuple sends several arguments.

        Raises what `fail` was given, or what the client raises.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.add(answer)

        def acknowledge(*values: Any) -> None:
            if not answer.done():
                answer.set_result(values[0] if len(values) == 1 else values or None)

        try:
            await client.emit(event, data, callback=acknowledge)
            return await answer
        finally:
            self._waiting.discard(answer)

    def fail(self, error: Exception) -> None:
        """End all that wait with this error."""
        for answer in self._waiting:
            if not answer.done():
                answer.set_exception(error)
