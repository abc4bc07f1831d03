"""What things look like that a robot meets, and what only resembles them.

Each look draws one example, of its own colours and proportions, turned somehow; the examples of a look have its shape
in common, and colours with other looks.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .solids import Array, View, towards, turned

Rng = np.random.Generator
Color = Array

WOODS = np.array([[0.72, 0.54, 0.34], [0.60, 0.43, 0.27], [0.82, 0.68, 0.47], [0.50, 0.38, 0.28]])
PAINTS = np.array(
    [
        [0.90, 0.40, 0.10], [0.80, 0.15, 0.13], [0.14, 0.32, 0.62], [0.12, 0.45, 0.30],
        [0.90, 0.72, 0.12], [0.55, 0.57, 0.60], [0.88, 0.88, 0.85], [0.18, 0.19, 0.21],
    ]
)  # fmt: skip
DARK = np.array([0.10, 0.10, 0.11])
WHITE = np.array([0.93, 0.93, 0.90])
STEEL = np.array([0.62, 0.64, 0.67])


@dataclass(frozen=True, slots=True)
class Stand:
    """How an example stands: the height of the ground, the radius of what is on it, and where its middle is."""

    ground: float
    radius: float
    middle: tuple[float, float, float] = (0.0, 0.0, 0.0)


Look = Callable[[Rng, View], Stand]
"""Draws one example into a view, within 1.2 of the origin."""


def crate(rng: Rng, view: View) -> Stand:
    """Boards with gaps, framed: of wood, or of plastic with holes."""
    width, depth, height = rng.uniform(0.85, 1.25), rng.uniform(0.7, 1.0), rng.uniform(0.5, 0.95)
    is_wood = rng.random() < 0.6
    color = _some(rng, WOODS if is_wood else PAINTS)
    board_count, grain = int(rng.integers(3, 6)), rng.uniform(0, 9)
    frame = rng.uniform(0.09, 0.14)

    def paint(face: int, u: Array, v: Array) -> Array:
        row = v * board_count
        shade = 0.86 + 0.14 * np.sin(np.floor(row) * 2.7 + grain) + 0.04 * np.sin(40 * u + 5 * np.floor(row) + grain)
        gap = np.abs(row - np.round(row)) < (0.10 if is_wood else 0.14)
        is_frame = (u < frame) | (u > 1 - frame)
        if face >= 4:
            is_frame |= (v < frame) | (v > 1 - frame)
        inner = np.where(gap & ~is_frame, 0.22, shade)
        return _tinted(color, np.where(is_frame, 1.08, inner))

    view.cuboid((0, 0, 0), (width, depth, height), paint, turned(rng.uniform(-0.75, 0.75)))
    return Stand(-height / 2, max(width, depth) / 2)


def drum(rng: Rng, view: View) -> Stand:
    """A barrel with ribs, and a lid with a rim and a bung."""
    radius, height = rng.uniform(0.42, 0.56), rng.uniform(1.15, 1.5)
    color, band = _some(rng, PAINTS), rng.random()
    label = rng.uniform(0, 1)

    def side(face: int, u: Array, v: Array) -> Array:
        if face:
            around = np.hypot(u, v)
            bung = np.hypot(u - 0.45, v) < 0.16
            return _tinted(color, np.where(bung, 0.25, np.where(around > 0.86, 1.1, 0.78)))
        shade = np.full(len(u), 1.0) + 0.04 * np.sin(25 * u + 9 * band)
        colors = _tinted(color, shade)
        if band < 0.45:  # a label around a part of it
            is_label = (np.abs(v - 0.5) < 0.13) & (np.abs((u - label + 0.5) % 1 - 0.5) < 0.22)
            colors[is_label] = WHITE * 0.95
        return colors

    def rib(face: int, u: Array, v: Array) -> Array:
        return _tinted(color, np.full(len(u), 1.12))

    view.frustum((0, 0, 0), (radius, radius), height, side)
    for place in (-0.49, -0.17, 0.17, 0.49):
        view.frustum((0, 0, place * height), (radius * 1.07, radius * 1.07), height * 0.045, rib)
    view.frustum((0, 0, height * 0.5), (radius * 0.9, radius * 0.9), 0.01, side)
    return Stand(-height / 2, radius)


def bucket(rng: Rng, view: View) -> Stand:
    """Wider above than below, open, with a handle that hangs down or stands up."""
    top, height = rng.uniform(0.52, 0.66), rng.uniform(0.8, 1.1)
    bottom = top * rng.uniform(0.62, 0.76)
    color = _some(rng, np.vstack([PAINTS, STEEL]))

    def paint(face: int, u: Array, v: Array) -> Array:
        return _tinted(color, np.full(len(u), 1.0) + 0.03 * np.sin(30 * v))

    def rim(face: int, u: Array, v: Array) -> Array:
        return _tinted(color, np.full(len(u), 1.15))

    def wire(face: int, u: Array, v: Array) -> Array:
        return _tinted(STEEL * 0.8, np.full(len(u), 1.0))

    view.frustum((0, 0, 0), (bottom, top), height, paint, is_open=True)
    view.frustum((0, 0, height * 0.47), (top * 1.05, top * 1.05), height * 0.07, rim, is_open=True)
    lean, yaw = rng.uniform(-1.25, 1.25), rng.uniform(-0.5, 0.5)
    angles = np.linspace(0, np.pi, 9)
    arc = np.column_stack([np.cos(angles), np.sin(angles) * np.sin(lean), np.sin(angles) * np.cos(lean)])
    arc = (arc * [top * 1.03, top * 0.95, top * 0.85]) @ turned(yaw).T + [0, 0, height * 0.46]
    for start, end in itertools.pairwise(arc):
        middle = (start + end) / 2
        length = float(np.linalg.norm(end - start)) * 1.1
        view.frustum((middle[0], middle[1], middle[2]), (0.03, 0.03), length, wire, towards(end - start))
    return Stand(-height / 2, bottom)


def cone(rng: Rng, view: View) -> Stand:
    """A traffic cone: stripes, and a square foot."""
    height, radius = rng.uniform(1.25, 1.5), rng.uniform(0.36, 0.46)
    color = _some(rng, PAINTS[[0, 0, 0, 1, 4, 2]])
    stripes, width = rng.uniform(0.35, 0.5), rng.uniform(0.12, 0.2)
    is_double = rng.random() < 0.4

    def paint(face: int, u: Array, v: Array) -> Array:
        is_white = np.abs(v - stripes) < width / 2
        if is_double:
            is_white |= np.abs(v - stripes - 1.6 * width) < width / 2
        colors = _tinted(color, np.ones(len(u)))
        colors[is_white & (face == 0)] = WHITE
        return colors

    def slab(face: int, u: Array, v: Array) -> Array:
        return _tinted(color if is_double else DARK * 2, np.full(len(u), 0.85))

    side = 2 * radius * rng.uniform(1.15, 1.3)
    view.cuboid((0, 0, -height / 2), (side, side, 0.09), slab, turned(rng.uniform(-0.8, 0.8)))
    view.frustum((0, 0, 0.04), (radius, 0.07), height, paint)
    return Stand(-height / 2, side * 0.6)


def marker(rng: Rng, view: View) -> Stand:
    """A disc in four quarters of two colours, on a stand: what surveyors aim at. Its middle is where they meet."""
    light, dark = _two_colors(rng)
    turn = rng.uniform(-0.4, 0.4)

    def quarters(u: Array, v: Array) -> Array:
        angle = np.arctan2(v, u) + turn
        is_light = (np.sin(2 * angle) > 0) & (np.hypot(u, v) < 0.9)
        return np.where(is_light[:, None], light, dark)

    return _sign(rng, view, quarters)


def ringed_sign(rng: Rng, view: View) -> Stand:
    """A disc on a stand like a marker's, with rings, halves, a bar or nothing on it."""
    light, dark = _two_colors(rng)
    kind = int(rng.integers(4))

    def paint(u: Array, v: Array) -> Array:
        around = np.hypot(u, v)
        is_light = [
            (around < 0.35) | ((around > 0.62) & (around < 0.9)),
            around < 0.8,
            (np.abs(v) > 0.25) & (around < 0.85),
            (u > 0) & (around < 0.9),
        ][kind]
        return np.where(is_light[:, None], light, dark)

    return _sign(rng, view, paint)


