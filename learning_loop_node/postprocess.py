"""Raw model output → detections; used by detectors and by trainers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .data_classes import BoxDetection, Category, Detections, ImageMetadata, ModelInformation, PointDetection
from .data_classes.categories import category_by_index
from .enums import CategoryType
from .geometry.boxes import Array, as_boxes, clip_box, clip_boxes
from .geometry.overlap import overlaps
from .geometry.points import clip_point
from .geometry.suppression import suppress_per_class

logger = logging.getLogger(__name__)

MIN_BOX_SIZE = 2
"""A prediction must be wider and higher than this many pixels."""

_LAST_PIXEL_INCLUDED = np.array([0.0, 0.0, 1.0, 1.0])
"""A box whose right and lower corner names its last pixel ends one further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A box from a model: `x` and `y` are its top-left corner, nothing is rounded."""

    x: float
    y: float
    width: float
    height: float
    category_index: int
    confidence: float


def post_process(
    boxes: Array,
    scores: Array,
    classes: Array,
    *,
    conf_threshold: float,
    iou_threshold: float,
    origin_h: int,
    origin_w: int,
) -> list[Prediction]:
    """What remains of a model's raw boxes (xyxy, `(N, 4)`), best first.

    A score must be above its threshold. Boxes are clipped to the last pixel of the image; of those of one class that
    overlap by more than `iou_threshold`, the best stays.
    """
    sure = np.asarray(scores) > conf_threshold
    boxes, scores, classes = non_max_suppression(
        np.asarray(boxes)[sure],
        np.asarray(scores)[sure],
        np.asarray(classes)[sure],
        iou_threshold=iou_threshold,
        origin_h=origin_h,
        origin_w=origin_w,
    )
    return predictions_from_xyxy(labels=classes.tolist(), boxes=boxes.tolist(), scores=scores.tolist())


def non_max_suppression(
    boxes: Array, scores: Array, classes: Array, *, iou_threshold: float, origin_h: int, origin_w: int
) -> tuple[Array, Array, Array]:
    """Boxes clipped to the last pixel, scores and classes of those that stay, best first."""
    clipped = clip_boxes(boxes, origin_w - 1, origin_h - 1)
    kept = suppress_per_class(clipped + _LAST_PIXEL_INCLUDED, scores, classes, max_overlap=iou_threshold)
    return clipped[kept], np.asarray(scores)[kept], np.asarray(classes)[kept]


def bbox_iou(box1: Array, box2: Array) -> NDArray[np.float64]:
    """Overlap of one box `(1, 4)` with each of `(N, 4)`, in xyxy whose second corner is the last pixel: `(N,)`.

    >>> bbox_iou(np.array([[0, 0, 9, 9]]), np.array([[0, 0, 4, 9]]))
    array([0.5])
    """
    [result] = overlaps(as_boxes(box1) + _LAST_PIXEL_INCLUDED, as_boxes(box2) + _LAST_PIXEL_INCLUDED)
    return np.asarray(result)


def predictions_from_xyxy(
    *, labels: Sequence[float], boxes: Sequence[Sequence[float]], scores: Sequence[float]
) -> list[Prediction]:
    """One prediction per label, box and score; raises `ValueError` if there is not the same number of each."""
    if not len(labels) == len(boxes) == len(scores):
        raise ValueError(f"there are {len(labels)} labels, {len(boxes)} boxes and {len(scores)} scores")
    return [
        Prediction(
            x=float(x1),
            y=float(y1),
            width=float(x2 - x1),
            height=float(y2 - y1),
            category_index=int(label),
            confidence=float(score),
        )
        for label, (x1, y1, x2, y2), score in zip(labels, boxes, scores, strict=True)
    ]


def to_image_metadata(
    predictions: list[Prediction], model_information: ModelInformation, im_height: int, im_width: int
) -> ImageMetadata:
    """What a detector returns. A box category gives a box, a point category the centre of the box; both are clipped."""
    metadata = ImageMetadata()
    _append(metadata, predictions, model_information, im_height, im_width)
    return metadata


def to_detections(
    predictions: list[Prediction],
    model_information: ModelInformation,
    im_height: int,
    im_width: int,
    *,
    image_id: str | None = None,
) -> Detections:
    """The same as a trainer returns it for an image of the loop."""
    detections = Detections(image_id=image_id)
    _append(detections, predictions, model_information, im_height, im_width)
    return detections


def _append(
    target: ImageMetadata | Detections,
    predictions: list[Prediction],
    model_information: ModelInformation,
    im_height: int,
    im_width: int,
) -> None:
    small_count = 0
    for prediction in predictions:
        category = category_by_index(model_information, prediction.category_index)
        if prediction.width <= MIN_BOX_SIZE or prediction.height <= MIN_BOX_SIZE:
            small_count += 1
        elif category.type == CategoryType.Box:
            target.box_detections.append(_box(prediction, category, model_information.version, im_height, im_width))
        elif category.type == CategoryType.Point:
            target.point_detections.append(_point(prediction, category, model_information.version, im_height, im_width))
        else:
            logger.warning("no detection for category %s: type %s is not supported", category.name, category.type)
    if small_count:
        logger.debug("%d predictions of %d pixels or less left out", small_count, MIN_BOX_SIZE)


def _box(prediction: Prediction, category: Category, model_name: str, im_height: int, im_width: int) -> BoxDetection:
    x, y, width, height = clip_box(
        x1=prediction.x,
        y1=prediction.y,
        width=prediction.width,
        height=prediction.height,
        img_width=im_width,
        img_height=im_height,
    )
    return BoxDetection(
        category_name=category.name,
        x=x,
        y=y,
        width=width,
        height=height,
        model_name=model_name,
        confidence=prediction.confidence,
        category_id=category.id,
    )


def _point(
    prediction: Prediction, category: Category, model_name: str, im_height: int, im_width: int
) -> PointDetection:
    x, y = clip_point(prediction.x + prediction.width / 2, prediction.y + prediction.height / 2, im_width, im_height)
    return PointDetection(
        category_name=category.name,
        x=x,
        y=y,
        model_name=model_name,
        confidence=prediction.confidence,
        category_id=category.id,
    )
