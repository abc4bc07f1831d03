"""Decides who is in a labelled scene, and where everybody stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .looks import RESEMBLING
from .places import photographs, places, scraps
from .recipe import SceneRecipe
from .sprites import Sprite, sprite_from, sprites_of

SCRAPS = 24


@dataclass(slots=True)
class Prop:
    """A sprite and where it goes: the middle of its lower edge, its height, and how it is turned and tilted."""

    name: str
    sprite: Sprite
    across: float
    base: float
    height: float
    angle: float
    keystone: float
    shear: float
    is_mirrored: bool
    gain: float = 1.0

    @property
    def width(self) -> float:
        left, top, right, bottom = self.sprite.bounds
        return self.height * (right - left) / (bottom - top)


def staged(rng: np.random.Generator, recipe: SceneRecipe, horizon: float) -> list[Prop]:
    """Everybody at their place, the farthest first; the ground begins at the row `horizon`."""
    props = [_stood(rng, recipe, horizon, name) for name in cast(rng, recipe)]
    _arrange(rng, recipe, props)
    return sorted(props, key=lambda prop: prop.base)


def cast(rng: np.random.Generator, recipe: SceneRecipe) -> list[str]:
    """Who is in the scene, by name."""
    low, high = recipe.thing_range
    count = int(rng.integers(low, high + 1))
    names = [category.name for category in recipe.categories]
    weights = np.array(recipe.weights)
    chosen = rng.choice(len(names), size=count, p=weights / weights.sum()) if count else ()
    low, high = recipe.resembling_range
    others = list(RESEMBLING)
    resembling = rng.integers(0, len(others), size=int(rng.integers(low, high + 1)))
    return [names[index] for index in chosen] + [others[index] for index in resembling]


def _stood(rng: np.random.Generator, recipe: SceneRecipe, horizon: float, name: str) -> Prop:
    """A thing that stands somewhere on the ground; what is small rather stands far away."""
    width, height = recipe.size
    hard = recipe.difficulty
    sprites = sprites_of(name)
    short = min(width, height)
    small, large = math.log(0.26 - 0.17 * hard), math.log(0.50)
    nearness = float(rng.random())
    size = short * math.exp(small + (large - small) * nearness)
    highest = min(max(horizon + 0.35 * size, size * 0.9), height - 2.0)
    lowest = height * (1 + 0.06 * hard)
    depth = min(1.0, max(0.0, 0.75 * nearness + 0.25 * float(rng.random())))
    tilt = rng.uniform(-1, 1, 3)
    return Prop(
        name=name,
        sprite=sprites[int(rng.integers(0, max(1, round(len(sprites) * (0.4 + 0.6 * hard)))))],
        across=float(rng.random()),
        base=highest + (lowest - highest) * depth,
        height=size,
        angle=float(tilt[0]) * math.radians(3 + 22 * hard),
        keystone=float(tilt[1]) * (0.03 + 0.17 * hard),
        shear=float(tilt[2]) * (0.03 + 0.15 * hard),
        is_mirrored=bool(rng.random() < 0.5),
        gain=math.exp(float(rng.normal(0, 0.05 + 0.1 * hard))),
    )


def _arrange(rng: np.random.Generator, recipe: SceneRecipe, props: Sequence[Prop]) -> None:
    """Give each a place from left to right: where it covers little or, the harder the scene, wherever."""
    width = recipe.size[0]
    taken: list[tuple[float, float, float, float]] = []
    for prop in props:
        choices = rng.random(8).tolist() if rng.random() >= 0.75 * recipe.difficulty else [prop.across]
        reach = prop.width * (0.5 - 0.3 * recipe.difficulty)
        room = max(0.0, width - 2 * reach)
        best: tuple[float, tuple[float, float, float, float]] | None = None
        for choice in choices:
            across = reach + choice * room
            box = (across - prop.width / 2, prop.base - prop.height, across + prop.width / 2, prop.base)
            covered = sum(_shared(box, other) for other in taken)
            if best is None or covered < best[0]:
                best, prop.across = (covered, box), across
            if not covered:
                break
        if best is not None:
            taken.append(best[1])


def in_front(rng: np.random.Generator, recipe: SceneRecipe, props: Sequence[Prop]) -> list[Prop]:
    """Scraps of photographs that hide a part of things."""
    chance = 0.35 * max(0.0, recipe.difficulty - 0.1)
    pieces = _scraps(recipe.has_photographs)
    result = []
    for prop in props:
        if rng.random() >= chance:
            continue
        size = prop.height * rng.uniform(0.35, 0.7)
        result.append(
            Prop(
                name="",
                sprite=pieces[int(rng.integers(len(pieces)))],
                across=prop.across + prop.width * rng.uniform(-0.5, 0.5),
                base=prop.base - prop.height * rng.uniform(0, 1) + size / 2,
                height=size,
                angle=rng.uniform(-math.pi, math.pi),
                keystone=rng.uniform(-0.2, 0.2),
                shear=0.0,
                is_mirrored=False,
            )
        )
    return result


@lru_cache(maxsize=2)
def _scraps(of_photographs: bool) -> tuple[Sprite, ...]:
    pictures = photographs() if of_photographs else {}
    sources = [pictures[name] for name in sorted(pictures)]
    sources = sources or [place.pixels for place in places(320, 240, of_photographs=False)]
    return tuple(sprite_from(rgb, mask) for rgb, mask in scraps(sources, SCRAPS))


def _shared(box: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """The area that two boxes have in common."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    return max(0.0, width) * max(0.0, height)
