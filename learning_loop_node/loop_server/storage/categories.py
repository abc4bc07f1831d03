"""The categories of a project: what may be marked in its images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Delete, Update, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ...enums import CategoryType
from ...errors import InvalidRequestError, NotFoundError, RefusedError
from ..generated.palette import next_colors, next_hotkeys
from ..wire.projects import NewCategory
from . import facets
from .facets import FacetKind
from .projects import categories_of
from .tables import AnnotationRow, CategoryRow, ImageRow, ProjectRow

UNIQUE = ("id", "name", "hotkey")


async def add_categories(
    session: AsyncSession, project: ProjectRow, new: Sequence[NewCategory]
) -> Sequence[CategoryRow]:
    """Add categories behind those there are; what they lack is chosen so that it differs from all others.

    `InvalidRequestError` if two of them have the same id, name or hotkey; `RefusedError` if there is one with it.
    """
    present = await categories_of(session, project)
    for field in UNIQUE:
        _refuse_twins(field, [value for category in new if (value := getattr(category, field))])
        for category in new:
            _refuse_taken(field, getattr(category, field), present)
    entries: list[CategoryRow | NewCategory] = [*present, *new]
    hotkeys = [key for entry in entries if (key := entry.hotkey)]
    colors = [color for entry in entries if (color := entry.color)]
    free_keys = iter(next_hotkeys(hotkeys, sum(entry.hotkey is None for entry in new)))
    free_colors = iter(next_colors(colors, sum(entry.color is None for entry in new)))
    position = max((category.position for category in present), default=-1) + 1
    rows = [
        CategoryRow(
            **category.model_dump()
            | {
                "project_id": project.id,
                "id": category.id or str(uuid4()),
                "type": category.type or CategoryType.Box,
                "hotkey": (next(free_keys) if category.hotkey is None else category.hotkey) or None,
                "color": next(free_colors) if category.color is None else category.color,
                "position": position + number,
                "version": 1,
            }
        )
        for number, category in enumerate(new)
    ]
    session.add_all(rows)
    await session.flush()
    return rows


async def category_of(session: AsyncSession, project: ProjectRow, category_id: str) -> CategoryRow:
    category = await session.get(CategoryRow, (project.id, category_id))
    if category is None:
        raise NotFoundError(f"there is no category {category_id} in {project.organization}/{project.name}")
    return category


async def change_category(
    session: AsyncSession, project: ProjectRow, category: CategoryRow, changes: Mapping[str, Any]
) -> None:
    """Give columns of a category new values. It has no annotations while its type changes."""
    for field in ("name", "type"):
        if field in changes and changes[field] is None:
            raise InvalidRequestError(f"{field} cannot be null: every category has one")
    others = [row for row in await categories_of(session, project) if row.id != category.id]
    for field in UNIQUE:
        _refuse_taken(field, changes.get(field), others)
    if changes.get("type", category.type) != category.type and (count := await count_uses(session, project, category)):
        raise RefusedError(
            f"the category {category.name!r} is used in {count} {category.type} annotations, so that it stays of this "
            "type; make another category instead"
        )
    for field, value in changes.items():
        setattr(category, field, value)
    category.version += 1
    await session.flush()


async def order_categories(session: AsyncSession, project: ProjectRow, ids: Sequence[str]) -> None:
    """Put all categories into this order."""
    rows = {row.id: row for row in await categories_of(session, project)}
    if Counter(ids) != Counter(rows.keys()):
        raise InvalidRequestError(
            f"category_ids must name each of the {len(rows)} categories of the project once, and no others"
        )
    for position, id_ in enumerate(ids):
        rows[id_].position = position
    await session.flush()


async def count_uses(session: AsyncSession, project: ProjectRow, category: CategoryRow) -> int:
    """In how many annotations a category is used, those of images in their grace period among them."""
    query = select(func.count()).select_from(AnnotationRow).where(_marks(project, category))
    return await session.scalar(query) or 0


async def unmark_some(
    session: AsyncSession,
    project: ProjectRow,
    category: CategoryRow,
    count: int,
    *,
    target: CategoryRow | None,
    user: str | None,
) -> int:
    """Let up to so many of its annotations be marked as the target or, without one, delete them; how many that were.

    `InvalidRequestError` if the target is no other category of the same type.
    """
    if target is not None and (category.id == target.id or category.type != target.type):
        raise InvalidRequestError(f"move_to must be another category of type {category.type}, not {target.name!r}")
    query = select(AnnotationRow.number, AnnotationRow.image_number).where(_marks(project, category)).limit(count)
    rows = (await session.execute(query)).all()
    these = AnnotationRow.number.in_([row.number for row in rows])
    if target is None:
        statement: Delete | Update = delete(AnnotationRow).where(these)
    else:
        statement = update(AnnotationRow).where(these)
        statement = statement.values(
            category_id=target.id,
            category_name=target.name,
            version=AnnotationRow.version + 1,
            changed=datetime.now(UTC),
            user=user,
        )
    await session.execute(statement.execution_options(synchronize_session=False))
    await _count_change(session, project, sorted({row.image_number for row in rows}), user)
    return len(rows)


async def delete_category(session: AsyncSession, category: CategoryRow) -> None:
    """Remove a category that no annotation uses."""
    await session.delete(category)
    await session.flush()


def _marks(project: ProjectRow, category: CategoryRow) -> ColumnElement[bool]:
    """The annotations of a category: the same id may be used in another project."""
    return (AnnotationRow.project_id == project.id) & (AnnotationRow.category_id == category.id)


async def _count_change(session: AsyncSession, project: ProjectRow, numbers: Sequence[int], user: str | None) -> None:
    """Say that what is marked in these images has changed."""
    for start in range(0, len(numbers), facets.AT_ONCE):
        await session.execute(
            update(ImageRow)
            .where(ImageRow.number.in_(numbers[start : start + facets.AT_ONCE]))
            .values(version=ImageRow.version + 1, changed=datetime.now(UTC), user=user)
            .execution_options(synchronize_session=False)
        )
    await facets.refresh(session, project.id, numbers, {FacetKind.CATEGORY, FacetKind.ANNOTATED})


def _refuse_twins(field: str, values: Sequence[str]) -> None:
    twins = [value for value, count in Counter(values).items() if count > 1]
    if twins:
        raise InvalidRequestError(f"categories: the {field} {twins[0]!r} occurs twice")


def _refuse_taken(field: str, value: str | None, present: Sequence[CategoryRow]) -> None:
    owner = next((row for row in present if value and getattr(row, field) == value), None)
    if owner is not None:
        raise RefusedError(f"the {field} {value!r} is that of the category {owner.name!r} already; choose another one")
