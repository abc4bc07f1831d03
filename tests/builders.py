"""Test data with good defaults: name only what the test is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

from learning_loop_node.data_classes import (
    BoxDetection,
    Category,
    ClassificationDetection,
    ImageMetadata,
    ModelInformation,
    Point,
    PointDetection,
    SegmentationDetection,
    Shape,
)
from learning_loop_node.enums import CategoryType
from learning_loop_node.settings import LoopSettings, NodeSettings, Settings


def make_box(**changes: Any) -> BoxDetection:
    return BoxDetection(**_detection(x=10, y=20, width=30, height=40) | changes)


def make_point(**changes: Any) -> PointDetection:
    return PointDetection(**_detection(x=15.5, y=25.5) | changes)


def make_segmentation(**changes: Any) -> SegmentationDetection:
    shape = Shape(points=[Point(x=1, y=2), Point(x=30, y=4), Point(x=5, y=60)])
    return SegmentationDetection(**_detection(shape=shape) | changes)


def make_classification(**changes: Any) -> ClassificationDetection:
    return ClassificationDetection(**_detection() | changes)


def make_metadata(**changes: Any) -> ImageMetadata:
    """The metadata of an image with one clear box."""
    return ImageMetadata(**{"box_detections": [make_box()], "created": "2026-01-02_03:04:05.678"} | changes)


def make_category(name: str = "face", **changes: Any) -> Category:
    return Category(**{"id": f"id-of-{name}", "name": name, "type": CategoryType.Box} | changes)


def make_model_information(**changes: Any) -> ModelInformation:
    return ModelInformation(
        **{
            "id": "11111111-1111-4111-8111-111111111111",
            "host": "localhost",
            "organization": "zauberzeug",
            "project": "demo",
            "version": "1.0",
            "categories": [make_category()],
        }
        | changes
    )


def make_settings(data_folder: Path, **groups: Any) -> Settings:
    """Settings of a node with its own folder; give whole groups to change more: `outbox=OutboxSettings(max_size=2)`."""
    defaults = {
        "loop": LoopSettings(host="127.0.0.1:9", organization="zauberzeug", project="demo"),
        "node": NodeSettings(data_folder=data_folder),
    }
    return Settings(**defaults | groups)


def jpeg(width: int = 64, height: int = 48, *, seed: int = 0, quality: int = 90) -> bytes:
    """A small JPEG with soft colours; another `seed` is another picture."""
    return simplejpeg.encode_jpeg(pixels(width, height, seed=seed), quality=quality)  # type: ignore[no-any-return]


def pixels(width: int = 64, height: int = 48, *, seed: int = 0) -> np.ndarray:
    """Height × width × 3 RGB bytes: a colour gradient that depends on the seed."""
    corners = np.random.default_rng(seed).integers(0, 256, (2, 2, 3)).astype(float)
    down, across = np.linspace(0, 1, height)[:, None, None], np.linspace(0, 1, width)[None, :, None]
    top = corners[0, 0] * (1 - across) + corners[0, 1] * across
    bottom = corners[1, 0] * (1 - across) + corners[1, 1] * across
    return np.ascontiguousarray((top * (1 - down) + bottom * down).round().astype(np.uint8))


def _detection(**place: Any) -> dict[str, Any]:
    return {"category_name": "face", "model_name": "1.0", "confidence": 0.9} | place
