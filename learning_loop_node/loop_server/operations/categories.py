"""Categories of a project: added, changed, put in order, deleted."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Depends, Query
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from ...api.operation import Endpoint
from ...errors import InvalidRequestError, RefusedError
from ..access.auth import caller_of
from ..access.rights import Right
from ..loop import Loop
from ..storage import categories, projects
from ..storage.tables import CategoryRow, ProjectRow
from ..wire.projects import (
    CategoryOrder,
    CategoryRecord,
    CategoryRecords,
    ChangedCategory,
    DeletedCategory,
    NewCategories,
)
from .projects import PROJECT, as_categories, category_record

SUBJECT = "categories"
AT_ONCE = 500
"""So many annotations are moved or deleted before somebody else may write something."""


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = CategoryOperations(loop)
    managers = [Depends(loop.auth.needs(Right.MANAGE))]
    return [
        Endpoint(
            method="GET",
            path=f"{PROJECT}/categories",
            run=operations.all,
            access=[Depends(loop.auth.needs(Right.READ))],
            options={"tags": ["projects"], "summary": "The categories of a project"},
        ),
        Endpoint(
            method="POST",
            path=f"{PROJECT}/categories",
            run=operations.add,
            access=managers,
            options={"tags": ["projects"], "summary": "Add categories"},
        ),
        Endpoint(
            method="PUT",
            path=f"{PROJECT}/categories/order",
            run=operations.order,
            access=managers,
            options={"tags": ["projects"], "summary": "Put the categories in another order"},
        ),
        Endpoint(
            method="PATCH",
            path=f"{PROJECT}/categories/{{category_id}}",
            run=operations.change,
            access=managers,
            options={"tags": ["projects"], "summary": "Change a category"},
        ),
        Endpoint(
            method="DELETE",
            path=f"{PROJECT}/categories/{{category_id}}",
            run=operations.delete,
            access=managers,
            options={"tags": ["projects"], "summary": "Delete a category, and move or delete what is marked as it"},
        ),
    ]


class CategoryOperations:
    """Answers requests for categories. Each change counts as a change of the project, too."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def all(self, organization: str, project: str) -> CategoryRecords:
        """All categories, in their order."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            rows = await projects.categories_of(session, row)
        return CategoryRecords(categories=[category_record(entry) for entry in rows])

    async def add(self, organization: str, project: str, new: NewCategories) -> CategoryRecords:
        """Add categories, all of them or, with any error, none; 409 if id, name or hotkey belongs to another one."""
        async with self._loop.database.writing() as session:
            row = await projects.project_named(session, organization, project)
            rows = await categories.add_categories(session, row, as_categories(new.categories))
            row.version += 1
        self._tell(row, [entry.id for entry in rows])
        return CategoryRecords(categories=[category_record(entry) for entry in rows])

    async def order(self, organization: str, project: str, new: CategoryOrder) -> CategoryRecords:
        """Put all categories in this order. Models keep their own: it is that of their training."""
        async with self._loop.database.writing() as session:
            row = await projects.project_named(session, organization, project)
            projects.refuse_changed(f"the project {organization}/{project}", row.version, new.version)
            await categories.order_categories(session, row, new.category_ids)
            row.version += 1
            rows = await projects.categories_of(session, row)
        self._tell(row, new.category_ids)
        return CategoryRecords(categories=[category_record(entry) for entry in rows])

    async def change(
        self, organization: str, project: str, category_id: str, change: ChangedCategory
    ) -> CategoryRecord:
        """Change a category. Annotations follow its name, detections keep what their model said.

        409 if `version` is given and no longer true, if name or hotkey belongs to another category, or if the type
        would change while there are annotations.
        """
        values = change.model_dump(exclude_unset=True, exclude={"version"})
        if "hotkey" in values:
            values["hotkey"] = values["hotkey"] or None
        if "properties" in values:
            values["properties"] = values["properties"] or {}
        async with self._loop.database.writing() as session:
            row = await projects.project_named(session, organization, project)
            category = await categories.category_of(session, row, category_id)
            projects.refuse_changed(f"the category {category.name!r}", category.version, change.version)
            await categories.change_category(session, row, category, values)
            row.version += 1
        self._tell(row, [category_id])
        return category_record(category)

    async def delete(
        self,
        organization: str,
        project: str,
        category_id: str,
        request: Request,
        version: int | None = Query(default=None, ge=1, description="Only if the category still has this one."),
        move_to: str | None = Query(
            default=None, max_length=256, description="Id of the category that takes over its annotations."
        ),
        force: bool = Query(default=False, description="Delete its annotations, too."),
    ) -> DeletedCategory:
        """Delete a category. While it is used in annotations, say by `move_to` or `force` what becomes of them.

        Of many annotations some are moved or deleted at a time. Should that be interrupted, the category is still there
        with the others; repeat it then.
        """
        if force and move_to is not None:
            raise InvalidRequestError("move_to and force exclude each other: are the annotations to be kept or not?")
        result, user = DeletedCategory(), caller_of(request).author
        count = AT_ONCE
        while count == AT_ONCE:
            async with self._loop.database.writing() as session:
                row = await projects.project_named(session, organization, project)
                category = await categories.category_of(session, row, category_id)
                projects.refuse_changed(f"the category {category.name!r}", category.version, version)
                target = await categories.category_of(session, row, move_to) if move_to is not None else None
                if target is None and not force:
                    await _refuse_used(session, row, category)
                count = await categories.unmark_some(session, row, category, AT_ONCE, target=target, user=user)
                if count < AT_ONCE:
                    await categories.delete_category(session, category)
                    row.version += 1
            if target is None:
                result.deleted += count
            else:
                result.moved += count
        self._tell(row, [category_id])
        return result

    def _tell(self, project: ProjectRow, ids: Sequence[str]) -> None:
        self._loop.changes.tell(SUBJECT, project.organization, project.name, ids)


async def _refuse_used(session: AsyncSession, project: ProjectRow, category: CategoryRow) -> None:
    if count := await categories.count_uses(session, project, category):
        raise RefusedError(
            f"the category {category.name!r} is used in {count} annotations; repeat with move_to=<id of "
            f"another {category.type} category>, which takes them over, or with force=true, which deletes them"
        )
