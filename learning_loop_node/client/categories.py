"""The categories of a project at the loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data_classes import Category
from ..data_classes.codec import from_dict
from .place import Place, entries_of, part_of_path


@dataclass(kw_only=True, slots=True)
class StoredCategory(Category):
    """A category as our loop keeps it. `version` counts its changes, `properties` are yours."""

    properties: dict[str, Any] = field(default_factory=dict)
    version: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class DeletedCategory:
    """How many annotations were moved to another category, or deleted with this one."""

    moved: int = 0
    deleted: int = 0


class Categories:
    """The categories of a project. Whoever gives a `version` gets `RefusedError` if it is no longer true."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def list(self) -> Sequence[StoredCategory]:
        """In their order."""
        return _categories(await self._place.http.json("GET", self._place.path("/categories")))

    async def add(self, *new: Category | str | dict[str, Any]) -> Sequence[StoredCategory]:
        """Add categories, all or none. What is missing, as all but the name may be, the loop chooses."""
        path = self._place.path("/categories")
        return _categories(await self._place.http.json("POST", path, json={"categories": list(new)}))

    async def change(self, category_id: str, *, version: int | None = None, **changes: Any) -> StoredCategory:
        """Change fields: `change(id, name="cat", hotkey=None)`. Annotations follow the name."""
        body = changes | ({"version": version} if version is not None else {})
        return from_dict(StoredCategory, await self._place.http.json("PATCH", self._path(category_id), json=body))

    async def order(self, category_ids: Sequence[str], *, version: int | None = None) -> Sequence[StoredCategory]:
        """Put all categories in this order. `version` is that of the project."""
        body = {"category_ids": list(category_ids)} | ({"version": version} if version is not None else {})
        return _categories(await self._place.http.json("PUT", self._place.path("/categories/order"), json=body))

    async def delete(
        self, category_id: str, *, version: int | None = None, move_to: str | None = None, force: bool = False
    ) -> DeletedCategory:
        """Delete a category. One in use is refused, unless `move_to` or `force` says what becomes of annotations."""
        wanted = {"version": version, "move_to": move_to, "force": "true" if force else None}
        parameters = {key: value for key, value in wanted.items() if value is not None}
        return from_dict(
            DeletedCategory, await self._place.http.json("DELETE", self._path(category_id), params=parameters)
        )

    def _path(self, category_id: str) -> str:
        return self._place.path(f"/categories/{part_of_path(category_id)}")


def _categories(answer: Any) -> list[StoredCategory]:
    return [from_dict(StoredCategory, entry) for entry in entries_of(answer, "categories")]
