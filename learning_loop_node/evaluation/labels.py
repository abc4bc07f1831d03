"""What is in an image, as numbers: the truth, and what a model found. Boxes and points are compared in the same way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data_classes import BoxAnnotation, BoxDetection, Category, PointAnnotation, PointDetection
from ..enums import CategoryType

POINT_SIZE = 10.0
"""Pixels from a point within which it counts as found, where its category says nothing."""

SIDE_PER_POINT_SIZE = 3.0
"""Two squares with this side, in point sizes, overlap by half (IoU) if one point size lies between their centers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """What is there: `boxes_xyxy` `(M, 4)` in pixels and `classes` `(M,)`, places in the list of categories."""

    boxes_xyxy: NDArray[np.float64]
    classes: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """What a model found: as `Truth`, and `scores` `(N,)` from 0 to 1."""

    boxes_xyxy: NDArray[np.float64]
    classes: NDArray[np.intp]
    scores: NDArray[np.float64]


def truth_of(
    boxes: Iterable[BoxAnnotation], points: Iterable[PointAnnotation], categories: Sequence[Category]
) -> Truth:
    """From annotations. A point counts as a square around it (see `SIDE_PER_POINT_SIZE`).

    What belongs to a category that is not in the list is left out.
    """
    rows, classes, _ = _rows(boxes, points, categories)
    return Truth(boxes_xyxy=rows, classes=classes)


def found_of(boxes: Iterable[BoxDetection], points: Iterable[PointDetection], categories: Sequence[Category]) -> Found:
    """From detections, in the same way."""
    rows, classes, scores = _rows(boxes, points, categories)
    return Found(boxes_xyxy=rows, classes=classes, scores=scores)


def squares_for_points(boxes_xyxy: Any, classes: Any, categories: Sequence[Category]) -> NDArray[np.float64]:
    """The boxes `(N, 4)`, with those of point categories replaced by the square around their center."""
    boxes = np.array(boxes_xyxy, np.float64).reshape(-1, 4)
    for number, category in enumerate(categories):
        if category.type == CategoryType.Point:
            members = np.flatnonzero(np.asarray(classes) == number)
            centers = (boxes[members, :2] + boxes[members, 2:]) / 2
            half = _side(category) / 2
            boxes[members] = np.concatenate([centers - half, centers + half], axis=1)
    return boxes


def _rows(
    boxes: Iterable[Any], points: Iterable[Any], categories: Sequence[Category]
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
    numbers = {category.id: number for number, category in enumerate(categories)}
    rows, classes, scores = [], [], []
    for box in boxes:
        if box.category_id in numbers:
            rows.append([box.x, box.y, box.x + box.width, box.y + box.height])
            classes.append(numbers[box.category_id])
            scores.append(getattr(box, "confidence", 1.0))
    for point in points:
        if point.category_id in numbers:
            rows.append([point.x, point.y, point.x, point.y])
            classes.append(numbers[point.category_id])
            scores.append(getattr(point, "confidence", 1.0))
    class_row = np.array(classes, np.intp)
    return squares_for_points(rows, class_row, categories), class_row, np.array(scores, np.float64)


def _side(category: Category) -> float:
    return SIDE_PER_POINT_SIZE * float(category.point_size or POINT_SIZE)
