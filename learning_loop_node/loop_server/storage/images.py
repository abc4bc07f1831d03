"""Images as they arrive, with what was found in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Select, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from ...enums import ImageSet, ImageState
from ...errors import InvalidRequestError
from ...runtime.threads import io_bound
from ..wire.images import Finding, Findings, Metadata, Outline, Polygon, Statement, StoredImage
from . import facets
from .tables import AnnotationRow, CategoryRow, DetectionRow, ImageRow, ProjectRow

KINDS = ("box", "point", "segmentation", "classification")
GEOMETRY = ("x", "y", "width", "height", "shape")
TEST_SHARE = 5
"""One of so many images is kept for testing."""

IDS_AT_ONCE = 5000
ROWS_AT_ONCE = 500
"""More in one statement would hold everybody else up."""


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


async def add_images(
    session: AsyncSession, project_id: str, new: Sequence[NewImage], user: str | None = None
) -> list[StoredImage]:
    """Add those that are not there yet under their key or id; images without both are always added.

    What was found without the id of its category gets it, if the project has one of this name. Raises
    `InvalidRequestError` if a key, the id of an image or the id of an annotation belongs to another one.
    """
    known = await _known(session, project_id, new)
    ids = await category_ids(session, project_id)
    results: list[StoredImage] = []
    added: list[tuple[ImageRow, Metadata]] = []
    received = await _next_moment(session, project_id)
    for position, image in enumerate(new):
        if former := known.of(image):
            results.append(StoredImage(id=former.id, stored=False, deleted=former.deleted is not None))
            continue
        row = _row(project_id, image, received + timedelta(microseconds=position), user)
        session.add(row)
        added.append((row, image.metadata))
        known.add(row)
        results.append(StoredImage(id=row.id, stored=True))
    await session.flush()  # gives the rows their numbers
    annotations = [entry for row, metadata in added for entry in _annotations(row, metadata, ids)]
    await _refuse_known_annotations(session, project_id, [entry["id"] for entry in annotations])
    found = await io_bound(lambda: [line for row, metadata in added for line in detections_of(row, metadata, ids)])
    await insert_rows(session, DetectionRow, found)
    await insert_rows(session, AnnotationRow, annotations)
    await facets.refresh(session, project_id, [row.number for row, _ in added])
    return results


async def image_ids(session: AsyncSession, project_id: str, states: Sequence[ImageState]) -> Sequence[str]:
    """The ids of all images, or of those in these states, oldest first; without those deleted."""
    query = select(ImageRow.id).where(ImageRow.project_id == project_id, ImageRow.deleted.is_(None))
    if states:
        query = query.where(ImageRow.state.in_([state.value for state in states]))
    stream = await session.stream_scalars(query.order_by(ImageRow.number).execution_options(yield_per=IDS_AT_ONCE))
    return [id_ async for portion in stream.partitions() for id_ in portion]


async def image_of(session: AsyncSession, project_id: str, image_id: str) -> ImageRow | None:
    """An image; None if there is none of this id, or if it is deleted."""
    query = select(ImageRow).where(
        ImageRow.project_id == project_id, ImageRow.id == image_id, ImageRow.deleted.is_(None)
    )
    return await session.scalar(query)


def file_of_image(organization: str, project: str, image_id: str) -> Select[str, str]:
    """Hash and format of the file of an image that is not deleted, in a project that is not."""
    return (
        select(ImageRow.sha256, ImageRow.format)
        .join(ProjectRow, ProjectRow.id == ImageRow.project_id)
        .where(
            ProjectRow.organization == organization,
            ProjectRow.name == project,
            ProjectRow.deleted.is_(None),
            ImageRow.id == image_id,
            ImageRow.deleted.is_(None),
        )
    )


async def category_ids(session: AsyncSession, project_id: str) -> dict[str, str]:
    """The ids of the project's categories by their names."""
    query = select(CategoryRow.name, CategoryRow.id).where(CategoryRow.project_id == project_id)
    return {row.name: row.id for row in await session.execute(query)}


