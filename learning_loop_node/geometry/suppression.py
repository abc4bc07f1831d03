"""Non-maximum suppression: of boxes that overlap too much, only the one with the highest score stays."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .boxes import Array, as_boxes
from .overlap import overlaps

Indices: TypeAlias = NDArray[np.intp]


def suppress(boxes_xyxy: Array, scores: Array, *, max_overlap: float) -> Indices:
    """Indices of the boxes that stay, best first; a box goes if it overlaps a better one that stays by more than this.

    `(N, 4)` and `(N,)` give `(K,)`. Of equal scores the earlier box is the better one.

    >>> suppress(np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10]]), np.array([0.5, 0.9, 0.7]), max_overlap=0.5)
    array([1, 2])
    """
    boxes = as_boxes(boxes_xyxy)
    waiting = _best_first(scores, len(boxes))
    kept = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        waiting = waiting[overlaps(boxes[best : best + 1], boxes[waiting])[0] <= max_overlap]
    return np.array(kept, dtype=np.intp)


def suppress_per_class(boxes_xyxy: Array, scores: Array, classes: Array, *, max_overlap: float) -> Indices:
    """As `suppress`, but boxes of different classes may overlap.

    >>> boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]])
    >>> suppress_per_class(boxes, np.array([0.5, 0.9, 0.7]), np.array([1, 1, 2]), max_overlap=0.5)
    array([1, 2])
    """
    boxes, scores, classes = as_boxes(boxes_xyxy), np.asarray(scores), np.asarray(classes)
    if len(classes) != len(boxes):
        raise ValueError(f"there are {len(boxes)} boxes but {len(classes)} classes")
    kept = np.zeros(len(boxes), dtype=np.bool_)
    for number in np.unique(classes):
        members = np.flatnonzero(classes == number)
        kept[members[suppress(boxes[members], scores[members], max_overlap=max_overlap)]] = True
    order = _best_first(scores, len(boxes))
    return order[kept[order]]


def _best_first(scores: Array, count: int) -> Indices:
    scores = np.asarray(scores)
    if scores.shape != (count,):
        raise ValueError(f"there are {count} boxes, but scores have the shape {scores.shape}")
    return np.argsort(-scores, kind="stable")
