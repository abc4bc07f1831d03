"""How much boxes, and masks, overlap: intersection over union, between 0 and 1."""

from __future__ import annotations

import numpy as np

from .boxes import Array, Floats, areas, as_boxes


def overlaps(boxes_xyxy_a: Array, boxes_xyxy_b: Array) -> Floats:
    """Intersection over union of every box in a with every box in b.

    Both are `(N, 4)` and `(M, 4)`; the result is `(N, M)`. Boxes without area overlap nothing.

    >>> overlaps(np.array([[0, 0, 2, 2]]), np.array([[1, 1, 3, 3], [5, 5, 6, 6]])).round(2)
    array([[0.14, 0.  ]])
    """
    boxes_a, boxes_b = as_boxes(boxes_xyxy_a), as_boxes(boxes_xyxy_b)
    top_left = np.maximum(boxes_a[:, None, :2], boxes_b[None, :, :2])
    bottom_right = np.minimum(boxes_a[:, None, 2:], boxes_b[None, :, 2:])
    sizes = np.maximum(bottom_right - top_left, 0)
    intersections = sizes[..., 0] * sizes[..., 1]
    return _share(intersections, areas(boxes_a)[:, None] + areas(boxes_b)[None, :] - intersections)


def paired_overlaps_xywh(boxes_xywh_a: Floats, boxes_xywh_b: Floats) -> Floats:
    """Intersection over union of each box in a with the box in the same row of b: `(N, 4)` twice gives `(N,)`.

    Exact for whole pixels; what comes from corner and size is not spoilt by first computing the other corner.

    >>> paired_overlaps_xywh(np.array([[0., 0, 10, 10]]), np.array([[0., 0, 5, 10]]))
    array([0.5])
    """
    ax, ay, aw, ah = boxes_xywh_a.T
    bx, by, bw, bh = boxes_xywh_b.T
    widths = np.maximum(np.minimum(ax + aw, bx + bw) - np.maximum(ax, bx), 0)
    heights = np.maximum(np.minimum(ay + ah, by + bh) - np.maximum(ay, by), 0)
    intersections = widths * heights
    return _share(intersections, aw * ah + bw * bh - intersections)


def mask_overlaps(masks_a: Array, masks_b: Array) -> Floats:
    """Intersection over union of every mask in a with every mask in b: `(N, H, W)` and `(M, H, W)` give `(N, M)`.

    >>> mask_overlaps(np.array([[[1, 1, 0]]]), np.array([[[0, 1, 1]], [[0, 0, 0]]])).round(2)
    array([[0.33, 0.  ]])
    """
    if masks_a.ndim != 3 or masks_b.ndim != 3 or masks_a.shape[1:] != masks_b.shape[1:]:
        raise ValueError(f"masks must be (N, H, W) of equal size, not {masks_a.shape} and {masks_b.shape}")
    pixels_a = (masks_a.reshape(len(masks_a), _pixel_count(masks_a)) != 0).astype(np.float64)
    pixels_b = (masks_b.reshape(len(masks_b), _pixel_count(masks_b)) != 0).astype(np.float64)
    intersections = pixels_a @ pixels_b.T
    return _share(intersections, pixels_a.sum(axis=1)[:, None] + pixels_b.sum(axis=1)[None, :] - intersections)


def _share(intersections: Floats, unions: Floats) -> Floats:
    return np.divide(intersections, unions, out=np.zeros_like(unions), where=unions > 0)


def _pixel_count(masks: Array) -> int:
    return int(masks.shape[1] * masks.shape[2])
