"""Counts what is asked of a process, by operation and transport: how often, with which outcome, for how long."""

from __future__ import annotations

from ..runtime.clock import Clock, SystemClock
from ..runtime.histogram import Histogram

OK = "ok"
CANCELLED = "cancelled"
"""The outcome of a request that nobody waited for any more."""


class Recorder:
    """What one operation over one transport was asked. Belongs to the event loop."""

    __slots__ = ("outcomes", "reading", "received", "seconds")

    def __init__(self) -> None:
        self.received = 0
        self.outcomes: dict[str, int] = {}
        """Answers by the code of their error, or `ok`."""
        self.reading = Histogram()
        """Seconds until the request was read and understood."""
        self.seconds = Histogram()
        """Seconds until it was answered."""

    @property
    def in_progress(self) -> int:
        return self.received - sum(self.outcomes.values())

    def answered(self, outcome: str, seconds: float) -> None:
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self.seconds.observe(seconds)


class Traffic:
    """The recorders of an application."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.now = (clock or SystemClock()).now
        self.recorders: dict[tuple[str, str], Recorder] = {}

    def of(self, operation: str, transport: str) -> Recorder:
        """The recorder of an operation over a transport, made when it is first asked for."""
        return self.recorders.setdefault((operation, transport), Recorder())

    def used(self) -> dict[tuple[str, str], Recorder]:
        """Those that have something to tell."""
        return {place: recorder for place, recorder in self.recorders.items() if recorder.received}
