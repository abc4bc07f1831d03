"""What light, lens and sensor of a camera make of a scene; nothing moves by it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .opencv import cv2

Pixels = NDArray[np.uint8]

GRAIN_STD = 32.0
GREY = 128
FULL_LIGHT = 128


def exposed(rng: np.random.Generator, pixels: Pixels, difficulty: float) -> Pixels:
    """The picture that a camera takes: light and shade, out of focus or shaken, with noise; more with `difficulty`."""
    pixels = _lit(rng, pixels, difficulty)
    pixels = _blurred(rng, pixels, difficulty)
    return _noisy(rng, pixels, difficulty)


def _lit(rng: np.random.Generator, pixels: Pixels, difficulty: float) -> Pixels:
    """Light that varies over the picture, its colour, and the exposure of the camera."""
    height, width = pixels.shape[:2]
    coarse = 1 + (0.05 + 0.3 * difficulty) * (rng.random((3, 4)) * 2 - 1)
    if rng.random() < 0.6 * difficulty:  # the shade of something that is not in the picture
        column = int(rng.integers(0, 4))
        coarse[:, column:] *= rng.uniform(0.45, 0.8)
    gamma = np.exp(rng.normal(0, 0.06 + 0.22 * difficulty))
    gains = np.exp(rng.normal(0, 0.02 + 0.07 * difficulty, 3)) * np.exp(rng.normal(0, 0.03 + 0.12 * difficulty))
    light = (coarse[..., None] * gains * FULL_LIGHT).clip(0, 255).astype(np.uint8)
    field = cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR)
    curve = ((np.arange(256) / 255) ** gamma * 255).round().astype(np.uint8)
    return np.asarray(cv2.LUT(cv2.multiply(pixels, field, scale=1 / FULL_LIGHT), curve))


def _blurred(rng: np.random.Generator, pixels: Pixels, difficulty: float) -> Pixels:
    """Out of focus or, more rarely, shaken across or up and down."""
    if rng.random() < 0.35 * difficulty:
        length = 3 + 2 * int(rng.integers(0, 3))
        return np.asarray(cv2.blur(pixels, (length, 1) if rng.random() < 0.5 else (1, length)))
    sigma = rng.uniform(0.45, 0.6 + 0.85 * difficulty)
    return np.asarray(cv2.GaussianBlur(pixels, (5, 5) if sigma < 1 else (7, 7), sigma))


def _noisy(rng: np.random.Generator, pixels: Pixels, difficulty: float) -> Pixels:
    height, width = pixels.shape[:2]
    grain = _grain(width, height)
    top, left = (int(start) for start in rng.integers(0, (height // 2 + 1, width // 2 + 1)))
    part = grain[top : top + height, left : left + width]
    strength = rng.uniform(0.5, 2.0 + 10 * difficulty) / GRAIN_STD
    return np.asarray(cv2.addWeighted(pixels, 1.0, part, strength, -GREY * strength))


@lru_cache(maxsize=4)
def _grain(width: int, height: int) -> Pixels:
    """Noise around 128, partly grey, as of cameras; larger than a picture, so that each has another part of it."""
    rng = np.random.default_rng(5)
    size = (height + height // 2 + 1, width + width // 2 + 1)
    noise = 0.8 * rng.standard_normal((*size, 1)) + 0.6 * rng.standard_normal((*size, 3))
    return np.asarray((GREY + GRAIN_STD * noise).clip(0, 255), np.uint8)
