"""Reads COCO data sets, ours and those of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...enums.datasets import Shapes
from ...errors import DatasetError
from ..checks import check_categories, check_content, check_image
from ..dataset import Dataset, DatasetCategory, DatasetImage
from ..files import read, relative
from ..objects import classes_of
from ..records import OURS, category_from, fill_image, properties_from
from .categories import foreign_categories
from .fields import COCO, OF_IMAGES, other_fields
from .layout import find_splits
from .objects import ObjectReader
from .source import Entry, SplitSource, load_split


def read_coco(folder: Path, *, shapes: Shapes = Shapes.Auto) -> Dataset:
    """A data set; its JSON files are read now, the images and what is marked in them as one goes through it.

    Ids that are numbers become texts; what COCO knows and a loop does not goes into properties, from where `CocoWriter`
    takes it back. `DatasetError` names file and field of what is wrong.
    """
    splits, notes = find_splits(folder)
    sources = [load_split(split, folder) for split in splits]
    categories, class_ids = _categories(sources, shapes)
    check_categories(categories)
    images = CocoImages(folder, sources, categories, class_ids, shapes)
    return Dataset(categories=categories, images=images, properties=_properties(sources), notes=notes)


@dataclass(slots=True)
class CocoImages:
    """The images of all splits; going through them reads and checks one after the other."""

    folder: Path
    sources: Sequence[SplitSource]
    categories: Sequence[DatasetCategory]
    class_ids: dict[Any, str]
    shapes: Shapes

    def __len__(self) -> int:
        return sum(len(source.images) for source in self.sources)

    def __iter__(self) -> Iterator[DatasetImage]:
        by_id = {category.id: category for category in self.categories}
        shared = _shared_ids([list(source.images) for source in self.sources])
        shared_annotations = _shared_ids([[e["id"] for e in source.all_annotations()] for source in self.sources])
        seen: set[str] = set()
        for source in self.sources:
            prefix = f"{source.split.name or 'default'}-"
            reader = ObjectReader(
                classes=classes_of(self.categories),
                class_ids=self.class_ids,
                shapes=self.shapes,
                label=source.label,
                prefix_of=lambda id_, prefix=prefix: prefix if id_ in shared_annotations else "",  # type: ignore[misc]
            )
            licenses = _by_id(source.others.get("licenses"))
            for coco_id, entry in source.images.items():
                image = self._image(
                    source, entry, f"{prefix}{coco_id}" if coco_id in shared else str(coco_id), licenses
                )
                if image.id in seen:
                    raise DatasetError(f"{source.label}: two images have the id {image.id!r}")
                seen.add(image.id)
                for annotation in source.annotations.get(coco_id, []):
                    image.annotations += reader.read(annotation, image)
                check_image(image, by_id)
                yield image

    def _image(self, source: SplitSource, entry: Entry, id_: str, licenses: dict[Any, Any]) -> DatasetImage:
        where = f"{source.label}: image {entry['id']!r}"
        name = entry.get("file_name")
        if not isinstance(name, str):
            raise DatasetError(f"{where}.file_name is {name!r}; it must name the image")
        try:
            file = source.split.image_file(name)
        except DatasetError as error:
            raise DatasetError(f"{where}.file_name {error}") from error
        if file is None:
            places = ", ".join(relative(place, self.folder) for place in source.split.image_folders)
            raise DatasetError(f"{where}: there is no {name!r} in {places}; put it there, or take its entry out")
        sizes = [entry.get("width"), entry.get("height")]
        for key, size in zip(("width", "height"), sizes, strict=True):
            if size is not None and (type(size) is not int or size < 1):
                raise DatasetError(f"{where}.{key} is {size!r}; it must be a whole number above 0")
        label = relative(file, self.folder)
        _, width, height = check_content(label, read(file, label), *sizes)
        image = DatasetImage(id=id_, name=name, width=width, height=height, set=source.split.set, file=file)
        if OURS in entry:
            fill_image(image, entry[OURS], f"{where}.{OURS}")
        else:
            image.properties = {COCO: _foreign_image(entry, licenses)}
        return image


def _foreign_image(entry: Entry, licenses: dict[Any, Any]) -> dict[str, Any]:
    known = {"id": entry["id"]}
    fields = other_fields(entry, OF_IMAGES)
    license_ = licenses.get(fields.get("license")) if isinstance(fields.get("license"), int | str) else None
    return known | ({"fields": fields} if fields else {}) | ({"license": license_} if license_ else {})


def _categories(sources: Sequence[SplitSource], shapes: Shapes) -> tuple[list[DatasetCategory], dict[Any, str]]:
    """All categories, and by COCO's ids the ids of ours."""
    entries: dict[Any, Entry] = {}
    for source in sources:
        for id_, entry in source.categories.items():
            if not isinstance(entry.get("name"), str) or not entry["name"]:
                raise DatasetError(f"{source.label}: category {id_!r} has no name")
            known = entries.setdefault(id_, entry)
            if known["name"] != entry["name"]:
                raise DatasetError(
                    f"{source.label}: category {id_!r} is {entry['name']!r}, in another split {known['name']!r}; "
                    "give the categories the same ids in all splits"
                )
            entries[id_] = known | entry
    foreign = {id_: entry for id_, entry in entries.items() if OURS not in entry}
    ours = _ours(sources, {id_: entry for id_, entry in entries.items() if OURS in entry})
    found, class_ids = foreign_categories(foreign, sources, shapes)
    return [*ours[0], *found], ours[1] | class_ids


def _ours(sources: Sequence[SplitSource], entries: dict[Any, Entry]) -> tuple[list[DatasetCategory], dict[Any, str]]:
    records: dict[str, DatasetCategory] = {}
    for source in sources:
        for index, record in enumerate((source.ours or {}).get("categories") or []):
            category = category_from(record, f"{source.label}: {OURS}.categories[{index}]")
            records.setdefault(category.id, category)
    class_ids: dict[Any, str] = {}
    for id_, entry in entries.items():
        known = records.get(entry[OURS].get("id")) if isinstance(entry[OURS], dict) else None
        if known is None or known.name != entry["name"]:
            raise DatasetError(
                f"category {id_!r} ({entry['name']!r}) is not the one of {OURS}.categories; "
                f"take its key {OURS!r} out to have it read as any other"
            )
        class_ids[id_] = known.id
    return list(records.values()), class_ids


def _properties(sources: Sequence[SplitSource]) -> dict[str, Any]:
    for source in sources:
        if source.ours is not None:
            return properties_from(source.ours, f"{source.label}: {OURS}")
    splits = {source.split.set or "": source.others for source in sources if source.others}
    return {COCO: {"splits": splits}} if splits else {}


def _shared_ids(ids: Sequence[Sequence[Any]]) -> set[Any]:
    """What more than one split uses."""
    if len(ids) < 2:
        return set()
    return {id_ for id_, count in Counter(id_ for some in ids for id_ in some).items() if count > 1}


def _by_id(licenses: Any) -> dict[Any, Any]:
    entries = licenses if isinstance(licenses, list) else []
    return {
        entry["id"]: entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), int | str)
    }
