"""Adds to metadata what the node knows. What a logic returned stays untouched: it may return the same object again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..data_classes import Category, ImageMetadata, SegmentationDetection


def stamped(metadata: ImageMetadata, tags: Sequence[str], source: str | None, created: str | None) -> ImageMetadata:
    """A copy with further tags, with source and date, and with shapes in the form of the wire."""
    return replace(
        metadata,
        segmentation_detections=[_with_text_shape(entry) for entry in metadata.segmentation_detections],
        tags=[*metadata.tags, *tags],
        source=source,
        created=created,
    )


def with_category_ids(metadata: ImageMetadata, categories: Sequence[Category]) -> ImageMetadata:
    """A copy in which detections and annotations have the id of the category with their name.

    A detection of an unknown name keeps the id it came with, or gets `''`; an annotation keeps what it has.
    """
    ids = {category.name: category.id for category in categories}

    def filled(entries: Sequence[Any], otherwise: str | None) -> list[Any]:
        return [
            replace(entry, category_id=ids.get(entry.category_name, entry.category_id or otherwise))
            for entry in entries
        ]

    annotation = metadata.classification_annotation
    return replace(
        metadata,
        box_detections=filled(metadata.box_detections, ""),
        point_detections=filled(metadata.point_detections, ""),
        segmentation_detections=filled(metadata.segmentation_detections, ""),
        classification_detections=filled(metadata.classification_detections, ""),
        box_annotations=filled(metadata.box_annotations, None),
        point_annotations=filled(metadata.point_annotations, None),
        classification_annotation=filled([annotation], None)[0] if annotation else None,
    )


def fix_shape_detections(metadata: ImageMetadata) -> None:
    """Turn the shapes of these detections into the text of the wire, in place."""
    metadata.segmentation_detections = [_with_text_shape(entry) for entry in metadata.segmentation_detections]


def _with_text_shape(detection: SegmentationDetection) -> SegmentationDetection:
    return detection if isinstance(detection.shape, str) else replace(detection, shape=str(detection.shape))
