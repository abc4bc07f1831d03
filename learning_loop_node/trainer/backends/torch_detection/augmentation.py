"""Makes many images of one: shifted, zoomed, mirrored, joined with others, in other light, partly hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ....onnx_models.letterbox import GREY
from .samples import LEAST_SIDE, Pixels, Sample, Samples

LEAST_VISIBLE = 0.3
"""A thing of which less is in the image is not learnt from."""

MOSAIC_ZOOM = (0.4, 1.1)
STRETCH = 0.1
"""How much wider or narrower a thing may become, as a part of its width."""

HUE_DEGREES = 6.0
BLUR_PROBABILITY = 0.1
LARGEST_HOLE = 0.3
"""Of a side of the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How far images are changed; 0 and False leave them as they are.

    `zoom` is the largest change of size, `shift` that of place (both as a part of it), `colour` that of light and
    saturation, `mosaic` and `cutout` are probabilities.
    """

    zoom: float = 0.0
    shift: float = 0.0
    colour: float = 0.0
    mosaic: float = 0.0
    cutout: float = 0.0
    flip_lr: bool = False
    flip_ud: bool = False
    point_classes: frozenset[int] = frozenset()
    point_side: int = 1

    def apply(self, samples: Samples, index: int, rng: np.random.Generator) -> Sample:
        """The image at this index, changed as `rng` will have it; with three of the others, if it is a mosaic."""
        if self.mosaic and rng.random() < self.mosaic:
            chosen = [index, *(int(other) for other in rng.integers(len(samples), size=3))]
            sample = self._mosaic([samples[number] for number in chosen], rng)
        else:
            sample = self._moved(samples[index], rng)
        pixels = self._coloured(sample.pixels, rng)
        if self.cutout and rng.random() < self.cutout:
            return _with_hole(replace(sample, pixels=pixels), rng)
        return replace(sample, pixels=pixels)

    def without_mosaic(self) -> Augmentation:
        return replace(self, mosaic=0.0)

    def _moved(self, sample: Sample, rng: np.random.Generator) -> Sample:
        height, width = sample.pixels.shape[:2]
        scale = np.exp(rng.uniform(-1, 1) * np.log1p(self.zoom))
        free = np.array([width, height]) * (1 - scale) / 2
        offset = free + np.array([width, height]) * rng.uniform(-self.shift, self.shift, 2)
        return self._drawn(sample, (height, width), scale, offset, rng)

    def _mosaic(self, chosen: Sequence[Sample], rng: np.random.Generator) -> Sample:
        """Parts of four images, each in its quarter; the quarters have different sizes."""
        height, width = chosen[0].pixels.shape[:2]
        middle_x, middle_y = (int(side * rng.uniform(0.3, 0.7)) for side in (width, height))
        canvas = np.empty_like(chosen[0].pixels)
        boxes, classes = [], []
        for number, sample in enumerate(chosen):
            left, right = (0, middle_x) if number % 2 == 0 else (middle_x, width)
            top, bottom = (0, middle_y) if number < 2 else (middle_y, height)
            scale = rng.uniform(*MOSAIC_ZOOM)
            free = np.array([right - left - width * scale, bottom - top - height * scale])
            part = self._drawn(sample, (bottom - top, right - left), scale, free * rng.uniform(0, 1, 2), rng)
            canvas[top:bottom, left:right] = part.pixels
            boxes.append(part.boxes + np.array([left, top, left, top], np.float32))
            classes.append(part.classes)
        return replace(chosen[0], pixels=canvas, boxes=np.concatenate(boxes), classes=np.concatenate(classes))

    def _drawn(
        self,
        sample: Sample,
        size: tuple[int, int],
        scale: float,
        offset: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> Sample:
        """The image, scaled and maybe mirrored, at this offset in a canvas of this height and width."""
        height, width = sample.pixels.shape[:2]
        stretch = 1 + STRETCH * rng.uniform(-1, 1) * (self.zoom > 0)
        scales = np.array([scale * stretch, scale])
        mirrored = np.array([self.flip_lr and rng.random() < 0.5, self.flip_ud and rng.random() < 0.5])
        shifts = np.where(mirrored, offset + scales * [width, height], offset)
        scales = np.where(mirrored, -scales, scales)
        # Positions are continuous for boxes; cv2 counts from the middle of the first pixel.
        matrix = np.array(
            [[scales[0], 0, shifts[0] + scales[0] / 2 - 0.5], [0, scales[1], shifts[1] + scales[1] / 2 - 0.5]]
        )
        pixels = cv2.warpAffine(
            sample.pixels, matrix, (size[1], size[0]), flags=cv2.INTER_LINEAR, borderValue=(GREY, GREY, GREY)
        )
        boxes = sample.boxes * np.tile(scales, 2) + np.tile(shifts, 2)
        boxes = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], 1)
        return self._visible(replace(sample, pixels=np.asarray(pixels, np.uint8), boxes=boxes.astype(np.float32)))

    def _visible(self, sample: Sample) -> Sample:
        """Only what is in the image, and only the part that is; points keep their size."""
        boxes, classes = sample.boxes, sample.classes
        height, width = sample.pixels.shape[:2]
        limits = np.array([width, height, width, height], np.float32)
        clipped = np.clip(boxes, 0, limits)
        sides = clipped[:, 2:] - clipped[:, :2]
        is_point = np.isin(classes, list(self.point_classes))
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2
        is_inside = ((centers >= 0) & (centers < limits[:2])).all(axis=1)
        share = sides.prod(axis=1) / np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1e-6)
        is_visible = (share >= LEAST_VISIBLE) & (sides >= LEAST_SIDE).all(axis=1)
        reach = np.array([-1, -1, 1, 1], np.float32) * self.point_side / 2
        kept = np.where(is_point, is_inside, is_visible)
        chosen = np.where(is_point[:, None], np.tile(centers, 2) + reach, clipped)[kept]
        return replace(sample, boxes=chosen.astype(np.float32), classes=classes[kept])

    def _coloured(self, pixels: Pixels, rng: np.random.Generator) -> Pixels:
        if not self.colour:
            return pixels
        hue, saturation, light, contrast = rng.uniform(-1, 1, 4)
        hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
        steps = np.arange(256, dtype=np.float64)
        bright = (128 + (steps - 128) * (1 + self.colour / 2 * contrast)) * (1 + self.colour * light)
        table = np.stack(
            [
                (steps + self.colour * HUE_DEGREES / 2 * hue) % 180,
                np.clip(steps * (1 + self.colour * saturation), 0, 255),
                np.clip(bright, 0, 255),
            ],
            axis=-1,
        ).astype(np.uint8)
        changed = cv2.cvtColor(cv2.LUT(hsv, table[None]), cv2.COLOR_HSV2RGB)
        return np.asarray(cv2.blur(changed, (3, 3)) if rng.random() < BLUR_PROBABILITY else changed, np.uint8)


def _with_hole(sample: Sample, rng: np.random.Generator) -> Sample:
    """A rectangle of one colour over the image. What it mostly hides is not learnt from."""
    height, width = sample.pixels.shape[:2]
    across, down = (int(side * rng.uniform(0.05, LARGEST_HOLE)) for side in (width, height))
    left, top = int(rng.integers(0, width - across + 1)), int(rng.integers(0, height - down + 1))
    pixels = sample.pixels.copy()
    pixels[top : top + down, left : left + across] = rng.integers(0, 256, 3)
    hole = np.array([left, top, left + across, top + down], np.float32)
    shared = np.minimum(sample.boxes[:, 2:], hole[2:]) - np.maximum(sample.boxes[:, :2], hole[:2])
    hidden = np.maximum(shared, 0).prod(axis=1) / np.maximum(
        (sample.boxes[:, 2:] - sample.boxes[:, :2]).prod(axis=1), 1e-6
    )
    kept = hidden < 1 - LEAST_VISIBLE
    return replace(sample, pixels=pixels, boxes=sample.boxes[kept], classes=sample.classes[kept])
