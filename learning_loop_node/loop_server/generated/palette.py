"""Which colours and keys new categories get when nobody says."""

from __future__ import annotations

import colorsys
from collections.abc import Collection

import numpy as np

from ...geometry.colors import distance_to_nearest, lab_of

OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
"""The palette of Okabe and Ito without black: told apart by people with any kind of colour vision."""

DISTINCT = 25.0
"""Two colours at this distance in CIELAB look different, also as thin lines on a photograph."""

HOTKEYS = "1234567890qwertyuiopasdfghjklzxcvbnm"
"""In this order, as they lie on the keyboard."""


def next_colors(used: Collection[str], count: int) -> list[str]:
    """Colours that are easily told apart from those `used`, and from each other.

    First those of the palette that do not look like one in use; then, of all strong colours, always the one that is
    farthest from its nearest neighbour.

    >>> next_colors([], 2), next_colors(["#e8a000"], 1)
    (['#E69F00', '#56B4E9'], ['#56B4E9'])
    """
    taken = lab_of(list(used))
    result: list[str] = []
    for color in OKABE_ITO:
        lab = lab_of([color])
        if len(result) < count and distance_to_nearest(lab, taken)[0] >= DISTINCT:
            result.append(color)
            taken = np.vstack([taken, lab])
    grid = _grid() if len(result) < count else []
    labs = lab_of(grid)
    nearest = distance_to_nearest(labs, taken)
    while len(result) < count:
        farthest = int(nearest.argmax())
        result.append(grid[farthest])
        nearest = np.minimum(nearest, distance_to_nearest(labs, labs[farthest : farthest + 1]))
    return result


def next_hotkeys(used: Collection[str], count: int) -> list[str | None]:
    """The first keys that are free; None where there are no more.

    >>> next_hotkeys(["1", "3"], 2), next_hotkeys(HOTKEYS, 1)
    (['2', '4'], [None])
    """
    free = [key for key in HOTKEYS if key not in used][:count]
    return [*free, *[None] * (count - len(free))]


def _grid() -> list[str]:
    """Colours of all hues, strong and medium, light and dark, but nothing grey: it vanishes in photographs."""
    rgb = [
        colorsys.hls_to_rgb(hue / 36, lightness, saturation)
        for hue in range(36)
        for lightness in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
        for saturation in (1.0, 0.6)
    ]
    return [f"#{round(red * 255):02X}{round(green * 255):02X}{round(blue * 255):02X}" for red, green, blue in rgb]
