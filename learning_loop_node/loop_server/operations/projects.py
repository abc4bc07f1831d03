"""Projects: made, described, deleted and restored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from fastapi import Depends, Query
from starlette.requests import Request

from ...api.operation import Endpoint
from ...enums import CategoryType
from ..access.auth import caller_of
from ..access.rights import Right
from ..loop import Loop
from ..names import check_name
from ..storage import categories, projects
from ..storage.tables import CategoryRow, ProjectRow
from ..wire.projects import (
    CategoryRecord,
    ChangedProject,
    DeletedProject,
    DeletedProjects,
    NewCategory,
    NewProject,
    ProjectPlace,
    ProjectRecord,
    Projects,
)

PROJECT = "/api/{organization}/projects/{project}"
SUBJECT = "projects"


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = ProjectOperations(loop)
    readers, managers = [Depends(loop.auth.needs(Right.READ))], [Depends(loop.auth.needs(Right.MANAGE))]
    known = [Depends(loop.auth.needs(Right.ASK))]
    return [
        Endpoint(
            method="GET",
            path="/api/projects",
            run=operations.all,
            access=known,
            options={"tags": ["projects"], "summary": "All projects that one may see"},
        ),
        Endpoint(
            method="POST",
            path="/api/{organization}/projects",
            run=operations.create,
            access=managers,
            options={"tags": ["projects"], "summary": "Make a project"},
        ),
        Endpoint(
            method="GET",
            path="/api/{organization}/projects/deleted",
            run=operations.deleted,
            access=managers,
            options={"tags": ["projects"], "summary": "Deleted projects that can be restored"},
        ),
        Endpoint(
            method="GET",
            path=PROJECT,
            run=operations.one,
            access=readers,
            options={"tags": ["projects"], "summary": "A project with its categories"},
        ),
        Endpoint(
            method="PATCH",
            path=PROJECT,
            run=operations.change,
            access=managers,
            options={"tags": ["projects"], "summary": "Describe a project"},
        ),
        Endpoint(
            method="DELETE",
            path=PROJECT,
            run=operations.delete,
            access=managers,
            options={"tags": ["projects"], "summary": "Delete a project; it can be restored for a while"},
        ),
        Endpoint(
            method="POST",
            path=f"{PROJECT}/restore",
            run=operations.restore,
            access=managers,
            options={"tags": ["projects"], "summary": "Restore a deleted project"},
        ),
    ]


class ProjectOperations:
    """Answers requests for projects."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def all(self, request: Request) -> Projects:
        """The projects, of all organizations, that one may see."""
        caller = caller_of(request)
        async with self._loop.database.reading() as session:
            found = await projects.all_projects(session)
        return Projects(projects=[_place(row) for row in found if caller.may(Right.READ, row.organization, row.name)])

    async def create(self, organization: str, new: NewProject) -> ProjectRecord:
        """Make a project. A category may be given as its name alone; 409 if there is a project of this name."""
        check_name("organization", organization)
        check_name("project_id", new.project_id)
        async with self._loop.database.writing() as session:
            project = await projects.add_project(session, organization, new.project_id, new.description)
            rows = await categories.add_categories(session, project, as_categories(new.categories))
        self._tell(project)
        return project_record(project, rows)

    async def one(self, organization: str, project: str) -> ProjectRecord:
        """A project with its categories, in their order."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            return project_record(row, await projects.categories_of(session, row))

    async def change(self, organization: str, project: str, change: ChangedProject) -> ProjectRecord:
        """Describe a project. Its name stays: nodes find it by that. 409 if `version` is given and no longer true."""
        async with self._loop.database.writing() as session:
            row = await projects.project_named(session, organization, project)
            projects.refuse_changed(f"the project {organization}/{project}", row.version, change.version)
            if "description" in change.model_fields_set:
                row.description = change.description
            row.version += 1
            rows = await projects.categories_of(session, row)
        self._tell(row)
        return project_record(row, rows)

    async def delete(
        self,
        organization: str,
        project: str,
        keep_images: bool = Query(
            default=False, description="Understood for existing programs; the images can be restored either way."
        ),
    ) -> DeletedProject:
        """Delete a project. It can be restored, with everything in it, until `ends`; its name is free at once."""
        async with self._loop.database.writing() as session:
            row = await projects.project_named(session, organization, project)
            await projects.set_aside(session, row)
        self._loop.auth.revise()  # the tokens of its nodes open nothing now
        self._loop.changes.tell(SUBJECT, organization, project, [project])
        return self._deleted_record(row)

    async def deleted(self, organization: str) -> DeletedProjects:
        """The projects of an organization that can be restored, the last one first."""
        async with self._loop.database.reading() as session:
            rows = await projects.deleted_projects(session, organization, self._since())
        return DeletedProjects(projects=[self._deleted_record(row) for row in rows])

    async def restore(
        self,
        organization: str,
        project: str,
        project_uuid: str | None = Query(
            default=None, alias="id", description="Which of those that had this name; else the one deleted last."
        ),
        name: str | None = Query(default=None, description="What it is called from now on."),
    ) -> ProjectRecord:
        """Bring a deleted project back; 409 if there is another one of its name by now."""
        if name is not None:
            check_name("name", name)
        async with self._loop.database.writing() as session:
            row = await projects.bring_back(
                session, organization, project, since=self._since(), project_id=project_uuid, new_name=name
            )
            rows = await projects.categories_of(session, row)
        self._tell(row)
        return project_record(row, rows)

    def _since(self) -> datetime:
        """What was deleted before is lost."""
        return datetime.now(UTC) - timedelta(days=self._loop.settings.grace_period_days)

    def _tell(self, project: ProjectRow) -> None:
        self._loop.changes.tell(SUBJECT, project.organization, project.name, [project.name])

    def _deleted_record(self, row: ProjectRow) -> DeletedProject:
        assert row.deleted is not None
        return DeletedProject(
            id=row.id,
            organization_id=row.organization,
            project_id=projects.former_name(row),
            deleted=row.deleted.isoformat(),
            ends=(row.deleted + timedelta(days=self._loop.settings.grace_period_days)).isoformat(),
        )


def as_categories(entries: Sequence[NewCategory | str]) -> list[NewCategory]:
    """Categories of which some were given as their name alone."""
    return [NewCategory(name=entry) if isinstance(entry, str) else entry for entry in entries]


def project_record(project: ProjectRow, rows: Sequence[CategoryRow]) -> ProjectRecord:
    records = [category_record(category) for category in rows]
    return ProjectRecord(
        **_place(project).model_dump(),
        description=project.description,
        created=project.created.isoformat(),
        version=project.version,
        categories=records,
        box_categories=[record for record in records if record.type is CategoryType.Box],
    )


def category_record(category: CategoryRow) -> CategoryRecord:
    return CategoryRecord.model_validate(category, from_attributes=True)


def _place(project: ProjectRow) -> ProjectPlace:
    return ProjectPlace(
        organization_id=project.organization,
        project_id=project.name,
        resource=f"/{project.organization}/projects/{project.name}",
    )
