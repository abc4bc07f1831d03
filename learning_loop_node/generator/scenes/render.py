"""Draws a scene."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from ...enums import CategoryType
from .composition import Scene, Thing

Pixels = NDArray[np.uint8]
Color = tuple[int, int, int]

NO_COLOR = "#808080"
TINT = 0.25
"""How much of a picture's own colour says what the picture is as a whole."""

SHADOW = (6, 8)
GRAIN = 5.0
"""Standard deviation of the noise that a camera adds."""


class Style(StrEnum):
    """`plain`: flat colours, easy to learn. `beautiful`: light, shadow, texture and noise, as in a photograph."""

    Plain = "plain"
    Beautiful = "beautiful"


def render(scene: Scene, style: Style = Style.Beautiful) -> Pixels:
    """The scene as height × width × 3 RGB bytes. Everything lies exactly where the scene says."""
    rng = np.random.default_rng([scene.seed, 1])
    ground = _flat(scene) if style is Style.Plain else landscape(rng, (scene.height, scene.width))[0]
    picture = Image.fromarray(_tinted(ground, scene))
    if style is Style.Beautiful:
        picture = _with_shadows(picture, scene)
    for thing in scene.things:
        _draw(picture, rng, thing, style)
    if style is Style.Plain:
        return np.asarray(picture)
    blurred = np.asarray(picture.filter(ImageFilter.GaussianBlur(0.5)), np.float64)
    grainy: Pixels = (blurred + rng.normal(0, GRAIN, (*ground.shape[:2], 1))).clip(0, 255).astype(np.uint8)
    return grainy


def _flat(scene: Scene) -> Pixels:
    return np.full((scene.height, scene.width, 3), 225, np.uint8)


def landscape(rng: np.random.Generator, size: tuple[int, int]) -> tuple[Pixels, float]:
    """Something like sky above something like ground, both with structures of all sizes.

    `size` is height and width. Also tells where the ground begins, as a share of the height.
    """
    horizon = rng.uniform(0.25, 0.6)
    down = np.linspace(0, 1, size[0])[:, None]
    ridge = horizon + 0.12 * (noise(rng, size, 3)[0][None, :] - 0.5)
    is_sky = np.clip((ridge - down) * 60, 0, 1)[..., None]
    clouds, soil = noise(rng, size, 6)[..., None], noise(rng, size, 8)[..., None]
    light = rng.uniform(0.8, 1.1)
    sky = np.array([150, 185, 225]) * (0.85 + 0.3 * down[..., None]) + 60 * (clouds - 0.5)
    earth = _earth(rng) * (0.55 + 0.9 * soil) * (0.75 + 0.5 * down[..., None])
    scenery: Pixels = (light * (is_sky * sky + (1 - is_sky) * earth)).clip(0, 255).astype(np.uint8)
    return scenery, float(horizon)


def _earth(rng: np.random.Generator) -> NDArray[np.float64]:
    kinds = np.array([[112, 128, 72], [150, 126, 92], [120, 120, 122], [176, 160, 120]], np.float64)
    chosen: NDArray[np.float64] = kinds[rng.integers(len(kinds))]
    return chosen


def noise(rng: np.random.Generator, size: tuple[int, int], octaves: int) -> NDArray[np.float64]:
    """Numbers around 0.5 that vary smoothly, coarsely and finely at once."""
    height, width = size
    total, weight = np.zeros(size), 0.0
    for octave in range(1, octaves + 1):
        coarse = Image.fromarray(rng.random((2**octave, 2**octave)).astype(np.float32))
        fine = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float64)
        total += fine / octave
        weight += 1 / octave
    return total / weight


def _tinted(pixels: Pixels, scene: Scene) -> Pixels:
    if scene.whole is None:
        return pixels
    own = np.array(_color(scene.whole.color))
    return ((1 - TINT) * pixels + TINT * own).astype(np.uint8)


def _with_shadows(picture: Image.Image, scene: Scene) -> Image.Image:
    shadow = Image.new("L", picture.size)
    draw = ImageDraw.Draw(shadow)
    across, down = SHADOW
    for thing in scene.things:
        moved = [(x + across, y + down) for x, y in _silhouette(thing)]
        draw.polygon(moved, fill=120)
    shadow = shadow.filter(ImageFilter.GaussianBlur(5))
    return Image.composite(Image.new("RGB", picture.size), picture, shadow)


def _draw(picture: Image.Image, rng: np.random.Generator, thing: Thing, style: Style) -> None:
    """Put one thing into the picture: its colour in the plain style, otherwise lit from above with some texture."""
    mask = Image.new("L", (thing.width, thing.height))
    ImageDraw.Draw(mask).polygon([(x - thing.x, y - thing.y) for x, y in _silhouette(thing)], fill=255)
    own = np.array(_color(thing.category.color), np.float64)
    surface = np.broadcast_to(own, (thing.height, thing.width, 3))
    if style is Style.Beautiful:
        lit = np.linspace(1.15, 0.75, thing.height)[:, None, None]
        texture = 0.8 + 0.4 * noise(rng, (thing.height, thing.width), 5)[..., None]
        surface = surface * lit * texture * _edges(thing)[..., None]
    picture.paste(Image.fromarray(surface.clip(0, 255).astype(np.uint8)), (thing.x, thing.y), mask)


def _edges(thing: Thing) -> NDArray[np.float64]:
    """Boxes have darker edges, and boards."""
    shade = np.ones((thing.height, thing.width))
    if thing.category.type == CategoryType.Box:
        board = max(4, thing.height // 4)
        shade[::board] *= 0.7
        for edge in (shade[:2], shade[-2:], shade[:, :2], shade[:, -2:]):
            edge *= 0.6
    return shade


def _silhouette(thing: Thing) -> list[tuple[float, float]]:
    if thing.outline:
        return list(thing.outline)
    right, bottom = thing.x + thing.width - 1, thing.y + thing.height - 1
    if thing.category.type != CategoryType.Point:
        return [(thing.x, thing.y), (right, thing.y), (right, bottom), (thing.x, bottom)]
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    middle, radius = ((thing.x + right) / 2, (thing.y + bottom) / 2), (thing.width - 1) / 2
    return [(middle[0] + radius * float(np.cos(a)), middle[1] + radius * float(np.sin(a))) for a in angles]


def _color(text: str | None) -> Color:
    text = text or NO_COLOR
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