def carton(rng: Rng, view: View) -> Stand:
    """A box as large as a crate, without boards: of cardboard with a tape, or painted."""
    width, depth, height = rng.uniform(0.8, 1.25), rng.uniform(0.7, 1.0), rng.uniform(0.45, 1.0)
    color = _some(rng, WOODS if rng.random() < 0.6 else PAINTS)
    tape = rng.uniform(0.06, 0.1)

    def paint(face: int, u: Array, v: Array) -> Array:
        shade = 0.97 + 0.03 * np.sin(9 * u + 4 * v)
        is_tape = (np.abs(u - 0.5) < tape) & ((face >= 4) | (v > 0.8))
        return _tinted(color, np.where(is_tape, 1.22, shade))

    view.cuboid((0, 0, 0), (width, depth, height), paint, turned(rng.uniform(-0.75, 0.75)))
    return Stand(-height / 2, max(width, depth) / 2)


def pipe(rng: Rng, view: View) -> Stand:
    """Round like a drum, smooth, slimmer, hollow, standing or lying."""
    radius, length = rng.uniform(0.2, 0.4), rng.uniform(1.2, 1.6)
    color = _some(rng, PAINTS)
    is_lying = rng.random() < 0.5
    yaw = rng.uniform(-0.9, 0.9)
    pose = towards(np.array([np.cos(yaw), np.sin(yaw), 0.0])) if is_lying else turned(0)

    def paint(face: int, u: Array, v: Array) -> Array:
        if face:
            return _tinted(color, np.where(np.hypot(u, v) < 0.82, 0.15, 0.9))
        return _tinted(color, np.full(len(u), 0.95))

    view.frustum((0, 0, 0), (radius, radius), length, paint, pose)
    return Stand(-radius if is_lying else -length / 2, length / 2 if is_lying else radius)


