"""Writes COCO data sets that other programs read, and we get back as they were."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from ...data_classes import codec
from ...enums import CategoryType
from ..dataset import DatasetCategory, DatasetImage, Outline, Properties, Whole
from ..files import FileNames
from ..objects import KEYPOINTS, SKELETON, MarkedObject, fingerprint, objects_of
from ..records import OURS, category_record, image_record, part_records
from ..writer import Writer, Written
from .fields import GEOMETRY, OF_ANNOTATIONS, OF_CATEGORIES, OF_IMAGES, foreign_fields, of_coco, standard_fields
from .ids import Numbers, class_numbers

INSTANCES, WITH_KEYPOINTS, LABELS = "instances", "person_keypoints", "labels"


class CocoWriter(Writer):
    """Writes `images/<set>/` and `annotations/<kind>_<set>.json`: `instances` has the boxes and outlines,
    `person_keypoints` what has keypoints (as COCO calls it, whatever it is), `labels` the classifications.
    """

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
        self._numbers = class_numbers(self._classes.categories)
        self._splits: dict[str | None, _Split] = {}

    def _add(self, image: DatasetImage, content: bytes, image_format: str) -> None:
        split = self._split(image.set)
        name = split.names.take(image.name, image.id, image_format)
        file = self._folder / "images" / split.name / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        number = split.image_numbers.take(image.id, image.properties)
        fields = split.with_license(
            foreign_fields(image.properties, OF_IMAGES), of_coco(image.properties).get("license")
        )
        sizes = {"file_name": name, "width": image.width, "height": image.height}
        for kind in self._kinds():
            split.put(kind, "images", fields | {"id": number} | sizes | {OURS: image_record(image)})
        self.written.images += 1
        for thing in objects_of(image.annotations, self._classes):
            self._add_object(split, thing, image, number)

    def finish(self) -> Written:
        if not self._splits:
            self._split(None)
        for split in self._splits.values():
            for kind in self._kinds():
                split.assemble(kind, self._head(split, kind))
        self._open.close()
        self.written.categories = len(self._categories)
        return self.written

    def _add_object(self, split: _Split, thing: MarkedObject, image: DatasetImage, image_number: Any) -> None:
        if not self._fits(thing, image):
            return
        category = self._classes.by_id[thing.class_id]
        first = thing.members[0]
        count = len(self._classes.names_of(category))
        standard = standard_fields(thing, count, image.width, image.height, category.point_size)
        kept = of_coco(first.properties).get("kept")
        if isinstance(kept, dict) and kept.get("geometry") == fingerprint(thing):
            standard |= {key: value for key, value in kept.items() if key in GEOMETRY}
        entry = (
            standard
            | foreign_fields(first.properties, OF_ANNOTATIONS)
            | {
                "id": split.annotation_numbers.take(first.id, first.properties),
                "image_id": image_number,
                "category_id": self._numbers[thing.class_id],
                OURS: {"parts": part_records(thing.members)},
            }
        )
        if isinstance(first.geometry, Whole):
            split.put(LABELS, "annotations", entry)
        else:
            if count:
                split.put(WITH_KEYPOINTS, "annotations", entry)
            if thing.parts:
                split.put(INSTANCES, "annotations", entry)
        self.written.annotations.update(str(member.type) for member in thing.members)

    def _fits(self, thing: MarkedObject, image: DatasetImage) -> bool:
        for part in thing.parts:
            if isinstance(part.geometry, Outline) and len(part.geometry.points) < 3:
                self._unfit(
                    "COCO has no outline of fewer than three corners",
                    f"image {image.id!r}, annotation {part.id!r}",
                    "correct it",
                )
                return False
        return True

    def _kinds(self) -> list[str]:
        """Which files there are."""
        kinds = [INSTANCES]
        if self._classes.keypoints:
            kinds.append(WITH_KEYPOINTS)
        if any(category.type == CategoryType.Classification for category in self._categories):
            kinds.append(LABELS)
        return kinds

    def _head(self, split: _Split, kind: str) -> dict[str, Any]:
        head = dict(self._others(split.set)) or {"info": {"description": "learning loop"}}
        head["licenses"] = split.licenses
        head["categories"] = [self._category(c) for c in self._classes.categories if self._is_in(c, kind)]
        head[OURS] = {"categories": [category_record(c) for c in self._categories], "properties": self._properties}
        return head

    def _others(self, set_: str | None) -> dict[str, Any]:
        """What a foreign data set said beside its lists."""
        splits = of_coco(self._properties).get("splits")
        others = splits.get(set_ or "") if isinstance(splits, dict) else None
        return others if isinstance(others, dict) else {}

    def _known_licenses(self, set_: str | None) -> list[Any]:
        known = self._others(set_).get("licenses")
        return known if isinstance(known, list) else []

    def _is_in(self, category: DatasetCategory, kind: str) -> bool:
        if category.type == CategoryType.Classification:
            return kind == LABELS
        if kind == WITH_KEYPOINTS:
            return category.id in self._classes.keypoints
        return kind == INSTANCES and category.type != CategoryType.Point

    def _category(self, category: DatasetCategory) -> dict[str, Any]:
        entry: dict[str, Any] = {"id": self._numbers[category.id], "name": category.name, "supercategory": ""}
        entry |= foreign_fields(category.properties, OF_CATEGORIES)
        if names := self._classes.names_of(category):
            entry |= {KEYPOINTS: names, SKELETON: category.properties.get(SKELETON, [])}
        return entry | {OURS: {"id": category.id}}

    def _split(self, set_: str | None) -> _Split:
        if set_ not in self._splits:
            folder = self._folder / "annotations"
            folder.mkdir(exist_ok=True)
            self._splits[set_] = _Split(set_, folder, self._kinds(), self._known_licenses(set_), self._open)
        return self._splits[set_]


class _Split:
    """The JSON files of one split while they grow: one file per list, put together in the end."""

    def __init__(self, set_: str | None, folder: Path, kinds: list[str], licenses: list[Any], open_: ExitStack) -> None:
        self.set = set_
        self.name = set_ or "default"
        self.names = FileNames(by_stem=False)
        self.image_numbers = Numbers()
        self.annotation_numbers = Numbers()
        self._folder = folder
        self.licenses = list(licenses)
        self._licenses = {entry["id"]: entry for entry in licenses if isinstance(entry, dict) and "id" in entry}
        self._lists: dict[tuple[str, str], BinaryIO] = {
            (kind, key): open_.enter_context((folder / f".{kind}_{self.name}.{key}").open("w+b"))
            for kind in kinds
            for key in ("images", "annotations")
        }

    def put(self, kind: str, key: str, entry: dict[str, Any]) -> None:
        file = self._lists[kind, key]
        file.write((b",\n" if file.tell() else b"\n") + codec.to_json(entry))

    def with_license(self, fields: dict[str, Any], license_: Any) -> dict[str, Any]:
        """The fields of an image, and its license remembered; under another id if that id means another one already."""
        if not isinstance(license_, dict):
            return fields
        id_ = license_.get("id")
        if not isinstance(id_, int | str):
            return fields
        if self._licenses.get(id_, license_) != license_:
            same = (known for known, other in self._licenses.items() if _same(other, license_))
            id_ = next(same, 1 + max((known for known in self._licenses if isinstance(known, int)), default=0))
        if id_ not in self._licenses:
            self._licenses[id_] = license_ | {"id": id_}
            self.licenses.append(self._licenses[id_])
        return fields | {"license": id_}

    def assemble(self, kind: str, head: dict[str, Any]) -> None:
        """Write the file as others expect it, and take away what it was made of."""
        with (self._folder / f"{kind}_{self.name}.json").open("wb") as whole:
            whole.write(codec.to_json(head)[:-1])
            for key in ("images", "annotations"):
                whole.write(f',\n"{key}": ['.encode())
                part = self._lists[kind, key]
                part.seek(0)
                shutil.copyfileobj(part, whole)
                whole.write(b"\n]")
                part.close()
                (self._folder / f".{kind}_{self.name}.{key}").unlink()
            whole.write(b"}\n")


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return {key: value for key, value in one.items() if key != "id"} == {
        key: value for key, value in other.items() if key != "id"
    }
