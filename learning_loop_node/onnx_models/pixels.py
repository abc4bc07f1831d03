"""From an image to the numbers that a model takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidImageError
from .letterbox import Fit, Placement, letterbox
from .parameters import CHANNELS, Color

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputForm:
    """What one image has to be like: its size, type of number and order of axes, and where in it the image goes."""

    width: int
    height: int
    dtype: Any
    channels_last: bool
    fit: Fit
    color: Color
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def buffer(self, count: int) -> NDArray[Any]:
        """Room for so many images, of zeros."""
        channels, size = (CHANNELS,), (self.height, self.width)
        return np.zeros((count, *size, *channels) if self.channels_last else (count, *channels, *size), self.dtype)


class Preparation:
    """Turns images into the input of a model, again and again in the same memory; not for two threads at a time."""

    def __init__(self, form: InputForm) -> None:
        self.form = form
        size = (form.height, form.width)
        self._canvas = np.empty((*size, CHANNELS), np.uint8)
        self._planes = tuple(np.empty(size, np.uint8) for _ in range(CHANNELS))
        # A model that takes bytes takes them as they are.
        is_raw = np.dtype(form.dtype) == np.uint8
        factors = [1.0] * CHANNELS if is_raw else [form.scale / std for std in form.std]
        offsets = [0.0] * CHANNELS if is_raw else [-mean / std for mean, std in zip(form.mean, form.std, strict=True)]
        self._factors, self._offsets = np.array(factors, np.float32), np.array(offsets, np.float32)
        self._is_raw = is_raw

    def put(self, image: Pixels, target: NDArray[Any]) -> Placement:
        """Write an image, RGB, into one row of the buffer."""
        _, place = letterbox(image, self.form.width, self.form.height, self.form.fit, self._canvas)
        if self.form.channels_last:
            canvas = self._canvas[..., ::-1] if self.form.color is Color.BGR else self._canvas
            self._scale(canvas, self._factors, self._offsets, target)
            return place
        cv2.split(self._canvas, self._planes)
        planes = self._planes[::-1] if self.form.color is Color.BGR else self._planes
        for channel, plane in enumerate(planes):
            self._scale(plane, self._factors[channel], self._offsets[channel], target[channel])
        return place

    def _scale(self, pixels: Pixels, factor: Any, offset: Any, target: NDArray[Any]) -> None:
        if self._is_raw:
            target[...] = pixels
        elif target.dtype == np.float32:
            np.multiply(pixels, factor, out=target, dtype=np.float32)
            if np.any(offset):
                target += offset
        else:
            target[...] = pixels * factor + offset


def as_rgb(image: NDArray[Any]) -> Pixels:
    """The colours of an image; grey ones and such with transparency are taken as well.

    `InvalidImageError` for other shapes, and for numbers that are no bytes.
    """
    if image.dtype == np.uint8 and image.size:
        if image.ndim == CHANNELS and image.shape[2] == CHANNELS:
            return image
        channels = 1 if image.ndim == 2 else image.shape[-1]
        if image.ndim in (2, 3) and channels == 1:
            return np.repeat(image.reshape(*image.shape[:2], 1), CHANNELS, axis=2)
        if image.ndim == 3 and channels == 4:
            return np.ascontiguousarray(image[..., :CHANNELS])
    raise InvalidImageError(
        f"the model needs a grey, RGB or RGBA image of uint8 pixels, not shape {image.shape} and {image.dtype}"
    )
