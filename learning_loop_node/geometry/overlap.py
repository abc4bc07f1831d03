"""How much boxes, masks and polygons overlap: intersection over union, between 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .boxes import Array, Floats, areas, as_boxes
from .points import as_points
from .polygons import to_masks

PAIRS = 32
"""So many pairs of polygons are drawn at a time."""


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


def polygon_overlaps(polygons_a: Sequence[Array], polygons_b: Sequence[Array], *, resolution: int = 128) -> Floats:
    """Intersection over union of every polygon in a with every polygon in b: N and M of them give `(N, M)`.

    Each pair is drawn so that both together are `resolution` pixels wide or high, whatever their size: what it costs is
    bounded, and the result is within about 1 / `resolution` of the true one.

    >>> square = np.array([[0, 0], [6, 0], [6, 6], [0, 6]])
    >>> polygon_overlaps([square], [square + [2, 0], square + 9])
    array([[0.5, 0. ]])
    """
    corners_a, corners_b = [as_points(one) for one in polygons_a], [as_points(one) for one in polygons_b]
    bounds_a, bounds_b = _bounds(corners_a), _bounds(corners_b)
    touching = np.argwhere(overlaps(bounds_a, bounds_b) > 0)
    result = np.zeros((len(corners_a), len(corners_b)))
    for start in range(0, len(touching), PAIRS):
        a, b = touching[start : start + PAIRS].T
        origins = np.minimum(bounds_a[a, :2], bounds_b[b, :2])
        scales = resolution / (np.maximum(bounds_a[a, 2:], bounds_b[b, 2:]) - origins).max(axis=1)
        masks_a, masks_b = (
            to_masks(
                [(corners[one] - origin) * scale for one, origin, scale in zip(chosen, origins, scales, strict=True)],
                resolution,
                resolution,
            )
            for corners, chosen in ((corners_a, a), (corners_b, b))
        )
        intersections, unions = (
            np.count_nonzero(masks, axis=(1, 2)).astype(np.float64) for masks in (masks_a & masks_b, masks_a | masks_b)
        )
        result[a, b] = _share(intersections, unions)
    return result


def _bounds(polygons: Sequence[Floats]) -> Floats:
    """The box around each polygon, xyxy; one without corners has no area."""
    return as_boxes(np.array([[*one.min(axis=0), *one.max(axis=0)] if len(one) else np.zeros(4) for one in polygons]))


def _share(intersections: Floats, unions: Floats) -> Floats:
    return np.divide(intersections, unions, out=np.zeros_like(unions), where=unions > 0)


def _pixel_count(masks: Array) -> int:
    return int(masks.shape[1] * masks.shape[2])
