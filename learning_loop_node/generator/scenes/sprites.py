"""Pictures of single things, drawn once and then used in many scenes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .looks import LOOKS, RESEMBLING, Look
from .opencv import cv2
from .solids import View

Pixels = NDArray[np.uint8]

SIDE = 184
REACH = 1.25
LEVELS = 4
"""Each half as large as the one before."""

EXAMPLES, RESEMBLING_EXAMPLES = 40, 24
SHADOW = 0.55


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """A sprite in one size.

    `rgb` is `(H, W, 3)`, 0 where the ground is seen. `cover` is `(H, W, 2)`: how much of the ground is seen, from 0
    (the thing) over the shadow to 255, and how much of the pixel is the thing, to 255.
    """

    rgb: Pixels
    cover: Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """A thing with its shadow. `bounds` (left, top, right, bottom) are those of the thing, in pixels of level 0."""

    levels: Sequence[Level]
    bounds: tuple[float, float, float, float]
    middle: tuple[float, float]

    def level_for(self, scale: float) -> int:
        """The smallest level that has enough pixels when level 0 is drawn `scale` times as large."""
        level = 0
        while level + 1 < len(self.levels) and scale * 2 ** (level + 1) <= 1.0:
            level += 1
        return level


@lru_cache(maxsize=len(LOOKS) + len(RESEMBLING))
def sprites_of(name: str) -> tuple[Sprite, ...]:
    """Examples of a look, seen from the side at first, then from higher and higher above."""
    number = [*LOOKS, *RESEMBLING].index(name)
    look = {**LOOKS, **RESEMBLING}[name]
    pitches = np.linspace(0.12, 0.85, EXAMPLES if name in LOOKS else RESEMBLING_EXAMPLES)
    return tuple(
        _sprite(np.random.default_rng([number, example]), look, float(pitch)) for example, pitch in enumerate(pitches)
    )


def sprite_from(rgb: Pixels, thing: Pixels) -> Sprite:
    """A sprite without a shadow from a picture, and how much of each pixel is the thing (0 to 255)."""
    lit = (rgb.astype(np.uint16) * thing[..., None] // 255).astype(np.uint8)
    left, top, right, bottom = _bounds(thing >= 128)
    return Sprite(
        _levels(lit, np.dstack([255 - thing, thing])),
        (left, top, right, bottom),
        ((left + right) / 2, (top + bottom) / 2),
    )


def _sprite(rng: np.random.Generator, look: Look, pitch: float) -> Sprite:
    side_light = float(rng.uniform(-0.9, 0.9))
    view = View(SIDE, reach=REACH, pitch=pitch, light=(side_light, 0.8, 0.6))
    stand = look(rng, view)
    is_hit = view.is_hit
    x, y = view.pixel_of((-0.18 * side_light, 0.0, stand.ground))
    radius = stand.radius * 1.3 * SIDE / (2 * REACH)
    away = ((np.arange(SIDE) + 0.5 - x) / radius) ** 2 + (
        (np.arange(SIDE)[:, None] + 0.5 - y) / (radius * max(0.25, np.sin(pitch)))
    ) ** 2
    seen = np.where(is_hit, 0, 255 * (1 - SHADOW * np.exp(-(away**1.5)))).round().astype(np.uint8)
    rgb = (view.pixels.clip(0, 1) * 255).astype(np.uint8)
    cover = np.dstack([seen, is_hit.astype(np.uint8) * 255])
    left, top, right, bottom = (int(side) for side in _bounds(seen < 252))
    part = (slice(max(0, top - 2), bottom + 2), slice(max(0, left - 2), right + 2))
    mid_x, mid_y = view.pixel_of(stand.middle)
    return Sprite(
        _levels(rgb[part], cover[part]),
        _bounds(is_hit[part]),
        (mid_x - part[1].start, mid_y - part[0].start),
    )


def _levels(rgb: Pixels, cover: Pixels) -> tuple[Level, ...]:
    """The picture, and smaller ones. Its sides are made such that all levels have whole pixels."""
    height, width = cover.shape[:2]
    most = 2 ** (LEVELS - 1)
    more = ((0, -height % most), (0, -width % most))
    rgb = np.pad(rgb, (*more, (0, 0)))
    cover = np.dstack([np.pad(cover[..., 0], more, constant_values=255), np.pad(cover[..., 1], more)])
    levels = [Level(rgb, cover)]
    for _ in range(LEVELS - 1):
        size = (levels[-1].cover.shape[1] // 2, levels[-1].cover.shape[0] // 2)
        halved = (cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (levels[-1].rgb, levels[-1].cover))
        levels.append(Level(*halved))
    return tuple(levels)


def _bounds(is_thing: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(is_thing.any(axis=1)), np.flatnonzero(is_thing.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
