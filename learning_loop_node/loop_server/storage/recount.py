"""Compares what is derived in the database with what it is derived from."""

from __future__ import annotations

from sqlalchemy import ScalarSelect, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from . import facets
from .tables import FacetRow, ImageFacetRow, ImageRow, ProjectRow


async def broken_rules(session: AsyncSession) -> list[str]:
    """What SQLite itself finds wrong in its file; nothing for a server, which looks after itself."""
    if session.get_bind().dialect.name != "sqlite":
        return []
    said = [str(row[0]) for row in await session.execute(text("PRAGMA integrity_check"))]
    lost = await session.execute(text("PRAGMA foreign_key_check"))
    found = [f"{row[0]} {row[1]} refers to {row[2]} that is not there" for row in lost]
    return [entry for entry in said if entry != "ok"] + found


async def wrong_counts(session: AsyncSession) -> list[str]:
    """The facets whose count is not the number of their images."""
    query = (
        select(FacetRow.kind, FacetRow.value, FacetRow.count, _counted().label("counted"))
        .where(FacetRow.count != _counted())
        .order_by(FacetRow.id)
    )
    return [
        f"{row.kind} {row.value!r}: {row.count} instead of {row.counted}"
        for row in (await session.execute(query)).all()
    ]


async def recount(session: AsyncSession) -> list[str]:
    """Make all facets anew from the images; what was wrong with them."""
    wrong = await wrong_counts(session)
    for project_id in (await session.scalars(select(ProjectRow.id))).all():
        before = await _index(session, project_id)
        query = select(ImageRow.number).where(ImageRow.project_id == project_id)
        await facets.refresh(session, project_id, (await session.scalars(query)).all())
        after = await _index(session, project_id)
        wrong += [
            f"{kind} {value!r}: {before.get((kind, value), (0, 0))[0]} images in the index instead of {found[0]}"
            for (kind, value), found in after.items()
            if before.get((kind, value), (0, 0)) != found
        ]
    await session.execute(update(FacetRow).values(count=_counted()).execution_options(synchronize_session=False))
    return wrong


async def _index(session: AsyncSession, project_id: str) -> dict[tuple[str, str], tuple[int, int]]:
    """How many images each facet has, and the sum of their numbers."""
    query = (
        select(
            FacetRow.kind, FacetRow.value, func.count(ImageFacetRow.image_number), func.sum(ImageFacetRow.image_number)
        )
        .outerjoin(ImageFacetRow, ImageFacetRow.facet_id == FacetRow.id)
        .where(FacetRow.project_id == project_id)
        .group_by(FacetRow.id)
    )
    rows = (await session.execute(query)).all()
    return {(kind, value): (count, int(total or 0)) for kind, value, count, total in rows}


def _counted() -> ScalarSelect[int]:
    """The number of images of a facet that are not deleted."""
    return (
        select(func.count())
        .select_from(ImageFacetRow)
        .join(ImageRow, ImageRow.number == ImageFacetRow.image_number)
        .where(ImageFacetRow.facet_id == FacetRow.id, ImageRow.deleted.is_(None))
        .correlate(FacetRow)
        .scalar_subquery()
    )
