"""What a case measures, and how it is judged."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Who(StrEnum):
    """Whose server was measured."""

    OURS = "ours"
    THEIRS = "0.27"
    BARE = "bare"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a figure should be at least, or at most where less is better: as ratio to 0.27, as value, or both."""

    ratio: float | None = None
    value: float | None = None
    is_limit: bool = False

    def is_met(self, ratio: float | None, value: float) -> bool | None:
        """None if it cannot be told: nothing is wanted, or there was nothing to compare with."""
        if self == Goal() or (self.ratio is not None and ratio is None):
            return None
        pairs = [(found, wanted) for found, wanted in ((ratio, self.ratio), (value, self.value)) if wanted is not None]
        return all(
            found is not None and (found <= wanted if self.is_limit else found >= wanted) for found, wanted in pairs
        )

    def text(self, unit: str) -> str:
        sign = "≤" if self.is_limit else "≥"
        parts = [f"{sign} {times(self.ratio)}"] if self.ratio is not None else []
        parts += [f"{sign} {self.value:g} {unit}"] if self.value is not None else []
        return ", ".join(parts) or "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of the table. `values` are those of the turns, `p99_ms` the latencies of requests, by who was measured.

    `note` says what the reader must know to judge it.
    """

    what: str
    unit: str
    values: dict[Who, list[float]]
    goal: Goal
    p99_ms: dict[Who, float] = field(default_factory=dict)
    note: str = ""

    def median(self, who: Who) -> float | None:
        values = self.values.get(who)
        return statistics.median(values) if values else None

    @property
    def ratio(self) -> float | None:
        """Ours to that of 0.27; where both were measured in turns, the median of the turns' ratios."""
        ours, theirs = self.values[Who.OURS], self.values.get(Who.THEIRS)
        if not theirs:
            return None
        if len(ours) == len(theirs):
            return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))
        return statistics.median(ours) / statistics.median(theirs)

    @property
    def is_met(self) -> bool | None:
        return self.goal.is_met(self.ratio, statistics.median(self.values[Who.OURS]))


def times(ratio: float) -> str:
    """A ratio as people say it.

    >>> times(2.345), times(234.5), times(0.25), times(0.001)
    ('2.35×', '234×', '0.25×', '1/1000')
    """
    if ratio < 0.1:
        return f"1/{1 / ratio:.0f}"
    return f"{ratio:.0f}×" if ratio >= 100 else f"{ratio:.3g}×"


def p99(values: Sequence[float]) -> float:
    """What 99 of 100 values do not exceed.

    >>> p99([3.0, 1.0, 2.0])
    3.0
    """
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]
