"""What a foreign COCO category marks: COCO does not say it, its annotations do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...enums import CategoryType
from ...enums.datasets import Shapes
from ...errors import DatasetError
from ..dataset import DatasetCategory
from ..objects import KEYPOINT, KEYPOINT_OF, KEYPOINTS, SKELETON
from .fields import COCO, OF_CATEGORIES, other_fields
from .source import Entry, SplitSource


def foreign_categories(
    entries: Mapping[Any, Entry], sources: Sequence[SplitSource], shapes: Shapes
) -> tuple[list[DatasetCategory], dict[Any, str]]:
    """Our categories for those of COCO, each followed by its keypoints; and the ids by COCO's ids."""
    found: dict[Any, dict[CategoryType, Any]] = {}
    for source in sources:
        for annotation in source.all_annotations():
            if annotation["category_id"] in entries:
                type_ = _type_of(annotation, shapes)
                if type_ is not None:
                    found.setdefault(annotation["category_id"], {}).setdefault(type_, annotation["id"])
    used = {type_ for types in found.values() for type_ in types}
    unused = CategoryType.Segmentation if used == {CategoryType.Segmentation} else CategoryType.Box
    categories: list[DatasetCategory] = []
    for id_, entry in entries.items():
        types = found.get(id_, {unused: None})
        if len(types) > 1:
            examples = " and ".join(f"{type_} (annotation {example})" for type_, example in types.items())
            raise DatasetError(
                f"category {id_!r} ({entry['name']!r}) is used as {examples}; a category marks one kind of thing: "
                "choose with --shapes boxes or --shapes outlines"
            )
        categories += _category(entry, str(id_), next(iter(types)))
    return categories, {id_: str(id_) for id_ in entries}


def has_outline(annotation: Entry) -> bool:
    value = annotation.get("segmentation")
    return isinstance(value, dict | list) and bool(value)


def _type_of(annotation: Entry, shapes: Shapes) -> CategoryType | None:
    """None for an annotation that has keypoints only."""
    has_box = bool(annotation.get("bbox"))
    if has_outline(annotation) and not (shapes == Shapes.Boxes and has_box):
        return CategoryType.Segmentation
    if has_box:
        return CategoryType.Segmentation if shapes == Shapes.Outlines else CategoryType.Box
    return None if annotation.get("keypoints") else CategoryType.Classification


def _category(entry: Entry, id_: str, type_: CategoryType) -> list[DatasetCategory]:
    others = other_fields(entry, OF_CATEGORIES)
    properties: dict[str, Any] = {COCO: {"id": entry["id"]} | ({"fields": others} if others else {})}
    names = entry.get(KEYPOINTS) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DatasetError(f"category {id_} ({entry['name']!r}): keypoints must be a list of names")
    if names:
        properties |= {key: entry[key] for key in (KEYPOINTS, SKELETON) if key in entry}
    return [
        DatasetCategory(id=id_, name=entry["name"], type=type_, properties=properties),
        *(
            DatasetCategory(
                id=f"{id_}/{index}",
                name=f"{entry['name']}/{name}",
                type=CategoryType.Point,
                properties={KEYPOINT_OF: id_, KEYPOINT: index},
            )
            for index, name in enumerate(names)
        ),
    ]
