"""Old path of `postprocess`."""

from ..postprocess import (
    MIN_BOX_SIZE,
    Prediction,
    bbox_iou,
    non_max_suppression,
    post_process,
    predictions_from_xyxy,
    to_detections,
    to_image_metadata,
)

__all__ = [
    "MIN_BOX_SIZE",
    "Prediction",
    "bbox_iou",
    "non_max_suppression",
    "post_process",
    "predictions_from_xyxy",
    "to_detections",
    "to_image_metadata",
]
