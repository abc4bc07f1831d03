"""Builds the model anew when a client asks for it, after the client has its answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ..errors import NodeError

logger = logging.getLogger(__name__)


class Reload:
    """A service that reloads once for each time it was asked while idle."""

    name = "reload"

    def __init__(self, action: Callable[[], Awaitable[None]]) -> None:
        self._action = action
        self._wanted = asyncio.Event()

    def soon(self) -> None:
        self._wanted.set()

    async def run(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._action()
            except NodeError as error:
                logger.warning("reload failed, the previous model serves on: %s", error)
