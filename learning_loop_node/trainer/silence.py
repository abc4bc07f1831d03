"""Notices that a program prints nothing any more."""

from __future__ import annotations

from pathlib import Path

from ..runtime.clock import Clock


class Silence:
    """How long a log has not grown. `has_lasted` is called again and again; before its second call nothing is known."""

    def __init__(self, log: Path, limit_s: float, clock: Clock) -> None:
        """A `limit_s` of 0 is none."""
        self.limit_s = limit_s
        self._log = log
        self._clock = clock
        self._size_bytes = -1
        self._since = clock.now()

    def has_lasted(self) -> bool:
        """Whether nothing was printed for as long as the limit."""
        size_bytes = self._log.stat().st_size if self._log.exists() else 0
        if size_bytes != self._size_bytes:
            self._size_bytes, self._since = size_bytes, self._clock.now()
        return 0 < self.limit_s <= self._clock.now() - self._since
