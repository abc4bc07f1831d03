"""Which annotations are one object: an outline in several rings, or a thing with its keypoints.

A loop knows single boxes, points and outlines. Formats that know objects are read into several annotations, which stay
connected by their properties, and are put together again when they are written:

- annotations of one object in an image have the same text as property `object`;
- the rings of an outline have the property `ring`: 0, 1, …;
- a point that is a keypoint belongs to a category with the properties `keypoint_of` (id of the object's category) and
  `keypoint` (its index there); its own property `visible` is 1 if it is hidden by something, 2 (or missing) if not;
- the object's category has the properties `keypoints` (their names) and, if known, `skeleton`.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..enums import CategoryType
from .dataset import Box, DatasetAnnotation, DatasetCategory, Number, Outline, Point

OBJECT, RING, VISIBLE = "object", "ring", "visible"
KEYPOINTS, SKELETON, KEYPOINT_OF, KEYPOINT = "keypoints", "skeleton", "keypoint_of", "keypoint"
HIDDEN, SEEN = 1, 2

USUAL_POINT_SIZE = 10
"""Radius in pixels of a point whose category says nothing."""


@dataclass(frozen=True, slots=True)
class Classes:
    """What formats with objects call categories: ours, but keypoints counted to what they are keypoints of."""

    categories: list[DatasetCategory]
    by_id: dict[str, DatasetCategory]
    """All categories, keypoints as well."""

    places: dict[str, tuple[str, int]]
    """Of every point category the id of its class, and which keypoint of it it is; a point alone is its own."""

    keypoints: dict[str, dict[int, DatasetCategory]]
    """Of every class its keypoints by index."""

    def names_of(self, category: DatasetCategory) -> list[str]:
        """The names of a class's keypoints, none if it has none."""
        if category.type == CategoryType.Point:
            return [category.name]
        return list(category.properties[KEYPOINTS]) if category.id in self.keypoints else []

    def class_of(self, category_id: str) -> str:
        return self.places[category_id][0] if category_id in self.places else category_id


def classes_of(categories: Sequence[DatasetCategory]) -> Classes:
    """Sort the keypoints to their classes."""
    by_id = {category.id: category for category in categories}
    places: dict[str, tuple[str, int]] = {}
    keypoints: dict[str, dict[int, DatasetCategory]] = {}
    for category in categories:
        if category.type != CategoryType.Point:
            continue
        owner, index = by_id.get(str(category.properties.get(KEYPOINT_OF))), category.properties.get(KEYPOINT)
        if owner is not None and _has_place(owner, index) and index not in keypoints.get(owner.id, {}):
            assert type(index) is int
            places[category.id] = owner.id, index
        else:
            owner, index = category, 0
            places[category.id] = category.id, 0
        keypoints.setdefault(owner.id, {})[index] = category
    classes = [category for category in categories if places.get(category.id, (category.id, 0))[0] == category.id]
    return Classes(classes, by_id, places, keypoints)


def _has_place(owner: DatasetCategory, index: Any) -> bool:
    names = owner.properties.get(KEYPOINTS)
    return (
        owner.type in (CategoryType.Box, CategoryType.Segmentation)
        and isinstance(names, list)
        and all(isinstance(name, str) for name in names)
        and type(index) is int
        and 0 <= index < len(names)
    )


@dataclass(slots=True)
class MarkedObject:
    """Annotations that are one thing: `parts` is a box, a statement, or the rings of an outline; or there are only
    keypoints."""

    class_id: str
    parts: list[DatasetAnnotation] = field(default_factory=list)
    points: dict[int, DatasetAnnotation] = field(default_factory=dict)

    @property
    def members(self) -> list[DatasetAnnotation]:
        """All of it, in the order in which formats write it."""
        return [*self.parts, *(self.points[index] for index in sorted(self.points))]

    @property
    def rings(self) -> list[list[tuple[Number, Number]]]:
        return [part.geometry.points for part in self.parts if isinstance(part.geometry, Outline)]

    def bounds(self, width: int, height: int, point_size: int | None) -> tuple[Number, Number, Number, Number]:
        """x, y, width and height of the object; where only points are known, those around them within the image."""
        for part in self.parts:
            if isinstance(part.geometry, Box):
                return part.geometry.x, part.geometry.y, part.geometry.width, part.geometry.height
        corners = [corner for ring in self.rings for corner in ring]
        if corners:
            (left, right), (top, bottom) = ((min(values), max(values)) for values in zip(*corners, strict=True))
        elif self.points:
            around = point_size or USUAL_POINT_SIZE
            xs = [p.geometry.x for p in self.points.values() if isinstance(p.geometry, Point)]
            ys = [p.geometry.y for p in self.points.values() if isinstance(p.geometry, Point)]
            left, right = _widened(min(xs), max(xs), around, width)
            top, bottom = _widened(min(ys), max(ys), around, height)
        else:
            left, top, right, bottom = 0, 0, width, height
        return left, top, right - left, bottom - top


def _widened(low: Number, high: Number, around: int, size: int) -> tuple[Number, Number]:
    return min(max(low - around, 0), low), max(min(high + around, size), high)


def objects_of(annotations: Iterable[DatasetAnnotation], classes: Classes) -> list[MarkedObject]:
    """The objects of an image, in the order of their first annotations."""
    found: list[MarkedObject] = []
    named: dict[tuple[str, str], MarkedObject] = {}
    for annotation in annotations:
        class_id = classes.class_of(annotation.category_id)
        name = annotation.properties.get(OBJECT)
        thing = named.get((name, class_id)) if isinstance(name, str) else None
        if thing is None or not _take(thing, annotation, classes.places):
            thing = MarkedObject(class_id)
            _take(thing, annotation, classes.places)
            found.append(thing)
            if isinstance(name, str):
                named.setdefault((name, class_id), thing)
    for thing in found:
        thing.parts.sort(key=_ring_of)
    return found


def _take(thing: MarkedObject, annotation: DatasetAnnotation, places: Mapping[str, tuple[str, int]]) -> bool:
    """Add an annotation to an object if it has a place there."""
    if annotation.type == CategoryType.Point:
        index = places[annotation.category_id][1]
        return thing.points.setdefault(index, annotation) is annotation
    if thing.parts:
        rings = [part.properties.get(RING) for part in thing.parts]
        ring = annotation.properties.get(RING)
        fits = annotation.type == thing.parts[0].type == CategoryType.Segmentation
        if not fits or type(ring) is not int or ring in rings or not all(type(other) is int for other in rings):
            return False
    thing.parts.append(annotation)
    return True


def _ring_of(annotation: DatasetAnnotation) -> int:
    ring = annotation.properties.get(RING)
    return ring if type(ring) is int else 0


def visibility_of(point: DatasetAnnotation) -> int:
    return HIDDEN if point.properties.get(VISIBLE) == HIDDEN else SEEN


def fingerprint(thing: MarkedObject) -> str:
    """A short text that changes whenever somebody moves something."""
    digest = hashlib.sha256()
    for index, part in [*enumerate(thing.parts), *sorted(thing.points.items())]:
        match part.geometry:
            case Box(x=x, y=y, width=width, height=height):
                values = [x, y, width, height]
            case Point(x=x, y=y):
                values = [x, y, visibility_of(part)]
            case Outline(points=points):
                values = [value for corner in points for value in corner]
            case _:
                values = []
        digest.update(f"{part.type} {index} {len(values)} ".encode() + struct.pack(f"<{len(values)}d", *values))
    return digest.hexdigest()[:16]
