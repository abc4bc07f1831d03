"""From an annotation of COCO to ours: its box or the rings of its outline, and its keypoints."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...enums import CategoryType
from ...enums.datasets import Shapes
from ...errors import DatasetError
from ..dataset import Box, DatasetAnnotation, DatasetCategory, DatasetImage, Geometry, Number, Outline, Point, Whole
from ..objects import HIDDEN, OBJECT, RING, SEEN, VISIBLE, Classes, MarkedObject, fingerprint
from ..records import OURS, part_from
from .categories import has_outline
from .fields import COCO, GEOMETRY, OF_ANNOTATIONS, other_fields, standard_fields
from .rle import outlines_of_rle
from .source import Entry

Ring = list[tuple[Number, Number]]


@dataclass(slots=True)
class ObjectReader:
    """Reads the annotations of one split; `prefix_of` says what makes an id unique in the whole data set."""

    classes: Classes
    class_ids: dict[Any, str]
    shapes: Shapes
    label: str
    prefix_of: Callable[[Any], str]

    def read(self, entry: Entry, image: DatasetImage) -> list[DatasetAnnotation]:
        where = f"{self.label}: annotation {entry['id']!r}"
        class_id = self.class_ids[entry["category_id"]]
        category = self.classes.by_id[class_id]
        if OURS in entry and (ours := self._read_ours(entry, image, category, where)) is not None:
            return ours
        return self._read_foreign(entry, image, category, where)

    def _read_ours(
        self, entry: Entry, image: DatasetImage, category: DatasetCategory, where: str
    ) -> list[DatasetAnnotation] | None:
        """What we wrote ourselves; None if another program has changed how many parts the object has."""
        records = entry[OURS].get("parts") if isinstance(entry[OURS], dict) else None
        if not isinstance(records, list):
            raise DatasetError(f"{where}.{OURS}.parts must be a list; take {OURS!r} out to go without it")
        parts = [part_from(record, f"{where}.{OURS}.parts[{index}]") for index, record in enumerate(records)]
        points = self._points(entry, category, where)
        geometries: list[Geometry] = []
        mains = sum(1 for _, category_id, _ in parts if category_id not in self.classes.places)
        if mains:
            geometries += self._mains(entry, image, category, where)
        for _, category_id, _ in parts[mains:]:
            owner, index = self.classes.places.get(category_id, ("", -1))
            if owner != category.id or index not in points:
                return None
            geometries.append(points.pop(index)[0])
        if points or len(geometries) != len(parts) or any(part[1] != category.id for part in parts[:mains]):
            return None
        return [
            DatasetAnnotation(id=id_, category_id=category_id, geometry=geometry, properties=properties)
            for (id_, category_id, properties), geometry in zip(parts, geometries, strict=True)
        ]

    def _read_foreign(
        self, entry: Entry, image: DatasetImage, category: DatasetCategory, where: str
    ) -> list[DatasetAnnotation]:
        thing = MarkedObject(category.id)
        text = f"{self.prefix_of(entry['id'])}{entry['id']}"
        mains = [] if self._has_points_only(entry, category) else self._mains(entry, image, category, where)
        for index, geometry in enumerate(mains):
            properties: dict[str, Any] = {OBJECT: text, RING: index} if len(mains) > 1 else {}
            id_ = f"{text}_{index}" if index else text
            part = DatasetAnnotation(id=id_, category_id=category.id, geometry=geometry, properties=properties)
            thing.parts.append(part)
        for index, (point, visible) in self._points(entry, category, where).items():
            keypoint = self.classes.keypoints[category.id][index]
            hidden = {VISIBLE: HIDDEN} if visible == HIDDEN else {}
            thing.points[index] = DatasetAnnotation(
                id=f"{text}_k{index}", category_id=keypoint.id, geometry=point, properties={OBJECT: text} | hidden
            )
        if not thing.members:
            raise DatasetError(f"{where} marks nothing: it has neither box nor outline nor visible keypoints")
        if len(thing.members) > 1:
            for member in thing.members:
                member.properties[OBJECT] = text
        for member in thing.members:
            member.properties[COCO] = {"id": entry["id"]}
        thing.members[0].properties[COCO] |= self._kept(entry, thing, image, category)
        return thing.members

    def _kept(
        self, entry: Entry, thing: MarkedObject, image: DatasetImage, category: DatasetCategory
    ) -> dict[str, Any]:
        """What we would write otherwise, or not at all."""
        count = len(self.classes.names_of(category))
        standard = standard_fields(thing, count, image.width, image.height, category.point_size)
        kept = {key: entry[key] for key in GEOMETRY if key in entry and standard.get(key) != entry[key]}
        others = other_fields(entry, OF_ANNOTATIONS)
        fields = {key: value for key, value in others.items() if standard.get(key) != value}
        return ({"fields": fields} if fields else {}) | (
            {"kept": {"geometry": fingerprint(thing)} | kept} if kept else {}
        )

    def _has_points_only(self, entry: Entry, category: DatasetCategory) -> bool:
        is_bare = category.type == CategoryType.Point
        return is_bare or (bool(entry.get("keypoints")) and not entry.get("bbox") and not has_outline(entry))

    def _mains(self, entry: Entry, image: DatasetImage, category: DatasetCategory, where: str) -> list[Geometry]:
        match category.type:
            case CategoryType.Classification:
                return [Whole()]
            case CategoryType.Box:
                return [_box(entry, where)]
            case _:
                return [Outline(points=ring) for ring in self._rings(entry, image, where)]

    def _rings(self, entry: Entry, image: DatasetImage, where: str) -> list[Ring]:
        value = entry.get("segmentation")
        if not has_outline(entry):
            box = _box(entry, where)
            right, bottom = box.x + box.width, box.y + box.height
            return [[(box.x, box.y), (right, box.y), (right, bottom), (box.x, bottom)]]
        if isinstance(value, dict):
            rings = outlines_of_rle(value, image.width, image.height, f"{where}.segmentation")
            if not rings:
                raise DatasetError(f"{where}.segmentation is an empty mask; take the annotation out")
            return rings
        assert isinstance(value, list)
        return [_ring(ring, f"{where}.segmentation[{index}]") for index, ring in enumerate(value)]

    def _points(self, entry: Entry, category: DatasetCategory, where: str) -> dict[int, tuple[Point, int]]:
        """The keypoints that are labelled, each with its visibility."""
        names = self.classes.names_of(category)
        values = entry.get("keypoints")
        if values is None or not names:
            return {}
        if not isinstance(values, list) or len(values) != 3 * len(names):
            raise DatasetError(
                f"{where}.keypoints must be {3 * len(names)} numbers: x, y and visibility of "
                f"{len(names)} keypoint{'s' if len(names) > 1 else ''}"
            )
        found: dict[int, tuple[Point, int]] = {}
        for index in range(len(names)):
            x, y, visible = values[3 * index : 3 * index + 3]
            if visible not in (0, HIDDEN, SEEN):
                raise DatasetError(f"{where}.keypoints[{3 * index + 2}] is {visible!r}; visibility is 0, 1 or 2")
            if visible:
                _check([x, y], f"{where}.keypoints", 3 * index)
                found[index] = Point(x=x, y=y), int(visible)
        return found


def _box(entry: Entry, where: str) -> Box:
    bbox = entry.get("bbox")
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise DatasetError(f"{where}.bbox is {bbox!r}; it must be four numbers: x, y, width, height")
    _check(bbox, f"{where}.bbox")
    x, y, width, height = bbox
    if width < 0 or height < 0:
        raise DatasetError(f"{where}.bbox has the size {width}×{height}; it must be x, y, width, height")
    return Box(x=x, y=y, width=width, height=height)


def _ring(values: Any, where: str) -> Ring:
    if not isinstance(values, list) or len(values) < 6 or len(values) % 2:
        raise DatasetError(f"{where} must be x and y of three corners or more, one after the other")
    _check(values, where)
    return list(zip(values[::2], values[1::2], strict=True))


def _check(values: list[Any], where: str, start: int = 0) -> None:
    for index, value in enumerate(values, start):
        if type(value) not in (int, float) or not math.isfinite(value):
            raise DatasetError(f"{where}[{index}] is {value!r}; it must be a finite number")
