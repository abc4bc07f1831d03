"""What is known about images, as plain dictionaries.

Records may be large, with tens of thousands of detections. So their rows are read in portions, as tuples instead of
objects, and put together in a thread: whoever else asks the loop for something does not wait for them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, Select, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ...runtime.threads import io_bound
from ..wire.listing import Fields
from .facets import AT_ONCE
from .images import KINDS
from .tables import AnnotationRow, CategoryRow, DetectionRow, ImageRow

PORTION = 500
"""Rows at a time."""

WORKED_OUT = ("number", "project_id", "taken", "user")
"""Columns of an image that are not shown as they are."""

FITTING = 50_000
"""Detections and annotations in one answer, unless a single image has more."""

Record = dict[str, Any]


async def records_by_id(
    session: AsyncSession,
    project_id: str,
    ids: Sequence[str],
    *,
    fields: Fields = Fields.All,
    model_name: str | None = None,
    in_percent: bool = False,
) -> list[Record]:
    """What is known about these images, in this order; unknown and deleted ones are missing in the result.

    With `model_name` the detections are those of this model only. Some programs expect confidences in percent.
    """
    rows: list[ImageRow] = []
    unique = list(dict.fromkeys(ids))
    for start in range(0, len(unique), AT_ONCE):
        some = ImageRow.id.in_(unique[start : start + AT_ONCE])
        here = (ImageRow.project_id == project_id, ImageRow.deleted.is_(None))
        rows += await session.scalars(select(ImageRow).where(*here, some))
    images = {row.id: row for row in rows}
    found = [images[id_] for id_ in unique if id_ in images]
    return await records_of(session, found, fields=fields, model_name=model_name, in_percent=in_percent)


async def records_of(
    session: AsyncSession,
    images: Sequence[ImageRow],
    *,
    fields: Fields = Fields.All,
    model_name: str | None = None,
    in_percent: bool = False,
) -> list[Record]:
    """The same for images that have been read already."""
    if fields is Fields.Ids:
        return [{"id": image.id, "version": image.version} for image in images]
    if fields is Fields.Image:
        return [summary(image) for image in images]
    numbers = [image.number for image in images]
    stated = await _rows(session, _annotations(), AnnotationRow.image_number, numbers)
    found: Sequence[Row[Any]] = []
    if fields is Fields.All:
        query = _detections() if model_name is None else _detections().where(DetectionRow.model_name == model_name)
        found = await _rows(session, query, DetectionRow.image_number, numbers)
    factor = 100 if in_percent else 1
    return await io_bound(_assemble, images, stated, found if fields is Fields.All else None, factor)


async def rows_of(session: AsyncSession, numbers: Sequence[int]) -> list[ImageRow]:
    """The images with these numbers, in this order."""
    rows: dict[int, ImageRow] = {}
    for start in range(0, len(numbers), AT_ONCE):
        some = ImageRow.number.in_(numbers[start : start + AT_ONCE])
        rows |= {row.number: row for row in await session.scalars(select(ImageRow).where(some))}
    return [rows[number] for number in numbers if number in rows]


async def fitting(session: AsyncSession, numbers: Sequence[int]) -> int:
    """How many of the first of these images fit into one answer, at least one."""
    sizes: Counter[int] = Counter()
    for table in (DetectionRow, AnnotationRow):
        for start in range(0, len(numbers), AT_ONCE):
            some = table.image_number.in_(numbers[start : start + AT_ONCE])
            query = select(table.image_number, func.count()).where(some).group_by(table.image_number)
            for number, count in await session.execute(query):
                sizes[number] += count
    room = FITTING
    for position, number in enumerate(numbers):
        room -= sizes[number]
        if room < 0:
            return max(1, position)
    return len(numbers)


def summary(image: ImageRow) -> Record:
    """An image without what is in it."""
    columns = {column.name: getattr(image, column.name) for column in image.__table__.columns}
    shown = {name: value for name, value in columns.items() if name not in WORKED_OUT}
    return shown | {
        "received": image.received.isoformat(),
        "changed": image.changed.isoformat(),
        "changed_by": image.user,
        "deleted": image.deleted.isoformat() if image.deleted else None,
    }


def annotation_entry(row: Any) -> Record:
    """An annotation as it stands in a record."""
    category: Record = {"category_name": row.category_name, "category_id": row.category_id}
    geometry: Record = row.geometry
    return (
        category | geometry | {"id": row.id, "version": row.version, "properties": row.properties, "origin": row.origin}
    )


def _annotations() -> Select[Any]:
    columns = ("image_number", "kind", "id", "version", "category_id", "geometry", "properties", "origin")
    name = func.coalesce(CategoryRow.name, AnnotationRow.category_name).label("category_name")
    of_category = and_(CategoryRow.project_id == AnnotationRow.project_id, CategoryRow.id == AnnotationRow.category_id)
    query = select(*(getattr(AnnotationRow, name) for name in columns), name)
    return query.outerjoin(CategoryRow, of_category).order_by(AnnotationRow.number)


def _detections() -> Select[Any]:
    columns = ("image_number", "kind", "category_name", "category_id", "model_name", "confidence", "geometry")
    return select(*(getattr(DetectionRow, name) for name in columns)).order_by(DetectionRow.id)


async def _rows(session: AsyncSession, query: Select[Any], column: Any, numbers: Sequence[int]) -> Sequence[Row[Any]]:
    rows: list[Row[Any]] = []
    for start in range(0, len(numbers), AT_ONCE):
        stream = await session.stream(query.where(column.in_(numbers[start : start + AT_ONCE])))
        async for portion in stream.partitions(PORTION):
            rows += portion
    return rows


def _assemble(
    images: Sequence[ImageRow], stated: Iterable[Row[Any]], found: Iterable[Row[Any]] | None, factor: float
) -> list[Record]:
    annotations: defaultdict[tuple[int, str], list[Record]] = defaultdict(list)
    for row in stated:
        annotations[row.image_number, row.kind].append(annotation_entry(row))
    detections: defaultdict[tuple[int, str], list[Record]] = defaultdict(list)
    for row in found or ():
        detections[row.image_number, row.kind].append(
            {
                "category_name": row.category_name,
                "category_id": row.category_id,
                "model_name": row.model_name,
                "confidence": row.confidence * factor,
            }
            | row.geometry
        )
    records = []
    for image in images:
        record = summary(image)
        for kind in KINDS:
            record[f"{kind}_annotations"] = annotations[image.number, kind]
            if found is not None:
                record[f"{kind}_detections"] = detections[image.number, kind]
        whole = annotations[image.number, "classification"]
        record["classification_annotation"] = whole[0] if whole else None
        records.append(record)
    return records
