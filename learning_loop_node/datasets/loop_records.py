"""A data set's images as a loop takes and gives them: plain objects, as in `POST …/images` and `GET …/images`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..data_classes import codec
from ..enums import CategoryType
from .dataset import (
    Box,
    DatasetAnnotation,
    DatasetCategory,
    DatasetImage,
    Geometry,
    Number,
    Outline,
    Point,
    Properties,
    Whole,
)

LARGEST_PROPERTIES_BYTES = 64 * 1024
"""So much JSON a loop keeps with an image, and with an annotation."""

_PUBLIC_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_public_id(id_: str) -> bool:
    """Whether a loop can call an image or an annotation like this."""
    return _PUBLIC_ID.fullmatch(id_) is not None


def are_small(properties: Properties) -> bool:
    """Whether a loop keeps them with an image or an annotation."""
    return len(codec.to_json(properties)) <= LARGEST_PROPERTIES_BYTES


def with_small_properties(image: DatasetImage) -> DatasetImage:
    """The same image, where what a loop would not keep is left out."""

    def small(properties: Properties) -> Properties:
        return properties if are_small(properties) else {}

    annotations = [replace(annotation, properties=small(annotation.properties)) for annotation in image.annotations]
    return replace(image, properties=small(image.properties), annotations=annotations)


def key_of(image: DatasetImage, content: bytes) -> str:
    """By which the loop recognises an image when it is imported again."""
    digest = hashlib.sha256(image.id.encode(errors="surrogatepass") + b"\0" + content)
    return f"import-{digest.hexdigest()[:40]}"


def metadata_of(
    image: DatasetImage,
    categories: Mapping[str, tuple[str, str]],
    *,
    keep_ids: bool,
    state: str | None = None,
    tags: Sequence[str] = (),
) -> dict[str, Any]:
    """What is sent with an image. `categories` are ids and names in the loop by ids in the data set.

    Ids that the loop cannot have are left out, and it chooses. Without a `state` of its own, the image gets this one.
    """
    values: dict[str, Any] = {
        "set": image.set,
        "state": image.state or state,
        "name": image.name,
        "source": image.source,
        "created": image.created,
        "tags": list(dict.fromkeys([*image.tags, *tags])),
        "properties": image.properties,
    }
    metadata = {key: value for key, value in values.items() if value is not None}
    if keep_ids and is_public_id(image.id):
        metadata["id"] = image.id
    for annotation in image.annotations:
        category_id, category_name = categories[annotation.category_id]
        entry = {"category_id": category_id, "category_name": category_name, "properties": annotation.properties}
        if keep_ids and is_public_id(annotation.id):
            entry["id"] = annotation.id
        metadata.setdefault(f"{annotation.type}_annotations", []).append(entry | _geometry_record(annotation.geometry))
    return metadata


def image_of(
    record: Mapping[str, Any], annotations: Sequence[DatasetAnnotation], *, width: int, height: int
) -> DatasetImage:
    """An image as the loop describes it."""
    return DatasetImage(
        id=record["id"],
        width=width,
        height=height,
        name=record.get("name"),
        set=record.get("set"),
        state=record.get("state"),
        tags=list(record.get("tags") or ()),
        source=record.get("source"),
        created=record.get("created"),
        properties=dict(record.get("properties") or {}),
        annotations=list(annotations),
    )


def annotation_of(
    id_: str, category: DatasetCategory, geometry: Mapping[str, Any], properties: Properties
) -> DatasetAnnotation:
    """An annotation as the loop describes it; whole numbers become integers."""
    return DatasetAnnotation(
        id=id_, category_id=category.id, geometry=_geometry(category.type, geometry), properties=dict(properties)
    )


def _geometry(type_: CategoryType, values: Mapping[str, Any]) -> Geometry:
    match type_:
        case CategoryType.Box:
            return Box(**{name: _number(values[name]) for name in ("x", "y", "width", "height")})
        case CategoryType.Point:
            return Point(x=_number(values["x"]), y=_number(values["y"]))
        case CategoryType.Segmentation:
            return Outline(points=[(_number(p["x"]), _number(p["y"])) for p in values["shape"]["points"]])
        case _:
            return Whole()


def _geometry_record(geometry: Geometry) -> dict[str, Any]:
    match geometry:
        case Box(x=x, y=y, width=width, height=height):
            return {"x": x, "y": y, "width": width, "height": height}
        case Point(x=x, y=y):
            return {"x": x, "y": y}
        case Outline(points=points):
            return {"shape": {"points": [{"x": x, "y": y} for x, y in points]}}
        case _:
            return {}


def _number(value: Number) -> Number:
    return int(value) if isinstance(value, float) and value.is_integer() else value
