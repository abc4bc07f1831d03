"""The JSON files of a data set as they are, checked as far as one needs to find one's way in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import DatasetError
from ..files import read, relative
from ..records import OURS, parse
from .fields import is_id
from .layout import Split

Entry = dict[str, Any]


@dataclass(slots=True)
class SplitSource:
    """The entries of one split, from all of its files."""

    split: Split
    label: str
    categories: dict[Any, Entry] = field(default_factory=dict)
    images: dict[Any, Entry] = field(default_factory=dict)
    annotations: dict[Any, list[Entry]] = field(default_factory=dict)
    """By the id of the image."""

    others: Entry = field(default_factory=dict)
    ours: Entry | None = None

    def all_annotations(self) -> Iterator[Entry]:
        for entries in self.annotations.values():
            yield from entries


def load_split(split: Split, folder: Path) -> SplitSource:
    """Read all files of a split. What several of them say of the same id is put together, as COCO's own files do."""
    source = SplitSource(split, ", ".join(relative(file, folder) for file in split.files))
    annotations: dict[Any, tuple[Any, Entry]] = {}
    for file in split.files:
        label = relative(file, folder)
        content = parse(read(file, label), label)
        if not isinstance(content, dict) or not isinstance(content.get("images"), list):
            raise DatasetError(f"{label} is no COCO file: it must be an object with a list 'images'; move it elsewhere")
        _merge(source.categories, _entries(content, "categories", label), label)
        _merge(source.images, _entries(content, "images", label), label)
        for id_, (where, entry) in _entries(content, "annotations", label).items():
            if entry.get("image_id") not in source.images:
                raise DatasetError(f"{where}.image_id {entry.get('image_id')!r} (id {id_}) is no image of {label}")
            if entry.get("category_id") not in source.categories:
                raise DatasetError(
                    f"{where}.category_id {entry.get('category_id')!r} (id {id_}) is no category of {label}; "
                    "add it to 'categories', or take the annotation out"
                )
            known = annotations.setdefault(id_, (where, entry))[1]
            if known is not entry:
                _add(known, entry, where)
        for key, value in content.items():
            if key not in ("images", "annotations", "categories", OURS):
                source.others.setdefault(key, value)
        if isinstance(content.get(OURS), dict):
            source.ours = content[OURS]
    for _, entry in annotations.values():
        source.annotations.setdefault(entry["image_id"], []).append(entry)
    return source


def _entries(content: Entry, key: str, label: str) -> dict[Any, tuple[str, Entry]]:
    """By their ids, each with its place for messages."""
    values = content.get(key, [])
    if not isinstance(values, list):
        raise DatasetError(f"{label}: {key} must be a list")
    found: dict[Any, tuple[str, Entry]] = {}
    for index, entry in enumerate(values):
        where = f"{label}: {key}[{index}]"
        if not isinstance(entry, dict):
            raise DatasetError(f"{where} must be an object")
        id_ = entry.get("id")
        if not is_id(id_):
            raise DatasetError(f"{where}.id is {id_!r}; it must be a whole number that nothing else in {key} has")
        if id_ in found:
            raise DatasetError(f"{where}.id {id_!r} is used before; every entry of {key} needs its own")
        found[id_] = where, entry
    return found


def _merge(known: dict[Any, Entry], found: dict[Any, tuple[str, Entry]], label: str) -> None:
    for id_, (where, entry) in found.items():
        if id_ in known:
            _add(known[id_], entry, where)
        else:
            known[id_] = entry


def _add(known: Entry, entry: Entry, where: str) -> None:
    """Put what two files say of one thing together; `DatasetError` where they contradict each other."""
    for key, value in entry.items():
        if known.setdefault(key, value) != value:
            raise DatasetError(
                f"{where}.{key} differs from what another file of the same split says of id {entry['id']!r}; "
                "correct the one or the other, or take one file away"
            )
