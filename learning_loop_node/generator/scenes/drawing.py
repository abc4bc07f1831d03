"""Puts sprites into pictures, and notes whose pixel is whose."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .opencv import cv2
from .staging import Prop

Pixels = NDArray[np.uint8]

FAR_AWAY = 10**6


@dataclass(frozen=True, slots=True)
class Drawn:
    """Where a thing may have pixels (left, top, right, bottom), how many it has in all, and where its middle is."""

    window: tuple[int, int, int, int]
    pixel_count: int
    middle: tuple[float, float]


def draw(canvas: Pixels, owners: NDArray[np.uint16], prop: Prop, number: int) -> Drawn:
    """Put a thing into the picture, in front of all that is there; its pixels become those of `number`."""
    sprite = prop.sprite
    left, top, right, bottom = sprite.bounds
    level = sprite.level_for(prop.height / (bottom - top))
    picture, shrink = sprite.levels[level], 2.0**level
    warp = _warp(prop, shrink)
    down, across = picture.cover.shape[:2]
    corners = [(0, 0), (across, 0), (0, down), (across, down)]
    corners_of_thing = [(x / shrink, y / shrink) for x in (left, right) for y in (top, bottom)]
    middle = (sprite.middle[0] / shrink, sprite.middle[1] / shrink)
    there = _through(warp, np.array([*corners, *corners_of_thing, middle]))
    height, width = owners.shape
    x0, y0, x1, y1 = window = _window(there[:4], 0, 0, width, height)
    at_middle = (float(there[-1, 0]), float(there[-1, 1]))
    if x0 >= x1 or y0 >= y1:
        return Drawn((0, 0, 0, 0), 0, at_middle)
    rgb = _warped(picture.rgb, warp, window, 0)
    ground, thing = cv2.split(_warped(picture.cover, warp, window, (255, 0)))
    is_thing = thing >= 128
    target = canvas[y0:y1, x0:x1]
    behind = cv2.multiply(target, cv2.merge([ground] * 3), scale=1 / 255)
    target[:] = cv2.addWeighted(behind, 1.0, rgb, prop.gain, 0)
    owners[y0:y1, x0:x1][is_thing] = number
    whole = _window(there[4:8], -FAR_AWAY, -FAR_AWAY, FAR_AWAY, FAR_AWAY)
    if whole[0] < 0 or whole[1] < 0 or whole[2] > width or whole[3] > height:  # more of it than the picture shows
        is_thing = _warped(picture.cover, warp, whole, (255, 0))[..., 1] >= 128
    return Drawn(window, int(np.count_nonzero(is_thing)), at_middle)


def _warp(prop: Prop, shrink: float) -> NDArray[np.float64]:
    """From pixels of the sprite's level to pixels of the scene."""
    left, top, right, bottom = (side / shrink for side in prop.sprite.bounds)
    half, height = prop.width / 2, prop.height
    narrow, wide = half * (1 - prop.keystone), half * (1 + prop.keystone)
    lean = prop.shear * height / 2
    quad = np.array([[-narrow + lean, -height], [narrow + lean, -height], [wide - lean, 0], [-wide - lean, 0]])
    if prop.is_mirrored:
        quad = quad[[1, 0, 3, 2]]
    cos, sin = math.cos(prop.angle), math.sin(prop.angle)
    middle = np.array([0.0, -height / 2])
    quad = (quad - middle) @ np.array([[cos, sin], [-sin, cos]]) + middle + [prop.across, prop.base]
    source = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    # OpenCV means the centres of pixels by whole numbers, and we their corners.
    warp: NDArray[np.float64] = cv2.getPerspectiveTransform(
        (source - 0.5).astype(np.float32), (quad - 0.5).astype(np.float32)
    )
    return warp


def _through(warp: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    mapped = np.column_stack([points - 0.5, np.ones(len(points))]) @ warp.T
    return np.asarray(mapped[:, :2] / mapped[:, 2:] + 0.5)


def _warped(
    picture: Pixels, warp: NDArray[np.float64], window: tuple[int, int, int, int], around: int | tuple[int, int]
) -> Pixels:
    """The part of a picture that comes to lie in a window of the scene; `around` is what is outside of it."""
    x0, y0, x1, y1 = window
    moved = np.array([[1.0, 0, -x0], [0, 1, -y0], [0, 0, 1]]) @ warp
    return np.asarray(
        cv2.warpPerspective(picture, moved, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR, borderValue=around)
    )


def _window(points: NDArray[np.float64], left: int, top: int, right: int, bottom: int) -> tuple[int, int, int, int]:
    """The pixels around points, within limits."""
    low, high = np.floor(points.min(axis=0)) - 1, np.ceil(points.max(axis=0)) + 1
    x0, y0 = max(left, int(low[0])), max(top, int(low[1]))
    return x0, y0, min(right, int(high[0])), min(bottom, int(high[1]))
