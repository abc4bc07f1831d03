"""Polygons as arrays `(N, 2)` of x and y, closed by themselves: area, to and from masks, fewer corners.

Coordinates are those of pixel corners: the pixel in the first row and column fills the square from (0, 0) to (1, 1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .boxes import Array, Floats
from .points import as_points


def signed_area(polygon: Array) -> float:
    """Area in pixels, negative if the corners run counter-clockwise as seen on the screen; 0 below three corners.

    >>> signed_area(np.array([[0, 0], [4, 0], [4, 3], [0, 3]]))
    12.0
    """
    x, y = as_points(polygon).T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def to_mask(polygon: Array, height: int, width: int) -> NDArray[np.bool_]:
    """Which pixels have their centre inside, `(height, width)`; where the polygon crosses itself, every other part.

    A centre on the border is inside if the polygon continues to the right of it or below.

    >>> to_mask(np.array([[1, 0], [3, 0], [3, 1], [1, 1]]), height=2, width=4).astype(int)
    array([[0, 1, 1, 0],
           [0, 0, 0, 0]])
    """
    return np.asarray(to_masks([polygon], height, width)[0], dtype=np.bool_)


def to_masks(polygons: Sequence[Array], height: int, width: int) -> NDArray[np.bool_]:
    """The same for many polygons at once, which is much faster for small ones: N of them give `(N, height, width)`.

    >>> to_masks([np.array([[0, 0], [1, 0], [1, 1], [0, 1]]), np.empty((0, 2))], height=1, width=2).astype(int)
    array([[[1, 0]],
    <BLANKLINE>
           [[0, 0]]])
    """
    corners, others, owners = _edges([as_points(one) for one in polygons])
    tops, bottoms = np.minimum(corners[:, 1], others[:, 1]), np.maximum(corners[:, 1], others[:, 1])
    firsts, ends = _first_rows_below(tops, height), _first_rows_below(bottoms, height)
    begins = np.zeros(len(polygons) * height * (width + 1), dtype=np.bool_)  # of what is inside, or no longer is
    for edges in _portions(ends - firsts):
        counts = (ends - firsts)[edges]
        edge = np.repeat(edges, counts)
        rows = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + firsts[edge]
        (x1, y1), (x2, y2) = corners[edge].T, others[edge].T
        crossings = x1 + (rows + 0.5 - y1) * (x2 - x1) / (y2 - y1)
        columns = np.clip(np.ceil(crossings - 0.5), 0, width).astype(np.intp)
        places, times = np.unique((owners[edge] * height + rows) * (width + 1) + columns, return_counts=True)
        begins[places[times % 2 == 1]] ^= True
    spans = begins.reshape(len(polygons), height, width + 1)[:, :, :width]
    return np.asarray(np.logical_xor.accumulate(spans, axis=2))


def _edges(polygons: Sequence[Floats]) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Both ends of each edge of all polygons, `(E, 2)` each, and the number of the polygon that it is of, `(E,)`."""
    counts = np.array([len(one) for one in polygons], dtype=np.intp)
    corners = np.concatenate([np.empty((0, 2)), *polygons])
    following = np.arange(1, len(corners) + 1)
    lasts = np.cumsum(counts)[counts > 0] - 1
    following[lasts] -= counts[counts > 0]
    return corners, corners[following], np.repeat(np.arange(len(polygons)), counts)


MOST_CROSSINGS = 1_000_000
"""So many edges are drawn at a time that they cross so many rows."""


def _portions(crossing_counts: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """The edges that cross rows, some at a time."""
    crossing = np.flatnonzero(crossing_counts)
    portion = np.cumsum(crossing_counts[crossing]) // MOST_CROSSINGS
    yield from (crossing[portion == number] for number in np.unique(portion))


def _first_rows_below(y: Floats, height: int) -> NDArray[np.intp]:
    """The first row whose centre is not above each y, at most `height`."""
    return np.clip(np.ceil(y - 0.5), 0, height).astype(np.intp)


def outlines(mask: Array) -> list[Floats]:
    """Polygons around the parts of a mask `(H, W)`, clockwise, and around the holes in them, counter-clockwise.

    Parts that touch only at a corner are apart. Filling the polygons one over the other gives the mask again.

    >>> outlines(np.array([[0, 1, 1], [0, 0, 0]]))
    [array([[1., 0.],
           [3., 0.],
           [3., 1.],
           [1., 1.]])]
    """
    ways = _border(np.asarray(mask) != 0)
    polygons = []
    while ways:
        start = min(ways, key=lambda place: (place[1], place[0]))
        corners, place, step = [], start, (0, 0)
        while place in ways:
            previous, step = step, _next_step(ways, place, step)
            if step != previous:
                corners.append(place)
            place = place[0] + step[0], place[1] + step[1]
        polygons.append(np.array(corners, dtype=np.float64))
    return polygons


_Place = tuple[int, int]


def _border(mask: NDArray[np.bool_]) -> dict[_Place, list[_Place]]:
    """From each corner of a pixel the steps along the border that have the mask on their right."""
    padded = np.pad(mask, 1).astype(np.int8)
    downwards, rightwards = np.diff(padded, axis=0)[:, 1:-1], np.diff(padded, axis=1)[1:-1]
    ways: dict[_Place, list[_Place]] = {}
    for edges, offset, step in (
        (downwards == 1, (0, 0), (1, 0)),
        (rightwards == -1, (0, 0), (0, 1)),
        (downwards == -1, (1, 0), (-1, 0)),
        (rightwards == 1, (0, 1), (0, -1)),
    ):
        for y, x in np.argwhere(edges).tolist():
            ways.setdefault((x + offset[0], y + offset[1]), []).append(step)
    return ways


def _next_step(ways: dict[_Place, list[_Place]], place: _Place, step: _Place) -> _Place:
    """Take the way on; where two lead on, the one to the right, which stays with the same part."""
    steps = ways[place]
    right = (-step[1], step[0])
    chosen = right if right in steps else steps[0]
    steps.remove(chosen)
    if not steps:
        del ways[place]
    return chosen


def simplify(polygon: Array, *, tolerance: float) -> Floats:
    """The same polygon with fewer corners, none of those left out farther than `tolerance` pixels from it.

    Polygons of up to three corners stay as they are.

    >>> simplify(np.array([[0, 0], [2, 0.1], [4, 0], [4, 4], [0, 4]]), tolerance=0.5)
    array([[0., 0.],
           [4., 0.],
           [4., 4.],
           [0., 4.]])
    """
    corners = as_points(polygon)
    count = len(corners)
    if count <= 3:
        return corners
    closed = np.vstack([corners, corners[:1]])
    farthest = int(np.argmax(((corners - corners[0]) ** 2).sum(axis=1)))
    kept = {0, farthest}
    stretches = [(0, farthest), (farthest, count)]
    while stretches:
        start, end = stretches.pop()
        if end - start < 2:
            continue
        apart = _distances_to_line(closed[start + 1 : end], closed[start], closed[end])
        middle = start + 1 + int(np.argmax(apart))
        if apart[middle - start - 1] > tolerance:
            kept.add(middle)
            stretches += [(start, middle), (middle, end)]
    return corners[sorted(kept)]


def _distances_to_line(points: Floats, start: Floats, end: Floats) -> Floats:
    """Distance of each point to the straight stretch from start to end."""
    along = end - start
    length = float(along @ along)
    shares = np.clip((points - start) @ along / length, 0, 1) if length else np.zeros(len(points))
    return np.asarray(np.linalg.norm(points - (start + shares[:, None] * along), axis=1))
