"""Which category of a project is meant by one of a data set."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import DatasetError

if TYPE_CHECKING:
    from ..datasets import DatasetCategory
    from .categories import StoredCategory


@dataclass(slots=True)
class Matches:
    """`known` has ids and names in the project by ids in the data set; `missing` are those to be made."""

    known: dict[str, tuple[str, str]] = field(default_factory=dict)
    missing: list[DatasetCategory] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def match_categories(
    wanted: Sequence[DatasetCategory], there: Sequence[StoredCategory], used: Collection[str]
) -> Matches:
    """Match by id, then by name and type. An id that is a mere number says nothing if the names differ.

    Raises `DatasetError` where a name is taken by a category of another type, or by another category of the data set;
    of those that are not `used` only a note is made.
    """
    matches = Matches()
    by_id = {category.id: category for category in there}
    by_name = {category.name: category for category in there}
    taken = set(by_name)
    for category in wanted:
        same = by_id.get(category.id)
        if same is not None and same.type == category.type and (same.name == category.name or not _is_number(same.id)):
            matches.known[category.id] = same.id, same.name
            continue
        named = by_name.get(category.name)
        if named is not None and named.type == category.type and named.id not in dict(matches.known.values()):
            matches.known[category.id] = named.id, named.name
        elif category.name not in taken:
            taken.add(category.name)
            matches.missing.append(category)
        else:
            other = f"one of type {named.type}" if named is not None else "another one of the data set"
            text = f"category {category.name!r} ({category.id}, type {category.type}) has the name of {other}"
            if category.id in used:
                raise DatasetError(f"{text}; names are unique in a project: rename one of them")
            matches.notes.append(f"{text}; it is not imported, since nothing is marked with it")
    return matches


def as_new(category: DatasetCategory, ids: Mapping[str, str], taken: Collection[str]) -> dict[str, Any]:
    """What is sent to make a category. `ids` are those in the project by those in the data set."""
    from ..datasets.objects import KEYPOINT_OF

    values = {
        "id": category.id if category.id not in taken else None,
        "name": category.name,
        "type": category.type.value,
        "description": category.description,
        "hotkey": category.hotkey,
        "color": category.color,
        "point_size": category.point_size,
        "properties": category.properties,
    }
    owner = category.properties.get(KEYPOINT_OF)
    if isinstance(owner, str) and owner in ids:
        values["properties"] = category.properties | {KEYPOINT_OF: ids[owner]}
    return {key: value for key, value in values.items() if value is not None}


def _is_number(id_: str) -> bool:
    return id_.replace("/", "").isdecimal()
