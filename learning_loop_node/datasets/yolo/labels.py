"""From the label lines of an image to annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...enums import CategoryType
from ...errors import DatasetError
from ..dataset import Box, DatasetAnnotation, DatasetImage, Geometry, Outline, Point
from ..objects import HIDDEN, OBJECT, SEEN, VISIBLE, Classes, MarkedObject, fingerprint
from ..records import part_from
from .numbers import Text, doubt_of, pixels_of, read_share
from .sidecar import ImageNotes
from .task import Task
from .writing import YOLO

BOX_NUMBERS = 4


@dataclass(slots=True)
class LabelReader:
    """Reads label lines; `keypoints` of `dimensions` numbers each follow the box if the task is pose."""

    task: Task
    classes: Classes
    keypoints: int
    dimensions: int

    def read(self, lines: Sequence[str], label: str, image: DatasetImage, notes: ImageNotes | None) -> None:
        """Add what the lines say to the image. `DatasetError` names file and line."""
        for number, line in enumerate(lines, 1):
            if line.strip():
                where = f"{label}, line {number}"
                thing, unlabelled = self._object(line.split(), image, where)
                records = notes.take(line) if notes is not None else None
                if notes is None or records is None or not _take_over(thing, records, notes.where):
                    _name(thing, f"{image.id}#{number}", unlabelled)
                image.annotations += thing.members

    def _object(
        self, texts: list[str], image: DatasetImage, where: str
    ) -> tuple[MarkedObject, dict[int, tuple[Any, Any]]]:
        """The object, with annotations that have no ids yet; and where there are keypoints that do not count."""
        category = self.classes.categories[self._index(texts[0], where)]
        self._check_count(len(texts) - 1, where)
        thing = MarkedObject(category.id)
        if self.task == Task.Segment:
            thing.parts.append(_part(category.id, Outline(points=_corners(texts[1:], image, where))))
            return thing, {}
        if category.type == CategoryType.Box:
            thing.parts.append(_part(category.id, _box(texts[1:5], image, where)))
        unlabelled = {}
        for index, keypoint in self.classes.keypoints.get(category.id, {}).items():
            start = 1 + BOX_NUMBERS + index * self.dimensions
            x, y, *rest = texts[start : start + self.dimensions] if index < self.keypoints else ("0", "0", "0")
            visible = self._visibility(x, y, rest, where)
            values = [read_share(text, where) for text in (x, y)] if visible or rest else [0.0, 0.0]
            place = _pixels(values[0], image.width, x), _pixels(values[1], image.height, y)
            if visible:
                point = _part(keypoint.id, Point(x=place[0], y=place[1]))
                point.properties = {VISIBLE: HIDDEN} if visible == HIDDEN else {}
                thing.points[index] = point
            elif place != (0, 0):
                unlabelled[index] = place
        if not thing.members:
            raise DatasetError(f"{where} marks nothing: none of its keypoints is visible; take it out")
        return thing, unlabelled

    def _index(self, text: Text, where: str) -> int:
        count = len(self.classes.categories)
        try:
            index = int(text) if text.isdecimal() else int(text.removesuffix(".0"))
        except ValueError as error:
            raise DatasetError(f"{where}: {text!r} is no class; a line begins with the index of its class") from error
        if not 0 <= index < count:
            raise DatasetError(f"{where}: there is no class {index}; names in data.yaml has {count} (0 to {count - 1})")
        return index

    def _check_count(self, count: int, where: str) -> None:
        wanted = BOX_NUMBERS + self.keypoints * self.dimensions
        match self.task:
            case Task.Segment if count < 6 or count % 2:
                raise DatasetError(
                    f"{where} has {count} numbers after its class; an outline has x and y of three corners or more. "
                    "Boxes and outlines cannot be mixed"
                )
            case Task.Detect if count != BOX_NUMBERS:
                raise DatasetError(
                    f"{where} has {count} numbers after its class; a box has four: x and y of its centre, width, height"
                )
            case Task.Pose if count != wanted:
                raise DatasetError(f"{where} has {count} numbers after its class; kpt_shape in data.yaml says {wanted}")

    def _visibility(self, x: Text, y: Text, rest: Sequence[Text], where: str) -> int:
        """0 for a keypoint that is not labelled; without visibility, one at 0, 0 or below is not."""
        if not rest:
            is_missing = x.startswith("-") or y.startswith("-") or not any(map(_number, (x, y)))
            return 0 if is_missing else SEEN
        value = _number(rest[0])
        if value not in (0, HIDDEN, SEEN):
            raise DatasetError(f"{where}: {rest[0]!r} is no visibility; it must be 0, 1 or 2")
        return int(value)


def _take_over(thing: MarkedObject, records: Sequence[Any], where: str) -> bool:
    """Let the annotations of a line have the ids that we noted; False if these are not theirs."""
    parts = [part_from(record, f"{where}: objects") for record in records]
    by_category = {member.category_id: member for member in thing.members}
    if any(category_id not in by_category for _, category_id, _ in parts):
        return False
    kept = []
    for id_, category_id, properties in parts:
        member = by_category[category_id]
        member.id, member.properties = id_, properties
        kept.append(member)
    thing.parts = [part for part in thing.parts if part in kept]
    thing.points = {index: point for index, point in thing.points.items() if point in kept}
    return True


def _name(thing: MarkedObject, text: str, unlabelled: dict[int, tuple[Any, Any]]) -> None:
    """Ids and properties for what another program wrote."""
    for part in thing.parts:
        part.id = text
    for index, point in thing.points.items():
        point.id = f"{text}_k{index}"
    if thing.points and thing.parts:
        for member in thing.members:
            member.properties[OBJECT] = text
    if unlabelled:
        places = {str(index): list(place) for index, place in unlabelled.items()}
        thing.members[0].properties[YOLO] = {"geometry": fingerprint(thing), "unlabelled": places}


def _part(category_id: str, geometry: Geometry) -> DatasetAnnotation:
    return DatasetAnnotation(id="", category_id=category_id, geometry=geometry)


def _box(texts: Sequence[Text], image: DatasetImage, where: str) -> Box:
    x, y, width, height = (read_share(text, where) for text in texts)
    if width < 0 or height < 0:
        raise DatasetError(f"{where}: a box cannot have the size {texts[2]} × {texts[3]}")
    return Box(
        x=pixels_of(x - width / 2, image.width, doubt_of(texts[0]) + doubt_of(texts[2]) / 2),
        y=pixels_of(y - height / 2, image.height, doubt_of(texts[1]) + doubt_of(texts[3]) / 2),
        width=_pixels(width, image.width, texts[2]),
        height=_pixels(height, image.height, texts[3]),
    )


def _corners(texts: Sequence[Text], image: DatasetImage, where: str) -> list[tuple[Any, Any]]:
    pairs = zip(texts[::2], texts[1::2], strict=True)
    return [
        (_pixels(read_share(x, where), image.width, x), _pixels(read_share(y, where), image.height, y))
        for x, y in pairs
    ]


def _pixels(value: float, size: int, text: Text) -> Any:
    return pixels_of(value, size, doubt_of(text))


def _number(text: Text) -> float:
    try:
        return float(text)
    except ValueError:
        return -1
