"""Decides which of many failures in a row is worth a line in the log."""

from __future__ import annotations

from .clock import Clock

REMINDER_S = 3600.0
MOST_TEXTS = 10
"""So many different texts are said of one trouble at once; those that follow wait for the next reminder."""


class Trouble:
    """What may last for days is said when it begins or changes, then once an hour, and when it is over.

    Where single failures come between successes, nobody calls `ends`, and each text is said once an hour.
    """

    def __init__(self, clock: Clock, *, reminder_s: float = REMINDER_S) -> None:
        self._clock = clock
        self._reminder_s = reminder_s
        self._said: set[str] = set()
        self._said_at = 0.0

    def is_news(self, text: str) -> bool:
        """Note a failure; whether to say so."""
        now = self._clock.now()
        if self._said and now - self._said_at >= self._reminder_s:
            self._said.clear()
        if text in self._said or len(self._said) >= MOST_TEXTS:
            return False
        self._said.add(text)
        self._said_at = now
        return True

    def ends(self) -> bool:
        """Note that all is well; whether it was otherwise before."""
        was_there = bool(self._said)
        self._said.clear()
        return was_there
