"""Why would an image be worth uploading: a `Rule` says so, given what was `Seen`.

A rule of your own is a class with one method, handed to the node in its list of rules:

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Faint:
        below: float = 0.1

        def causes(self, seen: Seen) -> set[str]:
            return {"faint"} if (seen.confidences < self.below).any() else set()

    DetectorNode("door camera", factory, rules=[*default_rules(settings), Faint()])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...data_classes import BoxDetection, ImageMetadata, PointDetection


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What the model saw in one image. Arrays cannot be written to; without detections they are empty.

    `categories`, `confidences` and `is_new` have one entry per box and then per point. `is_new` says which of them this
    camera has not seen within the last hour. `count` is the number of detections of all four types. `metadata` is what
    goes to the loop; rules only read it.
    """

    metadata: ImageMetadata
    camera_id: str | None
    categories: tuple[str, ...]
    confidences: NDArray[np.float64]
    is_new: NDArray[np.bool_]
    classification_confidences: NDArray[np.float64]
    segmentation_count: int
    count: int

    @classmethod
    def in_image(cls, metadata: ImageMetadata, is_new: NDArray[np.bool_], camera_id: str | None = None) -> Seen:
        """`is_new` for the boxes, then the points of this image, as `CameraHistory.mark_new` gives it."""
        placed: list[BoxDetection | PointDetection] = [*metadata.box_detections, *metadata.point_detections]
        classified = metadata.classification_detections
        seen = cls(
            metadata=metadata,
            camera_id=camera_id,
            categories=tuple([detection.category_name for detection in placed]),
            confidences=np.array([detection.confidence for detection in placed], dtype=np.float64),
            is_new=is_new,
            classification_confidences=np.array([detection.confidence for detection in classified], dtype=np.float64),
            segmentation_count=len(metadata.segmentation_detections),
            count=len(metadata),
        )
        for array in (seen.confidences, seen.is_new, seen.classification_confidences):
            array.flags.writeable = False
        return seen


class Rule(Protocol):
    """Names the causes, if any, for which an image should be kept; the causes become its tags.

    Rules are asked in order, one image at a time, on the thread that decides; they should take microseconds. A rule
    that raises is logged, and the others decide.
    """

    def causes(self, seen: Seen) -> set[str]: ...