async def insert_rows(session: AsyncSession, table: type[Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Many rows, much faster than one object for each."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        await session.execute(insert(table), rows[start : start + ROWS_AT_ONCE])


def detections_of(image: ImageRow, found: Findings, ids: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    """The rows of what models found in an image. `ids` are those of the categories by name."""
    for kind in KINDS:
        for finding in getattr(found, f"{kind}_detections"):
            model = {"model_name": finding.model_name, "confidence": finding.confidence}
            yield _columns(image, kind, finding, ids) | model


def set_of(sha256: str) -> ImageSet:
    """Whether an image is for training or for testing; the same content always goes the same way."""
    return ImageSet.Test if int(sha256[:8], 16) % TEST_SHARE == 0 else ImageSet.Train


def moment_of(created: str | None) -> datetime | None:
    """When an image was taken, as its sender says it: ISO, or with `_` as nodes write it; without a zone it is UTC."""
    if created is None:
        return None
    try:
        moment = datetime.fromisoformat(created.replace("_", "T", 1))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


class _Known:
    """The images that are there already, by key and by id."""

    def __init__(self, rows: Iterable[ImageRow]) -> None:
        self._by_key: dict[str, ImageRow] = {}
        self._by_id: dict[str, ImageRow] = {}
        for row in rows:
            self.add(row)

    def add(self, row: ImageRow) -> None:
        self._by_id[row.id] = row
        if row.idempotency_key is not None:
            self._by_key[row.idempotency_key] = row

    def of(self, image: NewImage) -> ImageRow | None:
        """The one that this image is, None if it is new; refused if its key or id belongs to another one."""
        for name, value, rows in (
            ("Idempotency-Key", image.key, self._by_key),
            ("id", image.metadata.id, self._by_id),
        ):
            former = rows.get(value) if value is not None else None
            if former is not None and former.sha256 != image.sha256:
                raise InvalidRequestError(
                    f"{image.label}: its {name} belongs to another image ({former.id}); every image needs its own"
                )
            if former is not None:
                return former
        return None


async def _known(session: AsyncSession, project_id: str, new: Sequence[NewImage]) -> _Known:
    found: list[ImageRow] = []
    asked = (
        (ImageRow.idempotency_key, [image.key for image in new if image.key is not None]),
        (ImageRow.id, [image.metadata.id for image in new if image.metadata.id is not None]),
    )
    for column, values in asked:
        for start in range(0, len(values), facets.AT_ONCE):
            some = column.in_(values[start : start + facets.AT_ONCE])
            found += await session.scalars(select(ImageRow).where(ImageRow.project_id == project_id, some))
    return _Known(found)


async def _refuse_known_annotations(session: AsyncSession, project_id: str, ids: Sequence[str]) -> None:
    seen: set[str] = set()
    twins = [id_ for id_ in ids if id_ in seen or seen.add(id_)]  # type: ignore[func-returns-value]
    for start in range(0, len(ids), facets.AT_ONCE):
        if twins:
            break
        some = AnnotationRow.id.in_(ids[start : start + facets.AT_ONCE])
        twins += await session.scalars(select(AnnotationRow.id).where(AnnotationRow.project_id == project_id, some))
    if twins:
        raise InvalidRequestError(f"the annotation id {twins[0]} is in use already; every annotation needs its own")


async def _next_moment(session: AsyncSession, project_id: str) -> datetime:
    """Now or, should the clock have been set back, just after the last arrival: listings rely on the order."""
    last = await session.scalar(select(func.max(ImageRow.received)).where(ImageRow.project_id == project_id))
    now = datetime.now(UTC)
    return now if last is None else max(now, last + timedelta(microseconds=1))


def _row(project_id: str, image: NewImage, received: datetime, user: str | None) -> ImageRow:
    metadata = image.metadata
    return ImageRow(
        id=metadata.id or str(uuid4()),
        version=1,
        project_id=project_id,
        idempotency_key=image.key,
        sha256=image.sha256,
        format=image.format,
        size_bytes=image.size_bytes,
        width=image.width,
        height=image.height,
        set=(metadata.set or set_of(image.sha256)).value,
        state=(metadata.state or ImageState.Inbox).value,
        source=metadata.source,
        created=metadata.created,
        taken=moment_of(metadata.created) or received,
        received=received,
        changed=received,
        user=user,
        name=metadata.name,
        tags=list(dict.fromkeys(metadata.tags)),
        properties=metadata.properties,
    )


def _annotations(image: ImageRow, metadata: Metadata, ids: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    first = metadata.classification_annotation
    statements: Mapping[str, Sequence[Statement]] = {
        "box": metadata.box_annotations,
        "point": metadata.point_annotations,
        "segmentation": metadata.segmentation_annotations,
        "classification": _with_first(first, metadata.classification_annotations),
    }
    for kind, entries in statements.items():
        for entry in entries:
            yield _columns(image, kind, entry, ids) | {
                "id": entry.id or str(uuid4()),
                "project_id": image.project_id,
                "version": 1,
                "properties": entry.properties,
                "created": image.received,
                "changed": image.received,
                "user": image.user,
            }


def _with_first(first: Statement | None, others: Sequence[Statement]) -> Sequence[Statement]:
    """A record names the first of its list twice; who sends it back means one."""
    return others if first is None or first in others else [first, *others]


def _columns(image: ImageRow, kind: str, entry: Finding | Statement, ids: Mapping[str, str]) -> dict[str, Any]:
    return {
        "image_number": image.number,
        "kind": kind,
        "category_name": entry.category_name,
        "category_id": entry.category_id or ids.get(entry.category_name),
        "geometry": geometry_of(entry),
    }


def geometry_of(entry: Any) -> dict[str, Any]:
    """Where in the image something is, as it is kept."""
    values = {name: getattr(entry, name) for name in GEOMETRY if hasattr(entry, name)}
    if isinstance(values.get("shape"), Polygon | Outline):
        values["shape"] = values["shape"].model_dump()
    return values
