"""Decides what is in a scene, and where."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...data_classes import Category
from ...enums import CategoryType

MARGIN = 3
"""Pixels between a thing and the edge of its cell, so that no two things touch."""

DOT_RADIUS = 7
CORNERS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """Something in a scene, in pixels. `outline` is empty for boxes; a point is the centre of its bounds."""

    category: Category
    x: int
    y: int
    width: int
    height: int
    outline: tuple[tuple[float, float], ...] = ()

    @property
    def center(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is in a picture: things that do not overlap, and what the picture is as a whole."""

    seed: int
    width: int
    height: int
    things: tuple[Thing, ...]
    whole: Category | None = None

    def of(self, kind: CategoryType) -> tuple[Thing, ...]:
        """The things that are marked in this way."""
        return tuple(thing for thing in self.things if thing.category.type == kind)


def compose(
    categories: Sequence[Category], *, seed: int, whole: Category | None = None, width: int = 640, height: int = 480
) -> Scene:
    """A scene with one thing for each entry of `categories`; an entry may be there several times.

    Things have cells of a grid to themselves: however many there are, they get smaller rather than overlap.
    """
    rng = np.random.default_rng(seed)
    columns = max(1, math.ceil(math.sqrt(len(categories) * width / height)))
    rows = max(1, math.ceil(len(categories) / columns))
    cells = rng.permutation(columns * rows)[: len(categories)]
    things = []
    for category, cell in zip(categories, cells.tolist(), strict=True):
        left, top = width * (cell % columns) // columns, height * (cell // columns) // rows
        right, bottom = width * (cell % columns + 1) // columns, height * (cell // columns + 1) // rows
        things.append(_placed(rng, category, (left + MARGIN, top + MARGIN, right - MARGIN, bottom - MARGIN)))
    return Scene(seed=seed, width=width, height=height, things=tuple(things), whole=whole)


def _placed(rng: np.random.Generator, category: Category, cell: tuple[int, int, int, int]) -> Thing:
    left, top, right, bottom = cell
    room = (max(1, right - left), max(1, bottom - top))
    if category.type == CategoryType.Point:
        width = height = min(2 * DOT_RADIUS + 1, *room)
    else:
        width, height = (max(1, min(int(side * rng.uniform(0.35, 0.9)), 240)) for side in room)
    x = int(rng.integers(left, max(left, right - width) + 1))
    y = int(rng.integers(top, max(top, bottom - height) + 1))
    outline = _outline(rng, x, y, width, height) if category.type == CategoryType.Segmentation else ()
    return Thing(category=category, x=x, y=y, width=width, height=height, outline=outline)


def _outline(rng: np.random.Generator, x: int, y: int, width: int, height: int) -> tuple[tuple[float, float], ...]:
    """A smooth closed line that touches all four sides of its bounds."""
    angles = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    radii = np.ones(CORNERS)
    for wave in (2, 3, 5):
        radii += rng.uniform(0.05, 0.3 / wave) * np.sin(wave * angles + rng.uniform(0, 2 * np.pi))
    points = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    low, high = points.min(axis=0), points.max(axis=0)
    placed = (points - low) / (high - low) * [width - 1, height - 1] + [x, y]
    return tuple((round(float(across), 1), round(float(down), 1)) for across, down in placed)
