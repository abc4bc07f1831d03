"""How COCO says where an object is: `bbox`, `segmentation`, `area`, `keypoints`.

A foreign data set may say it in other numbers than we would (an area counted in pixels, a mask in run lengths). Those
are kept in the annotation's properties together with a fingerprint of its geometry, and written back as long as nobody
has changed the geometry.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from ...geometry.polygons import signed_area
from ..dataset import Point, Whole
from ..objects import KEYPOINTS, SKELETON, MarkedObject, visibility_of
from ..records import OURS

COCO = "coco"
"""The property that holds what only COCO has: `id`, `fields`, `kept`; of images also `license`."""

OF_IMAGES = ("id", "file_name", "width", "height")
OF_CATEGORIES = ("id", "name", KEYPOINTS, SKELETON)
GEOMETRY = ("bbox", "area", "segmentation", "keypoints", "num_keypoints")
OF_ANNOTATIONS = ("id", "image_id", "category_id", *GEOMETRY)
LARGEST_ID = 2**53


def standard_fields(
    thing: MarkedObject, keypoint_count: int, width: int, height: int, point_size: int | None
) -> dict[str, Any]:
    """The fields as we write them; none for a statement about the whole image."""
    if any(isinstance(part.geometry, Whole) for part in thing.parts):
        return {}
    bbox = thing.bounds(width, height, point_size)
    areas = [abs(signed_area(np.array(ring, dtype=np.float64))) for ring in thing.rings]
    fields: dict[str, Any] = {
        "bbox": list(bbox),
        "area": sum(areas) if areas else bbox[2] * bbox[3],
        "segmentation": [[value for corner in ring for value in corner] for ring in thing.rings],
        "iscrowd": 0,
    }
    if keypoint_count:
        triples: list[Any] = [0, 0, 0] * keypoint_count
        for index, point in thing.points.items():
            if isinstance(point.geometry, Point):
                triples[3 * index : 3 * index + 3] = [point.geometry.x, point.geometry.y, visibility_of(point)]
        fields |= {"keypoints": triples, "num_keypoints": len(thing.points)}
    return fields


def of_coco(properties: dict[str, Any]) -> dict[str, Any]:
    """What COCO said of it, empty if it came from elsewhere."""
    value = properties.get(COCO)
    return value if isinstance(value, dict) else {}


def foreign_fields(properties: dict[str, Any], standard: Collection[str]) -> dict[str, Any]:
    """What COCO said beyond its standard fields."""
    value = of_coco(properties).get("fields")
    return other_fields(value, standard) if isinstance(value, dict) else {}


def other_fields(entry: dict[str, Any], standard: Collection[str]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in standard and key != OURS}


def is_id(value: Any) -> bool:
    """COCO's ids are numbers; some write texts."""
    return (type(value) is int and 0 <= value < LARGEST_ID) or (isinstance(value, str) and value != "")
