"""Images of the loop: some to calibrate with, and some with annotations to test with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....client.images import ImageFilter, ImageRecord
from ....client.loop import LoopClient
from ....data_classes import BoxAnnotation, Category, PointAnnotation
from ....enums import CategoryType
from ....errors import InvalidImageError
from ....evaluation.labels import Truth, truth_of
from ....images import decode
from ....settings import DetectorSettings

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TestImage:
    """An image and what people say is in it."""

    pixels: Pixels
    truth: Truth


async def calibration_images(loop: LoopClient, count: int, fewest: int) -> list[Pixels]:
    """The newest images that were trained with; only if these are fewer than `fewest`, any others as well."""
    found: dict[str, Pixels] = {}
    for wanted, enough in ((ImageFilter(state=["complete"], set=["train"]), count), (ImageFilter(), fewest)):
        async for record in _newest(loop, wanted, "ids"):
            if len(found) >= enough:
                break
            if record.id not in found and (pixels := await _pixels(loop, record.id)) is not None:
                found[record.id] = pixels
    return list(found.values())


async def test_images(loop: LoopClient, count: int, categories: Sequence[Category]) -> list[TestImage]:
    """The newest complete images of the set `test`."""
    found: list[TestImage] = []
    async for record in _newest(loop, ImageFilter(state=["complete"], set=["test"]), "annotations"):
        if len(found) >= count:
            break
        if (pixels := await _pixels(loop, record.id)) is not None:
            found.append(TestImage(pixels=pixels, truth=_truth(record, categories)))
    return found


def _newest(loop: LoopClient, wanted: ImageFilter, fields: str) -> AsyncIterator[ImageRecord]:
    return loop.images.find(wanted, sort="-arrival", fields=fields)


async def _pixels(loop: LoopClient, image_id: str) -> Pixels | None:
    """None for what is no image; the models were not trained with it either."""
    try:
        pixels: Pixels = decode(await loop.images.content(image_id), max_pixels=DetectorSettings().max_pixels)
    except InvalidImageError:
        return None
    return pixels


def _truth(record: ImageRecord, categories: Sequence[Category]) -> Truth:
    boxes, points = [], []
    for annotation in record.annotations:
        place: dict[str, Any] = annotation.geometry | {
            "category_id": annotation.category_id or "",
            "category_name": annotation.category_name or "",
        }
        if annotation.kind is CategoryType.Box:
            boxes.append(BoxAnnotation(**place))
        elif annotation.kind is CategoryType.Point:
            points.append(PointAnnotation(**place))
    return truth_of(boxes, points, categories)
