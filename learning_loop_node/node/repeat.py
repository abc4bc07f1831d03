"""Calls a node's `on_repeat` again and again."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Protocol

from ..runtime.clock import Clock, SystemClock
from ..runtime.trouble import Trouble

logger = logging.getLogger(__name__)

MUTED_CHECK_S = 1.0


class Repeating(Protocol):
    """What has something to do every few seconds."""

    repeat_loop_cycle_sec: float
    is_muted: bool
    repeat_task: asyncio.Task[Any] | None

    async def repeat_once(self) -> None: ...


class Repeat:
    """A service for the user's own periodic work: whatever that raises is logged and does not end the process."""

    name = "repeat"

    def __init__(self, node: Repeating, clock: Clock | None = None) -> None:
        self._node = node
        self._clock = clock or SystemClock()

    async def run(self) -> None:
        self._node.repeat_task = asyncio.current_task()
        trouble = Trouble(self._clock)
        while True:
            if self._node.is_muted:
                await self._clock.sleep(MUTED_CHECK_S)
                continue
            try:
                await self._node.repeat_once()
                trouble.ends()
            except Exception as error:
                if trouble.is_news(f"{type(error).__name__}: {error}"):
                    logger.exception("on_repeat failed, trying again every %s s", self._node.repeat_loop_cycle_sec)
            await self._clock.sleep(self._node.repeat_loop_cycle_sec)
