"""Finds the outline of a thing in a box, with OpenCV's GrabCut.

The time that GrabCut takes grows much faster than the number of pixels that are undecided. So it works at a small size
first, and at the larger one only along the border that it has found there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from learning_loop_node.geometry.polygons import outlines, signed_area, simplify
from learning_loop_node.images import decode

Line = Sequence[tuple[int, int]]
Box = tuple[int, int, int, int]
Mask = NDArray[np.uint8]

FINE, COARSE = 512, 192
"""Pixels of the longer side."""

ROUNDS = 3
MARGIN = 0.25
"""What is seen around the box, as a share of its size: it is what the background looks like."""

MIDDLE = 0.85
"""How much of the box, in each direction, is taken for the thing at first: an ellipse, as hardly anything has corners
where its box has them."""

STROKE_WIDTH = 9
BORDER = 5
"""Pixels of the small image that are decided anew in the larger one, from inside to outside."""


def cut_out(
    image: bytes, box: Box, strokes: Sequence[tuple[bool, Line]] = (), *, tolerance: float = 1.0
) -> NDArray[np.float64]:
    """The outline `(N, 2)` of the thing in the box (x and y of two opposite corners), empty if there is none.

    Each stroke says whether it belongs to the thing; where they cross, the last one counts. Everything is in pixels of
    the upright image, and no corner that is left out is farther from the outline than `tolerance`.
    """
    pixels = decode(image)
    region = _region(box, strokes, width=pixels.shape[1], height=pixels.shape[0])
    if region is None:
        return np.empty((0, 2))
    seen = _Seen.of(pixels, region)
    guess = _guess(seen, box, strokes)
    is_thing = _decide(seen.pixels, guess)
    polygon = _outline(is_thing, guess == cv2.GC_FGD)
    if len(polygon) == 0:
        return polygon
    placed = (polygon / seen.scale + region[:2]).clip(0, (pixels.shape[1], pixels.shape[0]))
    return simplify(placed, tolerance=tolerance)


@dataclass(frozen=True, slots=True)
class _Seen:
    """The part of the image that is looked at, made smaller by `scale` (x, y); `left` and `top` are where it begins."""

    pixels: Mask
    scale: NDArray[np.float64]
    left: int
    top: int

    @classmethod
    def of(cls, pixels: Mask, region: Box) -> _Seen:
        left, top, right, bottom = region
        part = pixels[top:bottom, left:right]
        small = _at_most(part, FINE, cv2.INTER_AREA)
        scale = np.array([small.shape[1] / part.shape[1], small.shape[0] / part.shape[0]])
        return cls(small, scale, left, top)

    def place(self, line: Line) -> NDArray[np.int32]:
        """Points of the image in the part."""
        return np.floor((np.array(line) - (self.left, self.top)) * self.scale).astype(np.int32)


def _region(box: Box, strokes: Sequence[tuple[bool, Line]], *, width: int, height: int) -> Box | None:
    """The box and all strokes of the thing, with a margin, within the image; None if nothing is left."""
    left, right = sorted((box[0], box[2]))
    top, bottom = sorted((box[1], box[3]))
    points = np.array(
        [(left, top), (right, bottom), *(point for is_thing, line in strokes if is_thing for point in line)]
    )
    size = np.array([width, height])
    low, high = points.min(axis=0).clip(0, size), points.max(axis=0).clip(0, size)
    if not (high - low > 1).all():
        return None
    margin = np.maximum(2, (high - low) * MARGIN)
    (x1, y1), (x2, y2) = np.floor(low - margin).clip(0, size), np.ceil(high + margin).clip(0, size)
    return int(x1), int(y1), int(x2), int(y2)


def _guess(seen: _Seen, box: Box, strokes: Sequence[tuple[bool, Line]]) -> Mask:
    """What people have said: the thing is within the box, most likely in its middle, and where they have drawn."""
    guess: Mask = np.full(seen.pixels.shape[:2], cv2.GC_BGD, np.uint8)
    edge = (guess.shape[1] - 1, guess.shape[0] - 1)
    corners = seen.place([(box[0], box[1]), (box[2], box[3])]).clip(0, edge)
    low, high = corners.min(axis=0), corners.max(axis=0)
    guess[low[1] : high[1] + 1, low[0] : high[0] + 1] = cv2.GC_PR_BGD
    center, axes = (low + high) // 2, np.maximum(1, (high - low) / 2 * MIDDLE).astype(int)
    cv2.ellipse(guess, center.tolist(), axes.tolist(), 0, 0, 360, color=cv2.GC_PR_FGD, thickness=cv2.FILLED)
    for is_thing, line in strokes:
        value = cv2.GC_FGD if is_thing else cv2.GC_BGD
        cv2.polylines(guess, [seen.place(line)], isClosed=False, color=value, thickness=STROKE_WIDTH)
    if not (guess == cv2.GC_BGD).any():  # a box around the whole image says nothing of what is around the thing
        guess[[0, -1]], guess[:, [0, -1]] = cv2.GC_BGD, cv2.GC_BGD
    return guess


def _decide(pixels: Mask, guess: Mask) -> NDArray[np.bool_]:
    """Which pixels belong to the thing."""
    height, width = guess.shape
    coarse = _at_most(guess, COARSE, cv2.INTER_NEAREST)
    size = (coarse.shape[1], coarse.shape[0])
    thing = _grab(np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8), coarse, ROUNDS)
    if (width, height) == size:
        return np.asarray(thing == 1)
    kernel = np.ones((BORDER, BORDER), np.uint8)
    inside, found, reach = (
        cv2.resize(part, (width, height), interpolation=cv2.INTER_NEAREST)
        for part in (cv2.erode(thing, kernel), thing, cv2.dilate(thing, kernel))
    )
    fine: Mask = np.where(np.array(found) == 1, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    fine[np.array(inside) == 1], fine[np.array(reach) == 0] = cv2.GC_FGD, cv2.GC_BGD
    is_said = (guess == cv2.GC_FGD) | (guess == cv2.GC_BGD)
    fine[is_said] = guess[is_said]
    return np.asarray(_grab(pixels, fine, 1) == 1)


def _grab(pixels: Mask, guess: Mask, rounds: int) -> Mask:
    """1 where the thing is, else 0."""
    if _is_background(guess).all():
        return np.zeros_like(guess)
    if not _is_background(guess).any():
        return np.ones_like(guess)
    cv2.setRNGSeed(0)  # the same question has the same answer
    decided = guess.copy()
    background, thing = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(pixels, decided, (0, 0, 1, 1), background, thing, rounds, cv2.GC_INIT_WITH_MASK)
    return (~_is_background(decided)).astype(np.uint8)


def _is_background(mask: Mask) -> NDArray[np.bool_]:
    return np.asarray((mask == cv2.GC_BGD) | (mask == cv2.GC_PR_BGD))


def _outline(is_thing: NDArray[np.bool_], is_drawn: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Around the largest part that hangs together, without its holes; of those that were drawn into, if there are."""
    count, labels, facts, _ = cv2.connectedComponentsWithStats(is_thing.astype(np.uint8), connectivity=4)
    if count < 2:
        return np.empty((0, 2))
    areas = np.array(facts)[:, cv2.CC_STAT_AREA]
    areas[0] = 0
    drawn = np.unique(np.array(labels)[is_drawn & is_thing])
    largest = drawn[areas[drawn].argmax()] if len(drawn) else areas.argmax()
    return max(outlines(np.array(labels) == largest), key=signed_area)


def _at_most(pixels: Mask, longest: int, interpolation: int) -> Mask:
    scale = longest / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = [max(1, round(side * scale)) for side in (pixels.shape[1], pixels.shape[0])]
    return np.asarray(cv2.resize(pixels, size, interpolation=interpolation), np.uint8)
