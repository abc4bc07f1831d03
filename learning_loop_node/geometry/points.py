"""Points as arrays `(N, 2)` of x and y: distance, clipping."""

from __future__ import annotations

import numpy as np

from .boxes import Array, Floats


def distances(points_a: Array, points_b: Array) -> Floats:
    """Distance of every point in a to every point in b: `(N, 2)` and `(M, 2)` give `(N, M)`.

    >>> distances(np.array([[0, 0]]), np.array([[3, 4], [0, 0]]))
    array([[5., 0.]])
    """
    points_a, points_b = as_points(points_a), as_points(points_b)
    count_a, count_b = len(points_a), len(points_b)
    pairs_a, pairs_b = np.repeat(points_a, count_b, axis=0), np.tile(points_b, (count_a, 1))
    return paired_distances(pairs_a, pairs_b).reshape(count_a, count_b)


def paired_distances(points_a: Floats, points_b: Floats) -> Floats:
    """Distance of each point in a to the point in the same row of b: `(N, 2)` twice gives `(N,)`.

    >>> paired_distances(np.array([[0., 0.]]), np.array([[3., 4.]]))
    array([5.])
    """
    dx, dy = (points_a - points_b).T
    return np.asarray(np.sqrt(dx * dx + dy * dy), dtype=np.float64)


def clip_point(x: float, y: float, img_width: int, img_height: int) -> tuple[float, float]:
    """The nearest point inside the image, its border included.

    >>> clip_point(-3, 500.5, 640, 480)
    (0, 480)
    """
    return min(max(x, 0), img_width), min(max(y, 0), img_height)


def as_points(points: Array) -> Floats:
    """The same points as float64 `(N, 2)`; nothing at all counts as no points.

    >>> as_points(np.array([])).shape
    (0, 2)
    """
    array = np.asarray(points, dtype=np.float64)
    if array.size == 0:
        return np.empty((0, 2))
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"points must be an array of shape (N, 2), not {array.shape}")
    return array
