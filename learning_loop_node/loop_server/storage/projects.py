"""Projects: made, changed, set aside for their grace period, brought back, and lost at last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from ...errors import NotFoundError, OutdatedError, RefusedError
from ..names import no_such_project
from .tables import CategoryRow, ImageRow, ModelFormatRow, ModelRow, ProjectRow

ASIDE = "~"
"""Between the name of a deleted project and its id; no name that is given has it."""


async def all_projects(session: AsyncSession) -> Sequence[ProjectRow]:
    """All but those that are deleted, by organization and name."""
    query = select(ProjectRow).where(ProjectRow.deleted.is_(None))
    return (await session.scalars(query.order_by(ProjectRow.organization, ProjectRow.name))).all()


async def project_named(session: AsyncSession, organization: str, name: str) -> ProjectRow:
    """Raises `NotFoundError` that names the project."""
    project = await _find(session, organization, name)
    if project is None:
        raise no_such_project(organization, name)
    return project


async def refuse_gone(session: AsyncSession, project: ProjectRow) -> None:
    """Raise `NotFoundError` if a project was deleted since it was looked up."""
    present = await _find(session, project.organization, project.name)
    if present is None or present.id != project.id:
        raise no_such_project(project.organization, project.name)


async def add_project(
    session: AsyncSession, organization: str, name: str, description: str | None = None
) -> ProjectRow:
    """A project without categories. Raises `RefusedError` if there is one of this name."""
    project = ProjectRow(
        id=str(uuid4()),
        organization=organization,
        name=name,
        created=datetime.now(UTC),
        version=1,
        description=description,
    )
    await refuse_taken(session, organization, name)
    session.add(project)
    try:
        await session.flush()
    except IntegrityError as error:  # somebody else was faster, which only a database server allows
        raise _taken(organization, name) from error
    return project


async def refuse_taken(session: AsyncSession, organization: str, name: str) -> None:
    """Raise `RefusedError` if there is a project of this name."""
    if await _find(session, organization, name) is not None:
        raise _taken(organization, name)


def refuse_changed(what: str, present: int, expected: int | None) -> None:
    """Raise `OutdatedError` if somebody else has changed it since the version that the caller knows."""
    if expected is not None and present != expected:
        raise OutdatedError(
            f"{what} has been changed meanwhile (its version is {present}, not {expected}); read it again, then repeat"
        )


async def categories_of(session: AsyncSession, project: ProjectRow) -> Sequence[CategoryRow]:
    """In their order."""
    query = select(CategoryRow).where(CategoryRow.project_id == project.id).order_by(CategoryRow.position)
    return (await session.scalars(query)).all()


async def set_aside(session: AsyncSession, project: ProjectRow) -> None:
    """Let a project begin its grace period: it is found no more, and its name is free."""
    project.deleted = datetime.now(UTC)
    project.name = f"{project.name}{ASIDE}{project.id}"
    await session.flush()


def former_name(project: ProjectRow) -> str:
    """What a deleted project was called."""
    return project.name.partition(ASIDE)[0]


async def deleted_projects(session: AsyncSession, organization: str, since: datetime) -> Sequence[ProjectRow]:
    """Those of an organization that were deleted since then, the last one first."""
    query = select(ProjectRow).where(ProjectRow.organization == organization, ProjectRow.deleted >= since)
    return (await session.scalars(query.order_by(ProjectRow.deleted.desc()))).all()


async def bring_back(
    session: AsyncSession,
    organization: str,
    name: str,
    *,
    since: datetime,
    project_id: str | None = None,
    new_name: str | None = None,
) -> ProjectRow:
    """Bring back the project that had this name and was deleted last, or the one with this id.

    One that was deleted before `since` is lost already.
    """
    candidates = [row for row in await deleted_projects(session, organization, since) if former_name(row) == name]
    project = next((row for row in candidates if project_id in (None, row.id)), None)
    if project is None:
        raise NotFoundError(f"no project {organization}/{name} waits to be restored; after its grace period it is lost")
    wanted = new_name or name
    if await _find(session, organization, wanted) is not None:
        raise RefusedError(f"there is a project {organization}/{wanted} again; restore it under another name: ?name=…")
    project.deleted = None
    project.name = wanted
    project.version += 1
    await session.flush()
    return project


async def expired_project(session: AsyncSession, before: datetime) -> ProjectRow | None:
    """One whose grace period began before this moment, None if there is none."""
    return await session.scalar(select(ProjectRow).where(ProjectRow.deleted < before).limit(1))


async def forget_some(session: AsyncSession, project: ProjectRow, count: int) -> tuple[Sequence[str], bool]:
    """Remove up to so many images of a project for good, or, if it has none, all of it.

    The result: the hashes of the contents, and whether the project itself is gone.
    """
    query = select(ImageRow.number, ImageRow.sha256).where(ImageRow.project_id == project.id).limit(count)
    rows = (await session.execute(query)).all()
    if rows:
        await session.execute(delete(ImageRow).where(ImageRow.number.in_([row.number for row in rows])))
        return [row.sha256 for row in rows], False
    formats = select(ModelFormatRow.sha256).join(ModelRow, ModelRow.id == ModelFormatRow.model_id)
    hashes = (await session.scalars(formats.where(ModelRow.project_id == project.id))).all()
    await session.execute(delete(ProjectRow).where(ProjectRow.id == project.id))
    return hashes, True


def _taken(organization: str, name: str) -> RefusedError:
    return RefusedError(f"there is a project {organization}/{name} already")


async def _find(session: AsyncSession, organization: str, name: str) -> ProjectRow | None:
    query = select(ProjectRow).where(
        ProjectRow.organization == organization, ProjectRow.name == name, ProjectRow.deleted.is_(None)
    )
    return await session.scalar(query)
