"""Images changed, deleted, restored and, after their grace period, forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from ...errors import InvalidRequestError, RefusedError
from ..wire.image_changes import Change, ImageChange, Versioned
from . import facets
from .facets import AT_ONCE, FacetKind
from .tables import ImageRow
from .versions import Named, conflicts_of, refuse_missing, refuse_outdated, refuse_twins

MAX_TAGS = 1000
KINDS = (FacetKind.STATE, FacetKind.SET, FacetKind.TAG)


async def change(
    session: AsyncSession, project_id: str, changes: Sequence[ImageChange], user: str | None
) -> list[ImageRow]:
    """Make all of these changes; the images as they are then.

    `NotFoundError`, `OutdatedError` and `RefusedError` (for deleted ones) name every image that stands in the way.
    """
    rows = await _present(session, project_id, changes)
    refuse_deleted([row for row in rows if row.deleted is not None])
    moment = datetime.now(UTC)
    changed = [row for row, wanted in zip(rows, changes, strict=True) if _apply(row, wanted)]
    touch(changed, moment, user)
    await session.flush()
    await facets.refresh(session, project_id, [row.number for row in changed], KINDS)
    return rows


async def set_aside(
    session: AsyncSession, project_id: str, chosen: Sequence[Versioned], user: str | None
) -> list[ImageRow]:
    """Delete these images; they can be restored until their grace period ends. One that is deleted stays so."""
    rows = await _present(session, project_id, chosen)
    moment = datetime.now(UTC)
    going = [row for row in rows if row.deleted is None]
    for row in going:
        row.deleted = moment
    touch(going, moment, user)
    await session.flush()
    await facets.deleted_or_restored(session, [row.number for row in going], -1)
    return rows


async def bring_back(
    session: AsyncSession, project_id: str, chosen: Sequence[Versioned], user: str | None
) -> list[ImageRow]:
    """Restore deleted images. One that is not deleted stays as it is."""
    rows = await _present(session, project_id, chosen)
    coming = [row for row in rows if row.deleted is not None]
    for row in coming:
        row.deleted = None
    touch(coming, datetime.now(UTC), user)
    await session.flush()
    await facets.deleted_or_restored(session, [row.number for row in coming], 1)
    return rows


async def forget_expired(session: AsyncSession, before: datetime, count: int) -> list[str]:
    """Remove up to so many images that were deleted before this moment for good; the hashes of their contents."""
    query = select(ImageRow.number, ImageRow.sha256).where(ImageRow.deleted < before).limit(count)
    rows = (await session.execute(query)).all()
    await session.execute(delete(ImageRow).where(ImageRow.number.in_([row.number for row in rows])))
    return [row.sha256 for row in rows]


async def images_named(session: AsyncSession, project_id: str, ids: Sequence[str]) -> dict[str, ImageRow]:
    """The images with these ids, deleted ones included."""
    found: dict[str, ImageRow] = {}
    for start in range(0, len(ids), AT_ONCE):
        some = ImageRow.id.in_(ids[start : start + AT_ONCE])
        query = select(ImageRow).where(ImageRow.project_id == project_id, some)
        found |= {row.id: row for row in await session.scalars(query)}
    return found


async def _present(session: AsyncSession, project_id: str, asked: Sequence[Named]) -> list[ImageRow]:
    """The images that somebody wants to change, in this order and in the versions that they know."""
    ids = [entry.id for entry in asked]
    refuse_twins("image", ids)
    found = await images_named(session, project_id, ids)
    refuse_missing("image", ids, found)
    refuse_outdated(conflicts_of("image", asked, found))
    return [found[id_] for id_ in ids]


def refuse_deleted(rows: Sequence[ImageRow]) -> None:
    """Raise `RefusedError` if there are any of these."""
    if rows:
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        raise RefusedError(f"the image {rows[0].id}{more} is deleted; restore it first (POST …/images/restore)")


def _apply(row: ImageRow, wanted: Change) -> bool:
    """Whether the change made a difference."""
    values = {
        "state": wanted.state.value if wanted.state is not None else row.state,
        "set": wanted.set.value if wanted.set is not None else row.set,
        "name": wanted.name if "name" in wanted.model_fields_set else row.name,
        "properties": wanted.properties if wanted.properties is not None else row.properties,
        "tags": _tags(row.tags, wanted),
    }
    different = {name: value for name, value in values.items() if value != getattr(row, name)}
    for name, value in different.items():
        setattr(row, name, value)
    return bool(different)


def _tags(present: Sequence[str], wanted: Change) -> list[str]:
    if wanted.tags is not None:
        return list(dict.fromkeys(wanted.tags))
    kept = [tag for tag in present if tag not in wanted.remove_tags]
    tags = list(dict.fromkeys([*kept, *wanted.add_tags]))
    if len(tags) > MAX_TAGS:
        raise InvalidRequestError(f"add_tags: an image has up to {MAX_TAGS} tags")
    return tags


def touch(rows: Iterable[ImageRow], moment: datetime, user: str | None) -> None:
    """Count a change of these images."""
    for row in rows:
        row.version += 1
        row.changed = moment
        row.user = user
