"""What is known about one image: what was detected, what was annotated, where it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from .annotations import BoxAnnotation, ClassificationAnnotation, PointAnnotation
from .detections import BoxDetection, ClassificationDetection, PointDetection, SegmentationDetection


def current_datetime() -> str:
    """Local time as nodes write it: `YYYY-MM-DD_HH:MM:SS.mmm`."""
    return datetime.now().isoformat(sep="_", timespec="milliseconds")


@dataclass(kw_only=True, slots=True)
class ImageMetadata:
    """Detections and annotations of one image, its tags, and where and when it was made.

    `created` is an ISO date. `state` is the state that the image gets at the loop (None: its inbox).
    `len()` is the number of detections.
    """

    box_detections: list[BoxDetection] = field(default_factory=list)
    point_detections: list[PointDetection] = field(default_factory=list)
    segmentation_detections: list[SegmentationDetection] = field(default_factory=list)
    classification_detections: list[ClassificationDetection] = field(default_factory=list)

    box_annotations: list[BoxAnnotation] = field(default_factory=list)
    point_annotations: list[PointAnnotation] = field(default_factory=list)
    classification_annotation: ClassificationAnnotation | None = None

    tags: list[str] = field(default_factory=list)
    created: str | None = field(default_factory=current_datetime)
    source: str | None = None
    state: str | None = None

    def __len__(self) -> int:
        return (
            len(self.box_detections)
            + len(self.point_detections)
            + len(self.segmentation_detections)
            + len(self.classification_detections)
        )


@dataclass(kw_only=True, slots=True)
class ImagesMetadata:
    """The metadata of several images, in their order."""

    items: list[ImageMetadata] = field(default_factory=list)
