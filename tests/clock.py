"""A clock that the test moves, and one in a hurry."""

from __future__ import annotations

import asyncio
import time


class ManualClock:
    """Time passes at once: `sleep` notes the wait, moves the clock forward and lets others run.

    With `stop_after`, that many sleeps are granted and the next one cancels the sleeper, which ends an endless service.
    """

    def __init__(self, *, stop_after: int | None = None, now: float = 0.0) -> None:
        self.waits: list[float] = []
        self._now = now
        self._stop_after = stop_after

    def now(self) -> float:
        return self._now

    def stop_after(self, sleeps: int) -> None:
        """Grant sleeps again; the one of this number, counted from now, cancels the sleeper."""
        self._stop_after = len(self.waits) + sleeps

    def advance(self, seconds: float) -> None:
        self._now += seconds

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        if self._stop_after is not None and len(self.waits) >= self._stop_after:
            raise asyncio.CancelledError
        self._now += seconds
        await asyncio.sleep(0)


class HurriedClock:
    """The real time, some times faster, for what goes over real sockets and would wait for minutes in between."""

    def __init__(self, times_faster: float) -> None:
        self._times_faster = times_faster

    def now(self) -> float:
        return time.monotonic() * self._times_faster

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._times_faster)
