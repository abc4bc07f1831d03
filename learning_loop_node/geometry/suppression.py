"""Non-maximum suppression: of boxes that overlap too much, only the one with the highest score stays."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .boxes import Array, as_boxes

Indices: TypeAlias = NDArray[np.intp]

BLOCK = 48
"""So many boxes are compared with all others at once; more would be compared in vain, fewer cost more rounds."""


def suppress(
    boxes_xyxy: Array,
    scores: Array,
    *,
    max_overlap: float,
    max_candidates: int | None = None,
    max_kept: int | None = None,
) -> Indices:
    """Indices of the boxes that stay, best first; a box goes if it overlaps a better one that stays by more than this.

    `(N, 4)` and `(N,)` give `(K,)`. Of equal scores the earlier box is the better one. Only the best `max_candidates`
    are looked at, and the search ends when `max_kept` have been found.

    >>> suppress(np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10]]), np.array([0.5, 0.9, 0.7]), max_overlap=0.5)
    array([1, 2])
    """
    boxes = as_boxes(boxes_xyxy)
    order = _best_first(scores, len(boxes))[:max_candidates]
    return _suppress(boxes[order], order, None, max_overlap, max_kept)


def suppress_per_class(
    boxes_xyxy: Array,
    scores: Array,
    classes: Array,
    *,
    max_overlap: float,
    max_candidates: int | None = None,
    max_kept: int | None = None,
) -> Indices:
    """As `suppress`, but boxes of different classes may overlap. The limits are for all classes together.

    >>> boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]])
    >>> suppress_per_class(boxes, np.array([0.5, 0.9, 0.7]), np.array([1, 1, 2]), max_overlap=0.5)
    array([1, 2])
    """
    boxes, classes = as_boxes(boxes_xyxy), np.asarray(classes)
    if len(classes) != len(boxes):
        raise ValueError(f"there are {len(boxes)} boxes but {len(classes)} classes")
    order = _best_first(scores, len(boxes))[:max_candidates]
    return _suppress(boxes[order], order, classes[order], max_overlap, max_kept)


def _suppress(boxes: Array, order: Indices, classes: Array | None, max_overlap: float, max_kept: int | None) -> Indices:
    """What stays of boxes that are sorted, as the indices that `order` has for them.

    So many of the best boxes as fit into a block are compared with all that wait, at once; which of them stay is then
    found one after the other. What they take away does not wait any more.
    """
    lefts, tops, rights, bottoms = np.ascontiguousarray(boxes.T)
    sizes = np.maximum(rights - lefts, 0) * np.maximum(bottoms - tops, 0)
    kept: list[Indices] = []
    room = len(order) if max_kept is None else max_kept
    while len(order) and room > 0:
        best = slice(0, BLOCK)
        widths = np.minimum(rights[best, None], rights) - np.maximum(lefts[best, None], lefts)
        heights = np.minimum(bottoms[best, None], bottoms) - np.maximum(tops[best, None], tops)
        shared = np.maximum(widths, 0) * np.maximum(heights, 0)
        # Compared as a quotient, so that what overlaps by just the limit stays.
        joint = sizes[best, None] + sizes - shared
        takes = np.divide(shared, joint, out=np.zeros_like(shared), where=joint > 0) > max_overlap
        if classes is not None:
            takes &= classes[best, None] == classes
        stay = _in_turn(takes[:, best])[:room]
        kept.append(order[stay])
        room -= len(stay)
        waits = ~takes[stay].any(axis=0)
        waits[best] = False
        lefts, tops, rights, bottoms = lefts[waits], tops[waits], rights[waits], bottoms[waits]
        sizes, order = sizes[waits], order[waits]
        classes = None if classes is None else classes[waits]
    return np.concatenate(kept) if kept else np.empty(0, dtype=np.intp)


def _in_turn(takes: NDArray[np.bool_]) -> list[int]:
    """Which stay, if each that stays takes away those behind it: `(N, N)`, row by row."""
    masks = [int.from_bytes(row.tobytes(), "little") for row in np.packbits(takes, axis=1, bitorder="little")]
    gone = 0
    stay = []
    for index, mask in enumerate(masks):
        if not gone >> index & 1:
            stay.append(index)
            gone |= mask
    return stay


def _best_first(scores: Array, count: int) -> Indices:
    scores = np.asarray(scores)
    if scores.shape != (count,):
        raise ValueError(f"there are {count} boxes, but scores have the shape {scores.shape}")
    return np.argsort(-scores, kind="stable")