def flowerpot(rng: Rng, view: View) -> Stand:
    """Shaped like a bucket, without a handle, full of something."""
    top, height = rng.uniform(0.5, 0.66), rng.uniform(0.7, 1.0)
    color, filling = _some(rng, np.vstack([PAINTS, WOODS])), _some(rng, WOODS) * 0.45

    def paint(face: int, u: Array, v: Array) -> Array:
        if face == 1:
            return _tinted(filling, 0.9 + 0.3 * np.sin(17 * u + 3 * np.sin(11 * v)))
        return _tinted(color, np.where(v > 0.8, 1.12, 0.95))

    view.frustum((0, 0, 0), (top * rng.uniform(0.6, 0.8), top), height, paint)
    return Stand(-height / 2, top * 0.7)


def pyramid(rng: Rng, view: View) -> Stand:
    """Pointed like a cone, without stripes or foot, or a pile."""
    height, radius = rng.uniform(0.7, 1.4), rng.uniform(0.4, 0.8)
    color = _some(rng, np.vstack([PAINTS[:6], WOODS]))

    def paint(face: int, u: Array, v: Array) -> Array:
        return _tinted(color, 0.9 + 0.06 * np.sin(19 * v + 6 * np.sin(12 * np.pi * u)))

    view.frustum((0, 0, 0), (radius, 0.02), height, paint)
    return Stand(-height / 2, radius)


def ball(rng: Rng, view: View) -> Stand:
    """A ball with stripes or without."""
    radius = rng.uniform(0.5, 0.7)
    first, second = _some(rng, PAINTS), _some(rng, PAINTS)
    count = int(rng.integers(0, 4))

    def paint(face: int, u: Array, v: Array) -> Array:
        is_first = np.sin(2 * np.pi * count * u) >= 0
        return np.where(is_first[:, None], first, second)

    view.ball((0, 0, 0), radius, paint)
    return Stand(-radius, radius * 0.7)


LOOKS: dict[str, Look] = {"crate": crate, "drum": drum, "bucket": bucket, "cone": cone, "marker": marker}
"""What can be a category."""

RESEMBLING: dict[str, Look] = {
    "carton": carton, "pipe": pipe, "flowerpot": flowerpot,
    "pyramid": pyramid, "ringed sign": ringed_sign, "ball": ball,
}  # fmt: skip
"""What is none, and stands around."""


def _sign(rng: Rng, view: View, paint_disc: Callable[[Array, Array], Array]) -> Stand:
    """A disc that looks about towards the camera, on a post with a foot."""
    height, radius = rng.uniform(0.7, 1.0), rng.uniform(0.42, 0.55)
    yaw, tilt = rng.uniform(-0.7, 0.7), rng.uniform(-0.1, 0.5)
    facing = np.array([np.sin(yaw) * np.cos(tilt), -np.cos(yaw) * np.cos(tilt), np.sin(tilt)])
    middle = (0.0, 0.0, 0.45)

    def front(face: int, u: Array, v: Array) -> Array:
        return paint_disc(u, v) if face == 1 else _tinted(STEEL, np.full(len(u), 0.8))

    def post(face: int, u: Array, v: Array) -> Array:
        return _tinted(STEEL, np.full(len(u), 0.7))

    thickness = 0.06
    center = np.array(middle) - facing * thickness / 2
    view.frustum((center[0], center[1], center[2]), (radius, radius), thickness, front, towards(facing))
    view.frustum((0, 0.07, middle[2] - height / 2 - 0.1), (0.05, 0.05), height, post)
    view.frustum((0, 0.07, middle[2] - height - 0.1), (0.3, 0.26), 0.06, post)
    return Stand(middle[2] - height - 0.1, 0.3, middle)


def _two_colors(rng: Rng) -> tuple[Color, Color]:
    """A light one and a dark one."""
    light = (WHITE, PAINTS[4], WHITE, PAINTS[0])[int(rng.integers(4))]
    dark = (DARK, PAINTS[1], PAINTS[2], DARK)[int(rng.integers(4))]
    return (light, dark) if rng.random() < 0.7 else (dark, light)


def _some(rng: Rng, colors: Array) -> Color:
    """One of them, a little changed."""
    chosen: Color = colors[int(rng.integers(len(colors)))]
    return (chosen * rng.uniform(0.75, 1.15) + rng.uniform(-0.05, 0.05, 3)).clip(0.04, 1)


def _tinted(color: Color, shade: Array) -> Array:
    return shade[:, None] * color
