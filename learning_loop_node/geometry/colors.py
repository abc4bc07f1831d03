"""How different colours look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def lab_of(colors: Sequence[str]) -> Array:
    """Colours `#RRGGBB` in CIELAB (D65), `(N, 3)`: lightness from 0 to 100, green–red, blue–yellow.

    >>> lab_of(["#FFFFFF", "#FF0000"]).round() + 0.0
    array([[100.,   0.,   0.],
           [ 53.,  80.,  67.]])
    """
    rgb = np.array([[int(color[start : start + 2], 16) for start in (1, 3, 5)] for color in colors]).reshape(-1, 3)
    values = rgb / 255
    linear = np.where(values > 0.04045, ((values + 0.055) / 1.055) ** 2.4, values / 12.92)
    xyz = linear @ _TO_XYZ.T / _WHITE
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * root[:, 1] - 16, 500 * (root[:, 0] - root[:, 1]), 200 * (root[:, 1] - root[:, 2])], axis=1)


def distance_to_nearest(lab_a: Array, lab_b: Array) -> Array:
    """How far each colour of a, `(N, 3)`, looks from the nearest of b, `(M, 3)` (CIE76); infinite if b is empty.

    Below 3, hardly anybody sees a difference.

    >>> distance_to_nearest(lab_of(["#000000", "#FEFEFE"]), lab_of(["#FFFFFF"])).round(1)
    array([100. ,   0.3])
    """
    if not len(lab_b):
        return np.full(len(lab_a), np.inf)
    nearest: Array = np.linalg.norm(lab_a[:, None] - lab_b[None, :], axis=2).min(axis=1)
    return nearest
