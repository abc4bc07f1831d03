"""What a model found in an image, and the same as detections of the loop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data_classes import BoxDetection, Category, ClassificationDetection, ImageMetadata, PointDetection
from ..enums import CategoryType
from ..geometry.boxes import Floats, clip_boxes
from ..geometry.suppression import Indices
from .decoding import Raw
from .letterbox import Placement

DIGITS = 5
"""Of a confidence, behind the point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What a model found in one image, best first, in pixels of the image and not rounded.

    `boxes_xyxy` are `(N, 4)` and cut at the borders of the image; `centers` `(N, 2)` are those of the boxes before they
    were cut, moved inside. `scores` from 0 to 1 and `classes`, places in the list of categories, are `(N,)`. A model
    that classifies gives the whole image as box.
    """

    boxes_xyxy: Floats
    centers: Floats
    scores: NDArray[np.float32]
    classes: Indices

    @staticmethod
    def of(raw: Raw, place: Placement, width: int, height: int) -> Predictions:
        """Back from the input of a model to its image; what lies outside of it is left out."""
        whole = place.to_original(raw.boxes_xyxy)
        boxes = clip_boxes(whole, width, height)
        rows = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
        centers = np.clip((whole[rows, :2] + whole[rows, 2:]) / 2, 0, (width, height))
        return Predictions(boxes_xyxy=boxes[rows], centers=centers, scores=raw.scores[rows], classes=raw.classes[rows])

    @staticmethod
    def of_whole_image(raw: Raw, width: int, height: int) -> Predictions:
        """Of a model that classifies."""
        count = len(raw.scores)
        return Predictions(
            boxes_xyxy=np.tile([0.0, 0.0, width, height], (count, 1)),
            centers=np.tile([width / 2, height / 2], (count, 1)),
            scores=raw.scores,
            classes=raw.classes,
        )


def to_metadata(found: Predictions, categories: Sequence[Category], model_name: str) -> ImageMetadata:
    """As detections. The type of a category decides which kind it gives; without a type it is a box.

    Boxes have whole pixels, and at least one.
    """
    metadata = ImageMetadata()
    rows = zip(
        found.boxes_xyxy.tolist(),
        found.centers.tolist(),
        found.scores.tolist(),
        found.classes.tolist(),
        strict=True,
    )
    for (left, top, right, bottom), (center_x, center_y), score, number in rows:
        category = categories[number]
        common: dict[str, Any] = {
            "category_name": category.name,
            "category_id": category.id,
            "model_name": model_name,
            "confidence": round(min(max(score, 0.0), 1.0), DIGITS),
        }
        if category.type == CategoryType.Classification:
            metadata.classification_detections.append(ClassificationDetection(**common))
        elif category.type == CategoryType.Point:
            metadata.point_detections.append(PointDetection(x=center_x, y=center_y, **common))
        else:
            x, width = _whole(left, right)
            y, height = _whole(top, bottom)
            metadata.box_detections.append(BoxDetection(x=x, y=y, width=width, height=height, **common))
    return metadata


def _whole(begin: float, end: float) -> tuple[int, int]:
    """Begin and length in whole pixels; what is thinner than one takes that in which its middle lies."""
    first, last = round(begin), round(end)
    return (first, last - first) if last > first else (math.floor((begin + end) / 2), 1)
