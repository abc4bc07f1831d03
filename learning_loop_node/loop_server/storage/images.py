"""Images with what was found in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from ...errors import InvalidRequestError
from ..wire.images import Finding, ImageRecord, ImageState, Metadata, Polygon, Statement, StoredImage
from .tables import AnnotationRow, CategoryRow, DetectionRow, ImageRow

KINDS = ("box", "point", "segmentation", "classification")
GEOMETRY = ("x", "y", "width", "height", "shape")
TEST_SHARE = 5
"""One of so many images is kept for testing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImage:
    """An image that has been checked and whose content is kept already. `label` names it in messages."""

    label: str
    key: str | None
    sha256: str
    size_bytes: int
    format: str
    width: int
    height: int
    metadata: Metadata


async def add_images(session: AsyncSession, project_id: str, new: Sequence[NewImage]) -> list[StoredImage]:
    """Add those that are not there yet under their key; images without a key are always added.

    What was found without the id of its category gets it, if the project has one of this name. Raises
    `InvalidRequestError` if a key belongs to another image.
    """
    known = await _keys(session, project_id, [image.key for image in new if image.key is not None])
    ids = await _category_ids(session, project_id)
    results: list[StoredImage] = []
    added: list[tuple[ImageRow, Metadata]] = []
    received = datetime.now(UTC)
    for position, image in enumerate(new):
        if image.key is not None and (former := known.get(image.key)):
            _refuse_other(former, image)
            results.append(StoredImage(id=former.id, stored=False))
            continue
        row = _row(project_id, image, received + timedelta(microseconds=position))
        session.add(row)
        added.append((row, image.metadata))
        if image.key is not None:
            known[image.key] = row
        results.append(StoredImage(id=row.id, stored=True))
    await session.flush()  # gives the rows their numbers
    detections = [entry for row, metadata in added for entry in _detections(row, metadata, ids)]
    annotations = [entry for row, metadata in added for entry in _annotations(row, metadata, ids)]
    for table, rows in ((DetectionRow, detections), (AnnotationRow, annotations)):
        if rows:
            await session.execute(insert(table), rows)  # many times as fast as one object per row
    return results


async def image_ids(session: AsyncSession, project_id: str, states: Sequence[ImageState]) -> Sequence[str]:
    """The ids of all images, or of those in these states, oldest first."""
    query = select(ImageRow.id).where(ImageRow.project_id == project_id)
    if states:
        query = query.where(ImageRow.state.in_([state.value for state in states]))
    return (await session.scalars(query.order_by(ImageRow.number))).all()


async def image_of(session: AsyncSession, project_id: str, image_id: str) -> ImageRow | None:
    query = select(ImageRow).where(ImageRow.project_id == project_id, ImageRow.id == image_id)
    return await session.scalar(query)


async def records(
    session: AsyncSession, project_id: str, ids: Sequence[str], model_name: str | None = None
) -> list[ImageRecord]:
    """What is known about these images, in this order; unknown ones are missing in the result.

    With `model_name` the detections are those of this model only.
    """
    rows = await session.scalars(select(ImageRow).where(ImageRow.project_id == project_id, ImageRow.id.in_(ids)))
    images = {row.id: row for row in rows}
    numbers = [row.number for row in images.values()]
    wanted = select(DetectionRow).where(DetectionRow.image_number.in_(numbers)).order_by(DetectionRow.id)
    if model_name is not None:
        wanted = wanted.where(DetectionRow.model_name == model_name)
    detections = _by_image(await session.scalars(wanted))
    annotations = _by_image(
        await session.scalars(
            select(AnnotationRow).where(AnnotationRow.image_number.in_(numbers)).order_by(AnnotationRow.number)
        )
    )
    asked = [images[id_] for id_ in dict.fromkeys(ids) if id_ in images]
    return [_record(image, detections[image.number], annotations[image.number]) for image in asked]


def set_of(sha256: str) -> str:
    """Whether an image is for training or for testing; the same content always goes the same way."""
    return "test" if int(sha256[:8], 16) % TEST_SHARE == 0 else "train"


