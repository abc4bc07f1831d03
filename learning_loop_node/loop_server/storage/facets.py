"""By which values images can be found: an inverted index that is kept with every change, and its counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from .tables import AnnotationRow, DetectionRow, FacetRow, ImageFacetRow, ImageRow

AT_ONCE = 500
"""Values in one statement; SQLite has a limit."""


class FacetKind(StrEnum):
    """What a facet is about. `CATEGORY` holds the ids of categories annotated or detected, `ANNOTATED` yes or no."""

    STATE = "state"
    SET = "set"
    TAG = "tag"
    SOURCE = "source"
    MODEL = "model"
    CATEGORY = "category"
    ANNOTATED = "annotated"


OF_THE_IMAGE = frozenset({FacetKind.STATE, FacetKind.SET, FacetKind.TAG, FacetKind.SOURCE})
OF_ITS_CONTENT = frozenset({FacetKind.MODEL, FacetKind.CATEGORY, FacetKind.ANNOTATED})
EVERY_KIND = OF_THE_IMAGE | OF_ITS_CONTENT

Facet = tuple[str, str]
"""A kind and a value."""


async def refresh(
    session: AsyncSession, project_id: str, numbers: Sequence[int], kinds: Collection[FacetKind] = EVERY_KIND
) -> None:
    """Let the facets of these kinds say what these images now are. They must be written (flushed) before."""
    for start in range(0, len(numbers), AT_ONCE):
        await _refresh(session, project_id, numbers[start : start + AT_ONCE], kinds)


async def _refresh(
    session: AsyncSession, project_id: str, numbers: Sequence[int], kinds: Collection[FacetKind]
) -> None:
    wanted, deleted = await _wanted(session, numbers, kinds)
    present = await _present(session, numbers, kinds)
    new = {number: wanted[number] - present[number].keys() for number in numbers}
    ids = await _ids(session, project_id, {facet for facets in new.values() for facet in facets})
    added = [
        {"facet_id": ids[facet], "image_number": number} for number, facets in new.items() for facet in sorted(facets)
    ]
    removed = [
        {"old_facet": facet_id, "old_number": number}
        for number in numbers
        for facet, facet_id in present[number].items()
        if facet not in wanted[number]
    ]
    if added:
        await session.execute(insert(ImageFacetRow), added)
    if removed:
        these = and_(
            ImageFacetRow.facet_id == bindparam("old_facet"), ImageFacetRow.image_number == bindparam("old_number")
        )
        await _run(session, delete(ImageFacetRow).where(these), removed)
    change = Counter(row["facet_id"] for row in added if row["image_number"] not in deleted)
    change.subtract(row["old_facet"] for row in removed if row["old_number"] not in deleted)
    await _count(session, change)


async def deleted_or_restored(session: AsyncSession, numbers: Sequence[int], by: int) -> None:
    """Count these images among those of their facets again (1), or no longer (-1)."""
    change: Counter[int] = Counter()
    for start in range(0, len(numbers), AT_ONCE):
        some = ImageFacetRow.image_number.in_(numbers[start : start + AT_ONCE])
        change.update((await session.scalars(select(ImageFacetRow.facet_id).where(some))).all())
    await _count(session, {facet_id: by * count for facet_id, count in change.items()})


async def forget_unused(session: AsyncSession, after: int, count: int) -> int | None:
    """Remove those of the next facets behind this id that no image has.

    Returns the id to go on behind, None if there are no more.
    """
    query = select(FacetRow.id).where(FacetRow.id > after).order_by(FacetRow.id).limit(count)
    ids = (await session.scalars(query)).all()
    is_used = select(ImageFacetRow.image_number).where(ImageFacetRow.facet_id == FacetRow.id).exists()
    await session.execute(
        delete(FacetRow).where(FacetRow.id.in_(ids), ~is_used).execution_options(synchronize_session=False)
    )
    return ids[-1] if ids else None


async def counts(session: AsyncSession, project_id: str) -> dict[str, dict[str, int]]:
    """How many images have which value, by kind; values that none has are missing."""
    query = (
        select(FacetRow.kind, FacetRow.value, FacetRow.count)
        .where(FacetRow.project_id == project_id, FacetRow.count > 0)
        .order_by(FacetRow.kind, FacetRow.value)
    )
    found: dict[str, dict[str, int]] = {kind.value: {} for kind in FacetKind}
    for kind, value, count in await session.execute(query):
        found[kind][value] = count
    return found


async def _wanted(
    session: AsyncSession, numbers: Sequence[int], kinds: Collection[FacetKind]
) -> tuple[Mapping[int, set[Facet]], set[int]]:
    """The facets that these images should have, and which of them are deleted."""
    columns = (ImageRow.number, ImageRow.state, ImageRow.set, ImageRow.source, ImageRow.tags, ImageRow.deleted)
    rows = (await session.execute(select(*columns).where(ImageRow.number.in_(numbers)))).all()
    wanted = {row.number: set(_of_image(row.state, row.set, row.source, row.tags)) for row in rows}
    if FacetKind.MODEL in kinds or FacetKind.CATEGORY in kinds:
        seen = select(DetectionRow.image_number, DetectionRow.model_name, DetectionRow.category_id).distinct()
        for number, model, category in await session.execute(seen.where(DetectionRow.image_number.in_(numbers))):
            wanted[number].update(_of_finding(model, category))
    if FacetKind.CATEGORY in kinds or FacetKind.ANNOTATED in kinds:
        said = select(AnnotationRow.image_number, AnnotationRow.category_id).distinct()
        marked: defaultdict[int, set[str | None]] = defaultdict(set)
        for number, category in await session.execute(said.where(AnnotationRow.image_number.in_(numbers))):
            marked[number].add(category)
        for number, facets in wanted.items():
            facets.update(_of_annotations(marked.get(number, set())))
    relevant = {number: {facet for facet in facets if facet[0] in kinds} for number, facets in wanted.items()}
    return relevant, {row.number for row in rows if row.deleted is not None}


def _of_image(state: str, set_: str, source: str | None, tags: Sequence[str]) -> Iterable[Facet]:
    yield FacetKind.STATE.value, state
    yield FacetKind.SET.value, set_
    if source:
        yield FacetKind.SOURCE.value, source
    yield from ((FacetKind.TAG.value, tag) for tag in tags)


def _of_finding(model: str, category: str | None) -> Iterable[Facet]:
    yield FacetKind.MODEL.value, model
    if category:
        yield FacetKind.CATEGORY.value, category


def _of_annotations(categories: Collection[str | None]) -> Iterable[Facet]:
    yield FacetKind.ANNOTATED.value, "yes" if categories else "no"
    yield from ((FacetKind.CATEGORY.value, category) for category in categories if category)


async def _present(
    session: AsyncSession, numbers: Sequence[int], kinds: Collection[FacetKind]
) -> Mapping[int, dict[Facet, int]]:
    """The facets that these images have now, with their ids."""
    query = (
        select(ImageFacetRow.image_number, FacetRow.kind, FacetRow.value, FacetRow.id)
        .join(FacetRow, FacetRow.id == ImageFacetRow.facet_id)
        .where(ImageFacetRow.image_number.in_(numbers), FacetRow.kind.in_([kind.value for kind in kinds]))
    )
    present: defaultdict[int, dict[Facet, int]] = defaultdict(dict)
    for number, kind, value, facet_id in await session.execute(query):
        present[number][kind, value] = facet_id
    return present


async def _ids(session: AsyncSession, project_id: str, facets: Collection[Facet]) -> dict[Facet, int]:
    """The ids of these facets, which are made if they are new."""
    ids = await _known_ids(session, project_id, sorted(facets))
    new = [facet for facet in sorted(facets) if facet not in ids]
    if new:
        rows = [{"project_id": project_id, "kind": kind, "value": value, "count": 0} for kind, value in new]
        await session.execute(insert(FacetRow), rows)
        ids |= await _known_ids(session, project_id, new)
    return ids


async def _known_ids(session: AsyncSession, project_id: str, facets: Sequence[Facet]) -> dict[Facet, int]:
    ids: dict[Facet, int] = {}
    by_kind: defaultdict[str, list[str]] = defaultdict(list)
    for kind, value in facets:
        by_kind[kind].append(value)
    for kind, values in by_kind.items():
        for start in range(0, len(values), AT_ONCE):
            some = FacetRow.value.in_(values[start : start + AT_ONCE])
            query = select(FacetRow.value, FacetRow.id).where(
                FacetRow.project_id == project_id, FacetRow.kind == kind, some
            )
            ids |= {(kind, value): facet_id for value, facet_id in await session.execute(query)}
    return ids


async def _count(session: AsyncSession, change: Mapping[int, int]) -> None:
    rows = [{"which": facet_id, "by": by} for facet_id, by in change.items() if by]
    if rows:
        these = FacetRow.id == bindparam("which")
        await _run(session, update(FacetRow).where(these).values(count=FacetRow.count + bindparam("by")), rows)


async def _run(session: AsyncSession, statement: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """One statement for many rows; the session itself would take an update of rows by primary key for it."""
    connection = await session.connection()
    await connection.execute(statement, list(rows))
