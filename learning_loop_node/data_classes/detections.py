"""What a model found in an image. Coordinates are pixels from the top-left corner of the upright image."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(kw_only=True, slots=True)
class BoxDetection:
    """A box; `x` and `y` are its top-left corner. `confidence` is between 0 and 1."""

    category_name: str
    x: int
    y: int
    width: int
    height: int
    model_name: str
    confidence: float
    category_id: str | None = None

    def intersection_over_union(self, other: BoxDetection) -> float:
        """Shared area divided by joint area; 0 if neither box has an area."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        intersection = max(width, 0) * max(height, 0)
        union = self.width * self.height + other.width * other.height - intersection
        return intersection / union if union else 0.0

    def __str__(self) -> str:
        return f"{self.category_name} {self.confidence:.2f} at {self.x},{self.y} size {self.width}×{self.height}"


@dataclass(kw_only=True, slots=True)
class PointDetection:
    """A point."""

    category_name: str
    x: float
    y: float
    model_name: str
    confidence: float
    category_id: str | None = None

    def distance(self, other: PointDetection) -> float:
        """Euclidean distance in pixels."""
        return math.hypot(self.x - other.x, self.y - other.y)

    def __str__(self) -> str:
        return f"{self.category_name} {self.confidence:.2f} at {self.x:.0f},{self.y:.0f}"


@dataclass(kw_only=True, slots=True)
class ClassificationDetection:
    """A statement about the whole image."""

    category_name: str
    model_name: str
    confidence: float
    category_id: str | None = None

    def __str__(self) -> str:
        return f"{self.category_name} {self.confidence:.2f}"


@dataclass(kw_only=True, slots=True)
class Point:
    """A corner of a shape, in whole pixels."""

    x: int
    y: int

    def __str__(self) -> str:
        return f"{self.x},{self.y}"


@dataclass(kw_only=True, slots=True)
class Shape:
    """A polygon; its last point is joined to the first."""

    points: list[Point]

    def __str__(self) -> str:
        """The form on the wire: `x1,y1,x2,y2,…`."""
        return ",".join(map(str, self.points))


@dataclass(kw_only=True, slots=True)
class SegmentationDetection:
    """An outlined area. In replies and in the outbox the shape is the text `x1,y1,x2,y2,…`."""

    category_name: str
    shape: Shape | str
    model_name: str
    confidence: float
    category_id: str | None = None

    def __str__(self) -> str:
        return f"{self.category_name} {self.confidence:.2f}"


@dataclass(kw_only=True, slots=True)
class Detections:
    """Everything that a model found in one image; `len()` is the number of detections."""

    box_detections: list[BoxDetection] = field(default_factory=list)
    point_detections: list[PointDetection] = field(default_factory=list)
    segmentation_detections: list[SegmentationDetection] = field(default_factory=list)
    classification_detections: list[ClassificationDetection] = field(default_factory=list)
    image_id: str | None = None

    def __len__(self) -> int:
        return (
            len(self.box_detections)
            + len(self.point_detections)
            + len(self.segmentation_detections)
            + len(self.classification_detections)
        )
