"""When two boxes, or two points, of one category are taken for the same thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ...geometry.boxes import Floats
from ...geometry.overlap import paired_overlaps_xywh
from ...geometry.points import paired_distances

_SLACK = 1e-6
"""Windows are this much wider, relative to the coordinates, so that rounding never hides a pair."""


class Similarity(Protocol):
    """Compares rows whose first two columns are x and y."""

    columns: ClassVar[int]

    def windows(self, rows: Floats) -> tuple[Floats, Floats]:
        """Where x and y of a similar row can lie at most: the lowest, and the highest; both `(N, 2)`."""
        ...

    def holds(self, rows_a: Floats, rows_b: Floats) -> NDArray[np.bool_]:
        """Which rows of a are similar to the same row of b: `(N,)`."""
        ...


@dataclass(frozen=True, slots=True)
class SimilarBoxes:
    """Boxes in xywh that overlap at least this much."""

    columns: ClassVar[int] = 4
    overlap: float = 0.5

    def windows(self, rows: Floats) -> tuple[Floats, Floats]:
        """A similar box starts at most `(1/overlap − 1)` widths before this one, or `(1 − overlap)` widths after."""
        xy, size = rows[:, :2], rows[:, 2:]
        before, after = 1 / self.overlap - 1, 1 - self.overlap
        slack = _SLACK * (np.abs(xy) + size)
        return xy - before * size - slack, xy + after * size + slack

    def holds(self, rows_a: Floats, rows_b: Floats) -> NDArray[np.bool_]:
        return paired_overlaps_xywh(rows_a, rows_b) >= self.overlap


@dataclass(frozen=True, slots=True)
class SimilarPoints:
    """Points less than this many pixels apart."""

    columns: ClassVar[int] = 2
    distance: float = 10.0

    def windows(self, rows: Floats) -> tuple[Floats, Floats]:
        reach = self.distance + _SLACK * np.abs(rows)
        return rows - reach, rows + reach

    def holds(self, rows_a: Floats, rows_b: Floats) -> NDArray[np.bool_]:
        return paired_distances(rows_a, rows_b) < self.distance
