"""Slows down whoever guesses passwords."""

from __future__ import annotations

from collections import OrderedDict, deque

from ..errors import RateLimitedError
from ..runtime.clock import Clock

FAILURES = 10
WITHIN_S = 60.0
REMEMBERED = 10_000
"""Addresses; the one that failed longest ago is forgotten first."""


class Attempts:
    """Failed logins per address; after ten within a minute the next one has to wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, address: str) -> None:
        """Raise `RateLimitedError` if this address has failed too often."""
        times = self._failures.get(address)
        now = self._clock.now()
        while times and times[0] <= now - WITHIN_S:
            times.popleft()
        if times and len(times) >= FAILURES:
            raise RateLimitedError(
                f"too many failed logins from {address}; wait a minute", retry_after_s=times[0] + WITHIN_S - now
            )

    def failed(self, address: str) -> None:
        times = self._failures.setdefault(address, deque(maxlen=FAILURES))
        times.append(self._clock.now())
        self._failures.move_to_end(address)
        if len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)
