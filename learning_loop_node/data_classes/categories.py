"""What a model can find, and finding one of them by index or by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..enums import CategoryType
from .codec import from_dict

if TYPE_CHECKING:
    from .model_information import ModelInformation


@dataclass(kw_only=True, slots=True)
class Category:
    """One kind of thing that is marked in images. `color` is `#RRGGBB`, `point_size` a radius in pixels."""

    id: str
    name: str
    description: str | None = None
    hotkey: str | None = None
    color: str | None = None
    point_size: int | None = None
    type: CategoryType | str | None = None

    @staticmethod
    def from_list(values: Sequence[dict[str, Any]]) -> list[Category]:
        """Categories from JSON objects; raises `InvalidDataError` that names the wrong field."""
        return [from_dict(Category, value) for value in values]


def category_by_index(model_information: ModelInformation, index: int) -> Category:
    """The category at this place of the model's list, as class numbers of a model's output mean it."""
    count = len(model_information.categories)
    if not 0 <= index < count:
        raise ValueError(f"category index {index} is out of range: the model has {count} categories")
    return model_information.categories[index]


def category_by_name(model_information: ModelInformation, name: str) -> Category:
    """The category of this name; raises `ValueError` that lists the names there are."""
    for category in model_information.categories:
        if category.name == name:
            return category
    known = ", ".join(category.name for category in model_information.categories) or "none"
    raise ValueError(f"unknown category {name!r}; the model has: {known}")