async def _keys(session: AsyncSession, project_id: str, keys: Sequence[str]) -> dict[str, ImageRow]:
    if not keys:
        return {}
    query = select(ImageRow).where(ImageRow.project_id == project_id, ImageRow.idempotency_key.in_(keys))
    return {row.idempotency_key: row for row in await session.scalars(query) if row.idempotency_key is not None}


async def _category_ids(session: AsyncSession, project_id: str) -> dict[str, str]:
    """The ids of the project's categories by their names."""
    query = select(CategoryRow.name, CategoryRow.id).where(CategoryRow.project_id == project_id)
    return {row.name: row.id for row in await session.execute(query)}


def _refuse_other(former: ImageRow, image: NewImage) -> None:
    if former.sha256 != image.sha256:
        raise InvalidRequestError(
            f"{image.label}: its Idempotency-Key belongs to another image ({former.id}); every image needs its own"
        )


def _row(project_id: str, image: NewImage, received: datetime) -> ImageRow:
    metadata = image.metadata
    return ImageRow(
        id=str(uuid4()),
        version=1,
        project_id=project_id,
        idempotency_key=image.key,
        sha256=image.sha256,
        format=image.format,
        size_bytes=image.size_bytes,
        width=image.width,
        height=image.height,
        set=set_of(image.sha256),
        state=(metadata.state or ImageState.Inbox).value,
        source=metadata.source,
        created=metadata.created,
        received=received,
        changed=received,
        tags=metadata.tags,
        properties={},
    )


def _detections(image: ImageRow, metadata: Metadata, ids: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    for kind in KINDS:
        for finding in getattr(metadata, f"{kind}_detections"):
            model = {"model_name": finding.model_name, "confidence": finding.confidence}
            yield _columns(image, kind, finding, ids) | model


def _annotations(image: ImageRow, metadata: Metadata, ids: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    statement = metadata.classification_annotation
    annotations: Mapping[str, Sequence[Statement]] = {
        "box": metadata.box_annotations,
        "point": metadata.point_annotations,
        "classification": [statement] if statement is not None else [],
    }
    for kind, statements in annotations.items():
        for entry in statements:
            made = {"id": str(uuid4()), "version": 1, "properties": {}}
            yield _columns(image, kind, entry, ids) | made | {"created": image.received, "changed": image.received}


def _columns(image: ImageRow, kind: str, entry: Finding | Statement, ids: Mapping[str, str]) -> dict[str, Any]:
    return {
        "image_number": image.number,
        "kind": kind,
        "category_name": entry.category_name,
        "category_id": entry.category_id or ids.get(entry.category_name),
        "geometry": _geometry(entry),
    }


def _geometry(entry: Finding | Statement) -> dict[str, Any]:
    values = {name: getattr(entry, name) for name in GEOMETRY if hasattr(entry, name)}
    if isinstance(values.get("shape"), Polygon):
        values["shape"] = values["shape"].model_dump()
    return values


def _by_image(rows: Iterable[Any]) -> defaultdict[int, list[Any]]:
    result: defaultdict[int, list[Any]] = defaultdict(list)
    for row in rows:
        result[row.image_number].append(row)
    return result


def _record(image: ImageRow, detections: Sequence[DetectionRow], annotations: Sequence[AnnotationRow]) -> ImageRecord:
    columns = {name: getattr(image, name) for name in ImageRow.__table__.columns.keys() if name != "project_id"}  # noqa: SIM118
    found: dict[str, Any] = {
        f"{kind}_detections": [
            _entry(row) | {"model_name": row.model_name, "confidence": row.confidence}
            for row in detections
            if row.kind == kind
        ]
        for kind in KINDS
    }
    stated: dict[str, Any] = {
        f"{kind}_annotations": [_entry(row) for row in annotations if row.kind == kind] for kind in ("box", "point")
    }
    whole = [_entry(row) for row in annotations if row.kind == "classification"]
    return ImageRecord.model_validate(
        columns
        | found
        | stated
        | {"classification_annotation": whole[0] if whole else None, "received": image.received.isoformat()}
    )


def _entry(row: DetectionRow | AnnotationRow) -> dict[str, Any]:
    return {"category_name": row.category_name, "category_id": row.category_id} | row.geometry
