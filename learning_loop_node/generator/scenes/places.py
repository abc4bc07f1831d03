"""Where things stand: floors and walls made of photographs, and photographs as they are.

The photographs ship with scikit-image; nothing is downloaded. Where it is not installed, places are drawn landscapes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .opencv import cv2
from .render import landscape

Pixels = NDArray[np.uint8]

LARGER = 1.5
"""A place is so much larger than a scene, which shows a part of it."""

FLOORS = ("gravel.png", "grass.png", "brick.png")
TONES = ((122, 116, 108), (98, 110, 62), (150, 108, 78), (140, 132, 118), (104, 104, 110), (128, 142, 84))
WALLS = ("brick.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "chelsea.png", "astronaut.png", "ihc.png",
         "camera.png", "grass.png", "motorcycle_right.png", "coins.png", "gravel.png")  # fmt: skip
AS_THEY_ARE = ("motorcycle_left.png", "coffee.png", "camera.png", "gravel.png", "grass.png", "brick.png", "rocket.jpg")
PLACES = 48
LANDSCAPES = 16


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A background; the ground begins at the row `horizon`, 0 where all of it can be stood on."""

    pixels: Pixels
    horizon: float


def ground(rng: np.random.Generator, size: tuple[int, int], *, has_photographs: bool) -> tuple[Pixels, float]:
    """A part of a place as a picture of its own, and the row where the ground begins there."""
    width, height = size
    options = places(width, height, of_photographs=has_photographs)
    place = options[int(rng.integers(len(options)))]
    zoom = rng.uniform(1.0, 1.45)
    part_width, part_height = int(width * zoom), int(height * zoom)
    left = int(rng.integers(0, place.pixels.shape[1] - part_width + 1))
    top = int(rng.integers(0, place.pixels.shape[0] - part_height + 1))
    part = place.pixels[top : top + part_height, left : left + part_width]
    canvas = cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        canvas = cv2.flip(canvas, 1)
    return canvas, max(0.0, (place.horizon - top) / zoom)


@lru_cache(maxsize=4)
def places(width: int, height: int, *, of_photographs: bool) -> tuple[Place, ...]:
    """All places for scenes of this size."""
    size = (round(width * LARGER), round(height * LARGER))
    pictures = photographs() if of_photographs else {}
    if not pictures:
        return tuple(_landscapes(size))
    rng = np.random.default_rng(0)
    built = [_with_floor(rng, pictures, size, number) for number in range(PLACES - len(AS_THEY_ARE))]
    return (*built, *(Place(_part(rng, pictures[name], size), 0.0) for name in AS_THEY_ARE))


@lru_cache(maxsize=1)
def photographs() -> dict[str, Pixels]:
    """The photographs by the name of their file, RGB; none if scikit-image is not installed, or lacks one of them."""
    found = importlib.util.find_spec("skimage")
    return {} if found is None or found.origin is None else photographs_in(Path(found.origin).parent / "data")


def photographs_in(folder: Path) -> dict[str, Pixels]:
    """The same from another folder."""
    names = sorted({*FLOORS, *WALLS, *AS_THEY_ARE})
    if not all((folder / name).is_file() for name in names):
        return {}
    pictures = {}
    for name in names:
        with Image.open(folder / name) as image:
            pictures[name] = np.asarray(image.convert("RGB"))
    return pictures


def _landscapes(size: tuple[int, int]) -> Iterator[Place]:
    for number in range(LANDSCAPES):
        pixels, horizon = landscape(np.random.default_rng([number, 3]), size[::-1])
        yield Place(pixels, horizon * size[1])


def _with_floor(rng: np.random.Generator, pictures: dict[str, Pixels], size: tuple[int, int], number: int) -> Place:
    """A photograph as a wall, or as what is far away, behind a floor that is seen from above and away."""
    width, height = size
    horizon = int(height * rng.uniform(0.2, 0.42))
    wall = _part(rng, pictures[WALLS[number % len(WALLS)]], (width, horizon))
    if rng.random() < 0.6:  # far away, out of focus
        wall = cv2.GaussianBlur(wall, (0, 0), float(rng.uniform(1, 3.5)))
    floor = _floor(rng, pictures[FLOORS[number % len(FLOORS)]], (width, height - horizon))
    near_wall = np.linspace(0, 1, height - horizon)[:, None, None]
    floor = (floor * (0.7 + 0.3 * np.minimum(1, 6 * near_wall)) * (0.92 + 0.12 * near_wall)).clip(0, 255)
    return Place(np.vstack([wall, floor.astype(np.uint8)]), horizon)


def _floor(rng: np.random.Generator, texture: Pixels, size: tuple[int, int]) -> Pixels:
    """A texture as ground, in a colour of its own; repeated in mirrors, so that it has no seams."""
    width, height = size
    tone = np.array(TONES[int(rng.integers(len(TONES)))]) / 128 * rng.uniform(0.85, 1.25)
    contrast = rng.uniform(0.5, 1.0)
    flat = texture[..., :1].astype(np.float32)
    colored = ((flat.mean() + (flat - flat.mean()) * contrast) * tone).clip(0, 255).astype(np.uint8)
    twice = np.vstack([np.hstack([colored, colored[:, ::-1]]), np.hstack([colored[::-1], colored[::-1, ::-1]])])
    twice = np.roll(twice, rng.integers(0, len(twice), size=2), axis=(0, 1))
    twice = cv2.resize(twice, (width, width), interpolation=cv2.INTER_AREA)
    narrow = rng.uniform(0.15, 0.3) * width
    shift = rng.uniform(-0.1, 0.1) * width
    seen = [[narrow + shift, 0], [width - narrow + shift, 0], [width * 1.5, height], [-width * 0.5, height]]
    source = [[0, 0], [width, 0], [width, width], [0, width]]
    warp = cv2.getPerspectiveTransform(np.array(source, np.float32), np.array(seen, np.float32))
    warped: Pixels = cv2.warpPerspective(
        twice, warp, (width, height), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT
    )
    return warped


def _part(rng: np.random.Generator, picture: Pixels, size: tuple[int, int]) -> Pixels:
    """A part of a photograph in the proportions of `size`, scaled to it, maybe in a mirror."""
    width, height = size
    largest = min(picture.shape[1] / width, picture.shape[0] / height)
    zoom = largest * rng.uniform(0.75, 1.0)
    left = int(rng.uniform(0, picture.shape[1] - width * zoom))
    top = int(rng.uniform(0, picture.shape[0] - height * zoom))
    part = picture[top : top + int(height * zoom), left : left + int(width * zoom)]
    scaled: Pixels = cv2.resize(part, size, interpolation=cv2.INTER_AREA if zoom > 1 else cv2.INTER_LINEAR)
    return np.ascontiguousarray(scaled[:, ::-1]) if rng.random() < 0.5 else scaled


def scraps(pictures: Sequence[Pixels], count: int) -> Iterator[tuple[Pixels, Pixels]]:
    """Pieces cut out of pictures: square RGB pictures, and masks (0 to 255) of smooth outlines."""
    side = 96
    for number in range(count):
        rng = np.random.default_rng([number, 4])
        rgb = _part(rng, pictures[number % len(pictures)], (side, side))
        angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        radii = np.ones(40)
        for wave in (2, 3, 5, 7):
            radii += rng.uniform(0.02, 0.35 / wave) * np.sin(wave * angles + rng.uniform(0, 2 * np.pi))
        radii *= 0.47 * side / radii.max()
        outline = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1) + side / 2
        mask = np.zeros((side, side), np.uint8)
        cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=4)
        yield rgb, mask
