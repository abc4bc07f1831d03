"""Slows down whoever guesses passwords."""

from __future__ import annotations

from collections import OrderedDict, deque

from ...errors import RateLimitedError
from ...runtime.clock import Clock

FAILURES = 10
WITHIN_S = 60.0
REMEMBERED = 10_000
"""The one that failed longest ago is forgotten first."""


class Attempts:
    """Failed logins per address and user name; after ten within a minute the next one has to wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def check(self, address: str, username: str) -> None:
        """Raise `RateLimitedError` if there were too many failures."""
        times = self._failures.get((address, username))
        now = self._clock.now()
        while times and times[0] <= now - WITHIN_S:
            times.popleft()
        if times and len(times) >= FAILURES:
            raise RateLimitedError(
                f"too many failed logins of {username!r} from {address}; wait a minute",
                retry_after_s=times[0] + WITHIN_S - now,
            )

    def failed(self, address: str, username: str) -> None:
        times = self._failures.setdefault((address, username), deque(maxlen=FAILURES))
        times.append(self._clock.now())
        self._failures.move_to_end((address, username))
        if len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)
