"""Boxes as arrays: converting between xywh and xyxy, area, clipping.

xywh is top-left corner, width and height; xyxy is top-left and bottom-right corner. Rows are boxes: `(N, 4)`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Floats: TypeAlias = NDArray[np.float64]


def to_xyxy(boxes_xywh: Array) -> Floats:
    """Corners of boxes given by corner and size.

    >>> to_xyxy(np.array([[1, 2, 10, 20]]))
    array([[ 1.,  2., 11., 22.]])
    """
    boxes = as_boxes(boxes_xywh)
    return np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])


def to_xywh(boxes_xyxy: Array) -> Floats:
    """Corner and size of boxes given by two corners.

    >>> to_xywh(np.array([[1, 2, 11, 22]]))
    array([[ 1.,  2., 10., 20.]])
    """
    boxes = as_boxes(boxes_xyxy)
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])


def areas(boxes_xyxy: Array) -> Floats:
    """Area of each box, `(N,)`; a box whose corners are swapped has none.

    >>> areas(np.array([[0, 0, 2, 3], [5, 5, 4, 9]]))
    array([6., 0.])
    """
    boxes = as_boxes(boxes_xyxy)
    sizes = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(sizes[:, 0] * sizes[:, 1], dtype=np.float64)


def clip_boxes(boxes_xyxy: Array, width: float, height: float) -> Floats:
    """The part of each box inside `[0, width] × [0, height]`; a box outside shrinks to a line or point on the border.

    >>> clip_boxes(np.array([[-5, 2, 50, 8]]), width=20, height=10)
    array([[ 0.,  2., 20.,  8.]])
    """
    limits = np.array([width, height, width, height], dtype=np.float64)
    return np.clip(as_boxes(boxes_xyxy), 0, limits)


def clip_box(
    *, x1: float, y1: float, width: float, height: float, img_width: int, img_height: int
) -> tuple[int, int, int, int]:
    """Top-left corner and size in whole pixels of one box's part inside the image.

    Both corners are clipped, then rounded, so that neighbouring boxes stay neighbours. A box beyond the right or lower
    border keeps its corner and has no size.

    >>> clip_box(x1=-3.2, y1=10.4, width=20, height=5.2, img_width=640, img_height=480)
    (0, 10, 17, 6)
    """
    left, top = round(max(x1, 0)), round(max(y1, 0))
    right, bottom = round(min(x1 + width, img_width)), round(min(y1 + height, img_height))
    return left, top, max(right - left, 0), max(bottom - top, 0)


def as_boxes(boxes: Array) -> Floats:
    """The same boxes as float64 `(N, 4)`; nothing at all counts as no boxes.

    >>> as_boxes(np.array([])).shape
    (0, 4)
    """
    array = np.asarray(boxes, dtype=np.float64)
    if array.size == 0:
        return np.empty((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes must be an array of shape (N, 4), not {array.shape}")
    return array
