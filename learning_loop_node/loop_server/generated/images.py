"""The images of a generated project, with what is in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any
from uuid import UUID

import numpy as np

from ...data_classes import Category
from ...enums import CategoryType, ImageState
from ...generator.scenes import Scene, Style, Thing, compose, render
from ...images import encode_jpeg
from ..wire.generator import GeneratorRequest
from ..wire.images import Metadata

KNOWN_ID = "10f7d7d2-4076-7006-af37-fa28a6a848ae"
"""What programs expect the first beautiful image to be called."""

ANNOTATED = (ImageState.Review, ImageState.Complete)
TEST_SHARE = 4
"""One of so many images is for testing, beginning with the second: also few images have both sets."""

SOURCE = "generator"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnImage:
    """A picture, and what is said about it."""

    content: bytes
    width: int
    height: int
    metadata: Metadata


def drawn_images(request: GeneratorRequest, categories: Sequence[Category], model: str | None) -> Iterator[DrawnImage]:
    """All images of a project, one after the other; the same request always gives the same.

    Without `model` there are no detections.
    """
    states = [state for state in ImageState if state is not ImageState.Trash for _ in range(getattr(request, state))]
    for number, state in enumerate(states):
        scene = _scene(request, categories, number)
        found = _detections(request, scene, model) if model is not None else {}
        told = {
            "id": image_id(request.image_style, request.seed, number),
            "set": "test" if number % TEST_SHARE == 1 else "train",
            "state": state,
            "source": SOURCE,
            "name": f"{request.image_style}-{request.seed}-{number}.jpg",
            "tags": [f"tag {number % request.tags + 1}"] if request.tags else [],
        }
        yield DrawnImage(
            content=encode_jpeg(render(scene, request.image_style)),
            width=scene.width,
            height=scene.height,
            metadata=Metadata.model_validate(told | found | _annotations(request, scene, state)),
        )


def image_id(style: Style, seed: int, number: int) -> str:
    """The same for the same picture in every project."""
    if (style, seed, number) == (Style.Beautiful, 0, 0):
        return KNOWN_ID
    return str(UUID(bytes=hashlib.sha256(f"{style}/{seed}/{number}".encode()).digest()[:16]))


def _scene(request: GeneratorRequest, categories: Sequence[Category], number: int) -> Scene:
    shown: list[Category] = []
    for kind in (CategoryType.Box, CategoryType.Point, CategoryType.Segmentation):
        some = [category for category in categories if category.type == kind]
        wanted = [request.count_of(kind, "detections"), request.count_of(kind, "annotations")]
        shown += islice(cycle(some), max(len(some), *(count or 0 for count in wanted)))
    whole = [category for category in categories if category.type == CategoryType.Classification]
    return compose(
        shown,
        seed=request.seed + number,
        whole=whole[number % len(whole)] if whole else None,
        width=request.width,
        height=request.height,
    )


def _annotations(request: GeneratorRequest, scene: Scene, state: ImageState) -> dict[str, list[dict[str, Any]]]:
    result: dict[str, list[dict[str, Any]]] = {}
    for kind in CategoryType:
        truth = _truth(scene, kind)
        count = request.count_of(kind, "annotations")
        result[f"{kind.value}_annotations"] = truth[: len(truth) * (state in ANNOTATED) if count is None else count]
    return result


def _detections(request: GeneratorRequest, scene: Scene, model: str) -> dict[str, list[dict[str, Any]]]:
    """What a rather good model would find."""
    rng = np.random.default_rng([scene.seed, 2])
    result: dict[str, list[dict[str, Any]]] = {}
    for kind in CategoryType:
        truth = _truth(scene, kind)[: request.count_of(kind, "detections")]
        result[f"{kind.value}_detections"] = [
            _shaken(rng, entry, scene) | {"model_name": model, "confidence": round(float(rng.uniform(0.3, 1)), 3)}
            for entry in truth
        ]
    return result


def _truth(scene: Scene, kind: CategoryType) -> list[dict[str, Any]]:
    if kind is CategoryType.Classification:
        return [_names(scene.whole)] if scene.whole else []
    return [_names(thing.category) | _place(thing) for thing in scene.of(kind)]


def _names(category: Category) -> dict[str, Any]:
    return {"category_name": category.name, "category_id": category.id}


def _place(thing: Thing) -> dict[str, Any]:
    match thing.category.type:
        case CategoryType.Point:
            x, y = thing.center
            return {"x": x, "y": y}
        case CategoryType.Segmentation:
            return {"shape": {"points": [{"x": x, "y": y} for x, y in thing.outline]}}
        case _:
            return {"x": thing.x, "y": thing.y, "width": thing.width, "height": thing.height}


def _shaken(rng: np.random.Generator, entry: dict[str, Any], scene: Scene) -> dict[str, Any]:
    """An entry a little beside its place, inside the image."""
    result = dict(entry)
    for name, size, limit in (("x", "width", scene.width), ("y", "height", scene.height)):
        if name in entry:
            low = max(0, entry[name] - 3)
            result[name] = min(low + int(rng.integers(0, 6)), limit - entry.get(size, 1))
    return result
