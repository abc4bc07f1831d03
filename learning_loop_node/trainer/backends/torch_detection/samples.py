"""The images of a training, each brought to the size of the model's input, with what is in it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ....errors import InvalidImageError
from ....images import decode
from ....onnx_models.letterbox import Placement, letterbox
from .hyperparameters import STRIDE

logger = logging.getLogger(__name__)

Pixels: TypeAlias = NDArray[np.uint8]

DEFAULT_RESOLUTION = 640
POINT_SHARE = 12
"""The box of a point has this part of the input's longer side."""

LEAST_SIDE = 2.0
"""Things that are smaller in the input, in pixels, are not learnt from."""


@dataclass(frozen=True, slots=True)
class Sample:
    """`pixels` `(H, W, 3)` RGB as the model gets them, `boxes` `(n, 4)` xyxy in them, `classes` `(n,)`.

    `place` is where the image lies in the pixels, if it has not been changed.
    """

    pixels: Pixels
    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    place: Placement


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSize:
    """Of the model's input, in pixels; multiples of 32."""

    width: int
    height: int


@dataclass(slots=True, kw_only=True)
class Samples:
    """Images with their records as the loop gives them. So many decoded ones are kept as fit into `cache_bytes`.

    `classes` has the number of each category that is trained, by its id. Boxes of points have `point_side` pixels of
    the input.
    """

    records: Sequence[Mapping[str, Any]]
    folder: Path | str
    size: InputSize
    classes: Mapping[str, int]
    point_side: int
    cache_bytes: int = 0
    _cache: dict[int, Sample] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Sample:
        """`InvalidImageError` if the file cannot be read."""
        sample = self._cache.get(index)
        if sample is None:
            sample = self._load(self.records[index])
            if (len(self._cache) + 1) * sample.pixels.nbytes <= self.cache_bytes:
                self._cache[index] = sample
        return sample

    def leave_out_unreadable(self) -> None:
        """Have only images that can be read; the others are named in the log. Fills the cache."""
        readable: list[Mapping[str, Any]] = []
        kept: dict[int, Sample] = {}
        for index, record in enumerate(self.records):
            try:
                self[index]
            except InvalidImageError as error:
                logger.warning("an image is left out: %s", error)
                continue
            if index in self._cache:
                kept[len(readable)] = self._cache[index]
            readable.append(record)
        self.records, self._cache = readable, kept

    def _load(self, record: Mapping[str, Any]) -> Sample:
        file = Path(self.folder) / f"{record['id']}.jpg"
        try:
            image = decode(file.read_bytes())
        except OSError as error:
            raise InvalidImageError(f"{file} cannot be read: {error.strerror}") from error
        pixels, place = letterbox(image, self.size.width, self.size.height)
        boxes, classes = [], []
        for entry in record.get("box_annotations") or ():
            if entry["category_id"] in self.classes:
                x, y = float(entry["x"]), float(entry["y"])
                boxes.append([x, y, x + float(entry["width"]), y + float(entry["height"])])
                classes.append(self.classes[entry["category_id"]])
        borders = [place.left, place.top, place.left + place.width, place.top + place.height]
        clipped = np.clip(place.to_input(np.reshape(boxes, (-1, 4))), borders[:2] * 2, borders[2:] * 2)
        points = [entry for entry in record.get("point_annotations") or () if entry["category_id"] in self.classes]
        centers = np.array([[entry["x"], entry["y"]] * 2 for entry in points], np.float64).reshape(-1, 4)
        reach = np.array([-1, -1, 1, 1]) * self.point_side / 2
        return Sample(
            pixels,
            np.concatenate([clipped, place.to_input(centers) + reach]).astype(np.float32),
            np.array([*classes, *(self.classes[entry["category_id"]] for entry in points)], np.int64),
            place,
        )


def input_size(records: Sequence[Mapping[str, Any]], resolution: int | None) -> InputSize:
    """The longer side has `resolution` pixels; the other one is as the images usually are.

    Without a resolution it is that of the images, 640 at most.

    >>> input_size([{"width": 1600, "height": 1200}], 320)
    InputSize(width=320, height=256)
    """
    sizes = [(image["width"], image["height"]) for image in records if image.get("width") and image.get("height")]
    ratio = median(width / height for width, height in sizes) if sizes else 1.0
    if resolution is None:
        longer = median(max(size) for size in sizes) if sizes else DEFAULT_RESOLUTION
        resolution = min(DEFAULT_RESOLUTION, _multiple(longer))
    if ratio >= 1:
        return InputSize(width=resolution, height=_multiple(resolution / ratio))
    return InputSize(width=_multiple(resolution * ratio), height=resolution)


def point_side(size: InputSize, given: int | None) -> int:
    """How large the box of a point is, in pixels of the input."""
    return given or max(8, round(max(size.width, size.height) / POINT_SHARE))


def _multiple(side: float) -> int:
    return max(STRIDE, -(-round(side) // STRIDE) * STRIDE)
