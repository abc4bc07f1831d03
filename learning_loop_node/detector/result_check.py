"""Checks what a detector logic returned before anyone relies on it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from ..data_classes import ImageMetadata, ImagesMetadata, Shape
from ..errors import DetectionFailedError


def check_metadata(result: Any, image_shape: Sequence[int]) -> int:
    """Raise `DetectionFailedError` for numbers that make no sense; return how many boxes and points lie outside.

    Boxes that reach outside the image are a fact to count, not an error: some models answer so near the border.
    `image_shape` is `(height, width, …)`.
    """
    if not isinstance(result, ImageMetadata):
        raise DetectionFailedError(f"evaluate() must return ImageMetadata, not {type(result).__name__}")
    height, width = image_shape[0], image_shape[1]
    outside_count = 0
    for index, box in enumerate(result.box_detections):
        if not (isfinite(box.x) and isfinite(box.y) and isfinite(box.width) and isfinite(box.height)):
            raise DetectionFailedError(
                f"box_detections[{index}] of the detector logic has a coordinate that is not finite"
            )
        if box.width < 0 or box.height < 0:
            raise DetectionFailedError(f"box_detections[{index}] of the detector logic has a negative size")
        if box.x < 0 or box.y < 0 or box.x + box.width > width or box.y + box.height > height:
            outside_count += 1
    for index, point in enumerate(result.point_detections):
        if not (isfinite(point.x) and isfinite(point.y)):
            raise DetectionFailedError(f"point_detections[{index}] of the detector logic is not finite")
        if not (0 <= point.x <= width and 0 <= point.y <= height):
            outside_count += 1
    for index, segmentation in enumerate(result.segmentation_detections):
        if isinstance(segmentation.shape, Shape):
            for corner in segmentation.shape.points:
                if not (isfinite(corner.x) and isfinite(corner.y)):
                    raise DetectionFailedError(
                        f"segmentation_detections[{index}].shape of the detector logic is not finite"
                    )
    _check_confidences(result)
    return outside_count


def check_batch(result: Any, count: int) -> list[ImageMetadata]:
    """The items of a batch result; `DetectionFailedError` unless there is one for each image."""
    items = result.items if isinstance(result, ImagesMetadata) else None
    if items is None or len(items) != count:
        found = f"{len(items)} items" if items is not None else type(result).__name__
        raise DetectionFailedError(f"batch_evaluate() must return ImagesMetadata with {count} items, not {found}")
    return items


def _check_confidences(result: ImageMetadata) -> None:
    for name in ("box_detections", "point_detections", "segmentation_detections", "classification_detections"):
        for index, detection in enumerate(getattr(result, name)):
            if not isfinite(detection.confidence):
                raise DetectionFailedError(f"{name}[{index}].confidence of the detector logic is not finite")
