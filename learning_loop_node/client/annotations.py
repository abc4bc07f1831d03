"""Annotations of a project's images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data_classes.codec import from_dict
from ..enums import CategoryType
from ..errors import LoopError

GEOMETRY = ("x", "y", "width", "height", "shape")


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotation:
    """What somebody says is in an image.

    `geometry` holds `x`, `y`, `width`, `height` of a box (from its top-left corner), `x`, `y` of a point, or `shape`
    with the `points` of a polygon. Who changes it names its `version`.
    """

    id: str
    kind: CategoryType
    image_id: str
    version: int = 1
    image_version: int | None = None
    category_id: str | None = None
    category_name: str | None = None
    geometry: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)


def annotations_in(image_id: str, image_version: int | None, record: Mapping[str, Any]) -> Sequence[Annotation]:
    """The annotations in the record of an image, as `GET …/images` gives it."""
    return [
        annotation_of(entry | {"kind": kind.value, "image_id": image_id, "image_version": image_version})
        for kind in CategoryType
        for entry in record.get(f"{kind.value}_annotations") or ()
    ]


def annotation_of(entry: Any) -> Annotation:
    """An annotation as the loop describes it; those of foreign loops may lack an id."""
    if not isinstance(entry, dict):
        raise LoopError("the loop described an annotation by something that is no object")
    geometry = {name: entry[name] for name in GEOMETRY if name in entry}
    kind = CategoryType(entry["kind"]) if entry.get("kind") in tuple(CategoryType) else None
    known = {key: value for key, value in entry.items() if value is not None}
    return from_dict(Annotation, {"id": ""} | known | {"kind": kind, "geometry": geometry})
