"""Writes YOLO data sets that Ultralytics trains on, and we get back as they were."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from ...enums import CategoryType
from ...errors import DatasetError
from ..coco.fields import foreign_fields
from ..dataset import SETS, Box, DatasetAnnotation, DatasetCategory, DatasetImage, Number, Outline, Point, Properties
from ..files import FileNames, is_portable
from ..objects import MarkedObject, fingerprint, objects_of, visibility_of
from ..writer import Writer, Written
from .numbers import is_exact, share_of
from .sidecar import NAME, dataset_line, image_line
from .task import Task, task_for

YOLO = "yolo"
"""The property that holds what only YOLO has."""


class YoloWriter(Writer):
    """Writes `data.yaml`, `images/<set>/` and `labels/<set>/`, or `<set>/<class>/` for classification."""

    def __init__(
        self,
        folder: Path,
        categories: Sequence[DatasetCategory],
        properties: Properties | None = None,
        *,
        skip_unfit: bool = False,
        types: Collection[CategoryType] = tuple(CategoryType),
    ) -> None:
        super().__init__(folder, categories, properties, skip_unfit=skip_unfit, types=types)
        self.task = task_for(category.type for category in self._categories)
        self._indexes = {category.id: index for index, category in enumerate(self._classes.categories)}
        self._names: dict[str, FileNames] = {}
        self._splits: set[str] = set()
        self._folders = _class_folders(self._categories) if self.task == Task.Classify else {}
        self._keypoints = max((len(self._classes.names_of(c)) for c in self._classes.categories), default=0)
        self._dimensions = 2 if any(_said(c).get("kpt_dims") == 2 for c in self._classes.categories) else 3
        self._sidecar = self._open.enter_context((folder / NAME).open("wb"))
        self._sidecar.write(dataset_line(self._categories, self._properties, self._folders))

    def finish(self) -> Written:
        self._open.close()
        if self.task == Task.Classify:
            self._make_class_folders()
        else:
            (self._folder / "data.yaml").write_text(self._data_yaml(), encoding="utf-8")
        self.written.categories = len(self._categories)
        if self._splits and "val" not in self._splits:
            note = "no image is of the set val, which Ultralytics asks for; learning-loop images move … --to-set val"
            self.written.notes[note] += 1
        return self.written

    def _add(self, image: DatasetImage, content: bytes, image_format: str) -> None:
        place = self._place_of(image)
        if place is None:
            return
        split, folder = place
        lines = self._lines(image) if self.task != Task.Classify else [("", image.annotations)]
        own = PurePosixPath(image.name).name if image.name and self.task == Task.Classify else image.name
        name = None if own and "images" in PurePosixPath(own).parts[:-1] else own
        names = self._names.setdefault(folder, FileNames(by_stem=True))
        self._splits.add(split)
        file = f"{folder}/{names.take(name, image.id, image_format)}"
        _write(self._folder / file, content)
        if self.task != Task.Classify:
            text = "".join(line + "\n" for line, _ in lines).encode()
            _write(self._folder / PurePosixPath(f"labels{file.removeprefix('images')}").with_suffix(".txt"), text)
        self._sidecar.write(image_line(file, image, lines))
        self.written.images += 1
        if image.set is None:
            self.written.notes["images of no set are in train, since YOLO knows nothing else"] += 1
        self.written.annotations.update(str(member.type) for _, members in lines for member in members)

    def _place_of(self, image: DatasetImage) -> tuple[str, str] | None:
        """The split and the folder of an image; None if it has no place."""
        split = image.set or "train"
        if self.task != Task.Classify:
            return split, f"images/{split}"
        if len(image.annotations) != 1:
            reason = "YOLO has no place for images with several classes"
            if not image.annotations:
                reason = "YOLO has no place for images without a class"
            self._unfit(reason, f"image {image.id!r}", "give it one")
            return None
        return split, f"{split}/{self._folders[image.annotations[0].category_id]}"

    def _lines(self, image: DatasetImage) -> list[tuple[str, Sequence[DatasetAnnotation]]]:
        """The label lines of an image, and what each of them holds."""
        found: list[tuple[str, Sequence[DatasetAnnotation]]] = []
        for thing in objects_of(image.annotations, self._classes):
            if self.task == Task.Segment:
                if len(thing.parts) > 1:
                    self.written.notes["objects with several outlines are one instance for each of them"] += 1
                pieces = [MarkedObject(thing.class_id, [part]) for part in thing.parts]
            else:
                pieces = [thing]
            if foreign_fields(thing.members[0].properties, ()).get("iscrowd"):
                self.written.notes["regions that COCO marks as crowds are usual objects"] += 1
            for piece in pieces:
                line = self._line(piece, image)
                if line is not None:
                    found.append((line, piece.members))
        return found

    def _line(self, thing: MarkedObject, image: DatasetImage) -> str | None:
        """None if it has no place in YOLO and shall be left out."""
        where = f"image {image.id!r}, annotation {thing.members[0].id!r}"
        numbers: list[tuple[Number, int]] = []
        is_over_edge = False
        sizes = (image.width, image.height)
        if self.task == Task.Segment:
            corners = thing.rings[0]
            if len(corners) < 3:
                self._unfit("YOLO has no outline of fewer than three corners", where, "correct it")
                return None
            numbers = [(value, size) for corner in corners for value, size in zip(corner, sizes, strict=True)]
        else:
            category = self._classes.by_id[thing.class_id]
            x, y, width, height = thing.bounds(*sizes, category.point_size)
            numbers = list(zip((x + width / 2, y + height / 2, width, height), sizes * 2, strict=True))
            is_over_edge = x < 0 or y < 0 or x + width > image.width or y + height > image.height
        texts = [share_of(value, size) for value, size in numbers]
        if self.task == Task.Pose:
            triples = self._triples(thing, image, where)
            if triples is None:
                return None
            texts += triples
        if not all(0 <= value <= size for value, size in numbers):
            self._unfit("YOLO has no place for what lies outside of the image", where, "move it inside")
            return None
        if is_over_edge:
            self.written.notes["boxes reach over the edge of their image, where Ultralytics cuts them off"] += 1
        if not all(is_exact(value) for member in thing.members for value in _coordinates(member)):
            self.written.notes["annotations have coordinates rounded to a millionth of a pixel"] += 1
        return " ".join([str(self._indexes[thing.class_id]), *texts])

    def _triples(self, thing: MarkedObject, image: DatasetImage, where: str) -> list[str] | None:
        """The keypoints of an object, zeros for those that are not there."""
        texts: list[str] = []
        unlabelled = self._unlabelled(thing)
        for index in range(self._keypoints):
            point = thing.points.get(index)
            geometry = point.geometry if point is not None else unlabelled.get(index, Point(x=0, y=0))
            assert isinstance(geometry, Point)
            if not (0 <= geometry.x <= image.width and 0 <= geometry.y <= image.height):
                self._unfit("YOLO has no place for what lies outside of the image", where, "move it inside")
                return None
            if self._dimensions == 2 and point is not None and (geometry.x, geometry.y) == (0, 0):
                self._unfit("YOLO without visibility takes a point at 0, 0 for a missing one", where, "move it")
                return None
            texts += [share_of(geometry.x, image.width), share_of(geometry.y, image.height)]
            if self._dimensions == 3:
                texts.append(str(visibility_of(point)) if point is not None else "0")
        return texts

    def _unlabelled(self, thing: MarkedObject) -> dict[int, Point]:
        """Where a foreign data set had put keypoints that it marks as not labelled."""
        kept = _said(thing.members[0])
        if not isinstance(kept.get("unlabelled"), dict) or kept.get("geometry") != fingerprint(thing):
            return {}
        return {int(index): Point(x=place[0], y=place[1]) for index, place in kept["unlabelled"].items()}

    def _data_yaml(self) -> str:
        values: dict[str, Any] = {name: f"images/{name}" for name in SETS if name in self._splits or name == "train"}
        for name in values:
            (self._folder / "images" / name).mkdir(parents=True, exist_ok=True)
            (self._folder / "labels" / name).mkdir(parents=True, exist_ok=True)
        values |= {
            "nc": len(self._classes.categories),
            "names": {index: category.name for index, category in enumerate(self._classes.categories)},
        }
        if self.task == Task.Pose:
            values["kpt_shape"] = [self._keypoints, self._dimensions]
            flips = [_said(c)["flip_idx"] for c in self._classes.categories if "flip_idx" in _said(c)]
            if flips or self._keypoints == 1:
                values["flip_idx"] = flips[0] if flips else [0]
            values["kpt_names"] = {
                index: self._classes.names_of(category) for index, category in enumerate(self._classes.categories)
            }
        return str(yaml.safe_dump(values, sort_keys=False, width=10**9))

    def _make_class_folders(self) -> None:
        for split in self._splits or {"train"}:
            for folder in self._folders.values():
                (self._folder / split / folder).mkdir(parents=True, exist_ok=True)


def _class_folders(categories: Sequence[DatasetCategory]) -> dict[str, str]:
    """By category id; `DatasetError` for names that cannot be folders side by side."""
    taken: dict[str, str] = {}
    for category in categories:
        if not is_portable(category.name) or "/" in category.name:
            raise DatasetError(f"category {category.name!r} cannot be a folder, as YOLO wants it; give it another name")
        if category.name.casefold() in taken:
            raise DatasetError(f"two categories have the name {category.name!r}, which is a folder in YOLO; rename one")
        taken[category.name.casefold()] = category.name
    return {category.id: category.name for category in categories}


def _coordinates(annotation: DatasetAnnotation) -> list[Number]:
    match annotation.geometry:
        case Box(x=x, y=y, width=width, height=height):
            return [x, y, width, height]
        case Point(x=x, y=y):
            return [x, y]
        case Outline(points=points):
            return [value for corner in points for value in corner]
        case _:
            return []


def _said(of: DatasetCategory | DatasetAnnotation) -> dict[str, Any]:
    value = of.properties.get(YOLO)
    return value if isinstance(value, dict) else {}


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
