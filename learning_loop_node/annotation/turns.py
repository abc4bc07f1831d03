"""Lets the inputs of one person wait for each other, and those of different people not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..errors import BusyError

MOST_WAITING = 200
"""Inputs of one person; a mouse sends about sixty per second."""


class Turns:
    """Who comes first is first, within the inputs of one person."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._most_waiting = most_waiting
        self._locks: dict[str, asyncio.Lock] = {}
        self._counts: dict[str, int] = {}

    def is_busy(self, frontend_id: str) -> bool:
        """Whether something of this person is being done, or waits for it."""
        return frontend_id in self._counts

    @asynccontextmanager
    async def of(self, frontend_id: str) -> AsyncIterator[None]:
        """Wait for this person's turn. `BusyError` if too much waits already."""
        count = self._counts.get(frontend_id, 0)
        if count >= self._most_waiting:
            raise BusyError(f"{count} inputs of {frontend_id} wait for the tool already; wait for its answers")
        self._counts[frontend_id] = count + 1
        try:
            async with self._locks.setdefault(frontend_id, asyncio.Lock()):
                yield
        finally:
            self._counts[frontend_id] -= 1
            if not self._counts[frontend_id]:
                del self._counts[frontend_id], self._locks[frontend_id]
