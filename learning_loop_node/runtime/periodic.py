"""Repeats an action, waiting longer after each failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ..errors import NodeError
from .clock import Clock, SystemClock
from .trouble import Trouble

logger = logging.getLogger(__name__)


class Periodic:
    """A service that calls `action` every `interval_s`; after an error of ours it waits longer, up to `longest_s`.

    The wait doubles with each error. `wake` makes the next call come at once. Trouble that lasts is logged sparsely.
    """

    def __init__(
        self,
        name: str,
        action: Callable[[], Awaitable[object]],
        *,
        interval_s: float,
        longest_s: float,
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self._action = action
        self._interval_s = interval_s
        self._longest_s = longest_s
        self._clock = clock or SystemClock()
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        wait_s = self._interval_s
        trouble = Trouble(self._clock)
        while True:
            self._woken.clear()
            try:
                await self._action()
                wait_s = self._interval_s
                if trouble.ends():
                    logger.info("%s works again", self.name)
            except NodeError as error:
                if trouble.is_news(str(error)):
                    logger.warning("%s failed, trying again: %s", self.name, error)
                wait_s = min(2 * wait_s, self._longest_s)
            await wait_unless(self._woken, wait_s, self._clock)


async def wait_unless(event: asyncio.Event, seconds: float, clock: Clock) -> None:
    """Wait this long, or until the event is set."""
    if event.is_set():
        return
    waits = [asyncio.ensure_future(clock.sleep(seconds)), asyncio.ensure_future(event.wait())]
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
