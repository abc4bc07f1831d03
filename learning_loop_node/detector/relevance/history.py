"""What one camera has seen lately; marks which detections are new to it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...data_classes import BoxDetection, ImageMetadata, PointDetection
from ...geometry.boxes import Floats
from .sightings import Sightings
from .similarity import SimilarBoxes, SimilarPoints

MEMORY_S = 3600.0
"""How long a camera remembers what it has seen."""

LONGEST = 10_000
"""Boxes that a camera remembers at most, and as many points; those not seen for longest are forgotten."""


class CameraHistory:
    """Boxes and points of one camera, each kept for `memory_s` after its last sighting.

    A box is new if no box of its category overlaps it by half or more; a point if none of its category is closer than
    10 pixels. Detections are compared with those before them in the same image, too. Neither confidence nor model
    matters.
    """

    def __init__(self, *, memory_s: float = MEMORY_S, longest: int = LONGEST, overlap: float = 0.5) -> None:
        self._memory_s = memory_s
        self._longest = longest
        self.boxes = Sightings(SimilarBoxes(overlap))
        self.points = Sightings(SimilarPoints())

    def __len__(self) -> int:
        return len(self.boxes) + len(self.points)

    @property
    def size_bytes(self) -> int:
        """Memory that the observations take."""
        return self.boxes.size_bytes + self.points.size_bytes

    def mark_new(self, metadata: ImageMetadata, now: float) -> NDArray[np.bool_]:
        """Which of an image's boxes, and then points, are new to this camera; from now on they are not. `now` in s."""
        self.forget_before(now - self._memory_s)
        boxes, points = metadata.box_detections, metadata.point_detections
        if not boxes and not points:
            return np.empty(0, dtype=np.bool_)
        new_boxes = self.boxes.mark_new(rows_of_boxes(boxes), [box.category_name for box in boxes], now)
        new_points = self.points.mark_new(rows_of_points(points), [point.category_name for point in points], now)
        self.boxes.trim(self._longest)
        self.points.trim(self._longest)
        return np.concatenate([new_boxes, new_points])

    def forget_before(self, moment: float) -> None:
        """Drop what was seen last before this moment."""
        self.boxes.forget_before(moment)
        self.points.forget_before(moment)


def rows_of_boxes(boxes: list[BoxDetection]) -> Floats:
    """xywh, `(N, 4)`."""
    return np.array([(box.x, box.y, box.width, box.height) for box in boxes], dtype=np.float64).reshape(-1, 4)


def rows_of_points(points: list[PointDetection]) -> Floats:
    """x and y, `(N, 2)`."""
    return np.array([(point.x, point.y) for point in points], dtype=np.float64).reshape(-1, 2)
