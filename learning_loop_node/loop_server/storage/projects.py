"""Projects and their categories."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ...enums import CategoryType
from ...errors import NotFoundError, RefusedError
from ..wire.projects import NewCategory
from .tables import CategoryRow, ProjectRow


async def all_projects(session: AsyncSession) -> Sequence[ProjectRow]:
    return (await session.scalars(select(ProjectRow).order_by(ProjectRow.organization, ProjectRow.name))).all()


async def project_named(session: AsyncSession, organization: str, name: str) -> ProjectRow:
    """Raises `NotFoundError` that names the project."""
    project = await _find(session, organization, name)
    if project is None:
        raise NotFoundError(
            f"there is no project {organization}/{name}; one is made by POST /api/{organization}/projects"
        )
    return project


async def add_project(
    session: AsyncSession, organization: str, name: str, categories: Sequence[NewCategory]
) -> ProjectRow:
    """Raises `RefusedError` if there is one of this name."""
    if await _find(session, organization, name) is not None:
        raise RefusedError(f"there is a project {organization}/{name} already")
    project = ProjectRow(id=str(uuid4()), organization=organization, name=name, created=datetime.now(UTC))
    session.add(project)
    await session.flush()
    for position, category in enumerate(categories):
        values = category.model_dump() | {
            "id": category.id or str(uuid4()),
            "type": category.type or CategoryType.Box,
        }
        session.add(CategoryRow(project_id=project.id, position=position, **values))
    await session.flush()
    return project


async def categories_of(session: AsyncSession, project: ProjectRow) -> Sequence[CategoryRow]:
    """In the order in which they were given."""
    query = select(CategoryRow).where(CategoryRow.project_id == project.id).order_by(CategoryRow.position)
    return (await session.scalars(query)).all()


async def _find(session: AsyncSession, organization: str, name: str) -> ProjectRow | None:
    query = select(ProjectRow).where(ProjectRow.organization == organization, ProjectRow.name == name)
    return await session.scalar(query)
