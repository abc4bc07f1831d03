"""`learning_loop.jsonl`: what YOLO cannot say, a line for the data set and one per image.

Every label line is found again by a hash of its text, so that ids stay with their lines when another program sorts or
adds some, and go with those that it changes.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...data_classes import codec
from ...errors import DatasetError
from ..dataset import DatasetAnnotation, DatasetCategory, DatasetImage, Properties
from ..files import read
from ..records import OURS, category_from, category_record, image_record, parse, part_records, properties_from

NAME = f"{OURS}.jsonl"


def dataset_line(categories: Iterable[DatasetCategory], properties: Properties, folders: dict[str, str]) -> bytes:
    """The first line; `folders` are those of a classification, by category id."""
    record = {"categories": [category_record(c) for c in categories], "properties": properties, "folders": folders}
    return codec.to_json({"dataset": record}) + b"\n"


def image_line(file: str, image: DatasetImage, objects: Sequence[tuple[str, Sequence[DatasetAnnotation]]]) -> bytes:
    """A line about the image in this file, and its label lines with the annotations that they hold."""
    parts = [[hash_of(line), part_records(members)] for line, members in objects]
    return codec.to_json({"file": file, "set": image.set, "image": image_record(image), "objects": parts}) + b"\n"


def hash_of(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()[:12]


@dataclass(slots=True)
class ImageNotes:
    """What is noted about an image; `take` gives the records of a label line, as often as it was written."""

    record: Any
    set: Any
    where: str
    _parts: defaultdict[str, deque[Any]] = field(default_factory=lambda: defaultdict(deque))

    def take(self, line: str) -> Any:
        """None for a line that is not ours."""
        queue = self._parts.get(hash_of(line))
        return queue.popleft() if queue else None


@dataclass(slots=True)
class Sidecar:
    """The file as a whole; the images' lines are parsed when they are asked for."""

    categories: list[DatasetCategory] = field(default_factory=list)
    properties: Properties = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    _lines: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def of(self, file: str) -> ImageNotes | None:
        """What is noted about the image in this file."""
        if file not in self._lines:
            return None
        number, line = self._lines[file]
        where = f"{NAME}, line {number}"
        values = parse(line, where)
        notes = ImageNotes(values.get("image"), values.get("set"), where)
        objects = values.get("objects")
        if not isinstance(objects, list):
            raise DatasetError(f"{where}: objects must be a list; take the line out to go without it")
        for entry in objects:
            if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], list)):
                raise DatasetError(f"{where}: objects must hold pairs; take the line out to go without it")
            notes._parts[str(entry[0])].append(entry[1])
        return notes


def read_sidecar(folder: Path) -> Sidecar | None:
    """None if the data set is not ours."""
    if not (folder / NAME).is_file():
        return None
    sidecar = Sidecar()
    for number, line in enumerate(read(folder / NAME, NAME).splitlines(), 1):
        values = parse(line, f"{NAME}, line {number}")
        if not isinstance(values, dict) or not ({"dataset", "file"} & values.keys()):
            raise DatasetError(f"{NAME}, line {number} is no object with 'dataset' or 'file'; take it out")
        if "dataset" in values:
            where = f"{NAME}, line {number}: dataset"
            record = values["dataset"] if isinstance(values["dataset"], dict) else {}
            categories = record.get("categories") or []
            sidecar.categories = [category_from(c, f"{where}.categories[{i}]") for i, c in enumerate(categories)]
            sidecar.properties = properties_from(record, where)
            sidecar.folders = {str(key): str(value) for key, value in dict(record.get("folders") or {}).items()}
        else:
            sidecar._lines[str(values["file"])] = number, line
    return sidecar
