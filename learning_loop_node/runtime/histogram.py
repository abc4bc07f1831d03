"""Counts how often a quantity was how large, at the cost of a bisection in a short list."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds for how long something takes, from a small request to a model that struggles."""

SMALL_NUMBERS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


class Histogram:
    """Observations in buckets with these upper bounds, bounds included, and one bucket for all above.

    Only one thread at a time may observe; whoever reads meanwhile sees an observation a moment late.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many observations there were."""
        return sum(self.counts)

    def cumulated(self) -> Iterator[tuple[float, int]]:
        """For each bound, infinity at the end, how many observations were not above it."""
        count = 0
        for bound, here in zip((*self.bounds, float("inf")), tuple(self.counts), strict=True):
            count += here
            yield bound, count
