"""Projects and their categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fastapi import Depends

from ...api.operation import Endpoint
from ...enums import CategoryType
from ...errors import InvalidRequestError
from ..loop import Loop
from ..names import check_name
from ..rights import Right
from ..storage import projects
from ..storage.tables import CategoryRow, ProjectRow
from ..wire.projects import CategoryRecord, NewCategory, NewProject, ProjectPlace, ProjectRecord, Projects

PROJECT = "/api/{organization}/projects/{project}"


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = ProjectOperations(loop)
    users = [Depends(loop.auth.needs(Right.READ))]
    return [
        Endpoint(
            method="GET",
            path="/api/projects",
            run=operations.all,
            access=users,
            options={"tags": ["projects"], "summary": "All projects"},
        ),
        Endpoint(
            method="POST",
            path="/api/{organization}/projects",
            run=operations.create,
            access=[Depends(loop.auth.needs(Right.MANAGE))],
            options={"tags": ["projects"], "summary": "Make a project"},
        ),
        Endpoint(
            method="GET",
            path=PROJECT,
            run=operations.one,
            access=users,
            options={"tags": ["projects"], "summary": "A project with its categories"},
        ),
    ]


class ProjectOperations:
    """Answers requests for projects."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def all(self) -> Projects:
        """The projects of all organizations."""
        async with self._loop.database.reading() as session:
            return Projects(projects=[_place(project) for project in await projects.all_projects(session)])

    async def create(self, organization: str, new: NewProject) -> ProjectRecord:
        """Make a project. A category may be given as its name alone; 409 if there is a project of this name."""
        check_name("organization", organization)
        check_name("project_id", new.project_id)
        categories = [NewCategory(name=entry) if isinstance(entry, str) else entry for entry in new.categories]
        _refuse_twins("name", [category.name for category in categories])
        _refuse_twins("id", [category.id for category in categories if category.id])
        async with self._loop.database.writing() as session:
            project = await projects.add_project(session, organization, new.project_id, categories)
            return project_record(project, await projects.categories_of(session, project))

    async def one(self, organization: str, project: str) -> ProjectRecord:
        """A project with its categories."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            return project_record(row, await projects.categories_of(session, row))


def project_record(project: ProjectRow, categories: Sequence[CategoryRow]) -> ProjectRecord:
    records = [category_record(category) for category in categories]
    return ProjectRecord(
        **_place(project).model_dump(),
        created=project.created.isoformat(),
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


def _refuse_twins(field: str, values: Sequence[str]) -> None:
    twins = [value for value, count in Counter(values).items() if count > 1]
    if twins:
        raise InvalidRequestError(f"categories: the {field} {twins[0]!r} occurs twice")
