"""Lists the images of a project, page by page, and counts them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Query
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from ...api.operation import Endpoint
from ...enums import ImageState
from ...errors import InvalidRequestError
from ...runtime.threads import io_bound
from ..access.rights import Right
from ..loop import Loop
from ..storage import facets, images, listing, projects, records
from ..storage.listing import ImageFilter, Position, Span
from ..storage.records import Record
from ..wire.listing import MAX_IDS, Fields, ImageCounts, ImagePage, ImageQuery
from ..wire.projects import ProjectData
from .projects import PROJECT, category_record
from .record_reply import record_reply


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = ListingOperations(loop)
    users = [Depends(loop.auth.needs(Right.READ))]
    return [
        Endpoint(
            method="GET",
            path=f"{PROJECT}/data",
            run=operations.ids,
            access=users,
            options={
                "tags": ["images"],
                "summary": "Ids of images, and the project's categories",
                "response_model": ProjectData,
            },
        ),
        Endpoint(
            method="GET",
            path=f"{PROJECT}/images",
            run=operations.page,
            access=users,
            options={
                "tags": ["images"],
                "summary": "Images found by filters, page by page, or by their ids",
                "response_model": ImagePage,
            },
        ),
        Endpoint(
            method="GET",
            path=f"{PROJECT}/images/counts",
            run=operations.counts,
            access=users,
            options={"tags": ["images"], "summary": "How many images there are by state, set, tag, source, …"},
        ),
    ]


class ListingOperations:
    """Answers which images there are."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def ids(self, organization: str, project: str, state: list[ImageState] = Query(default=[])) -> Response:
        """The ids of all images, or of those in a state, and the categories of the project."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            ids = await images.image_ids(session, row.id, state)
            rows = await projects.categories_of(session, row)
        categories = [category_record(entry).model_dump(mode="json") for entry in rows]
        boxes = [category for category in categories if category["type"] == "box"]
        return await _reply({"image_ids": ids, "categories": categories, "box_categories": boxes})

    async def page(self, organization: str, project: str, query: Annotated[ImageQuery, Query()]) -> Response:
        """The images for which all that is given is true, in the order of `sort`.

        Follow `next` with the same parameters until it is null. Images that come, go or change meanwhile disturb
        nothing: each one that fits all the time is listed, unless `sort` is by what changes. With `ids`, just these.
        """
        async with self._loop.database.reading() as session:
            project_id = (await projects.project_named(session, organization, project)).id
            if query.ids is not None:
                found = await _by_ids(session, project_id, query.ids, query.model_version)
                return await _reply({"images": found, "next": None})
            if query.model_extra:
                raise InvalidRequestError(f"{next(iter(query.model_extra))}: images have no such filter")
            after = listing.position_of(query.cursor, query.sort) if query.cursor is not None else None
            wanted = await _filter_of(session, project_id, query)
            page = await listing.page_of(session, project_id, wanted, query.sort, query.limit, after)
            found, following = await _read(session, page, query)
        return await _reply({"images": found, "next": following.cursor() if following else None})

    async def counts(self, organization: str, project: str) -> ImageCounts:
        """How many images have which state, set, tag, source, model, category; the deleted ones do not count."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            found = await facets.counts(session, row.id)
        return ImageCounts.model_validate(found | {"total": sum(found["state"].values())})


async def _read(session: AsyncSession, page: listing.Page, query: ImageQuery) -> tuple[list[Record], Position | None]:
    """The records of a page, and where the next one begins: earlier than wanted if these would become too large."""
    rows = await records.rows_of(session, page.numbers)
    if query.fields in (Fields.Annotations, Fields.All):
        fitting = await records.fitting(session, page.numbers)
        if fitting < len(rows):
            rows = rows[:fitting]
            last, column = rows[-1], query.sort.column
            following = Position(query.sort, last.number, getattr(last, column) if column else None)
            return await records.records_of(session, rows, fields=query.fields), following
    return await records.records_of(session, rows, fields=query.fields), page.next


async def _by_ids(session: AsyncSession, project_id: str, ids: str, model_version: str | None) -> list[Record]:
    wanted = [id_ for id_ in ids.split(",") if id_]
    if len(wanted) > MAX_IDS:
        raise InvalidRequestError(f"ids names {len(wanted)} images; ask for up to {MAX_IDS} at once")
    return await records.records_by_id(
        session, project_id, wanted, model_name=model_version, in_percent=model_version is not None
    )


async def _filter_of(session: AsyncSession, project_id: str, query: ImageQuery) -> ImageFilter:
    confidence = None
    if query.confidence_min is not None or query.confidence_max is not None:
        low = query.confidence_min if query.confidence_min is not None else 0.0
        high = query.confidence_max if query.confidence_max is not None else float("1e9")
        if low > high:
            raise InvalidRequestError("confidence_min must not be above confidence_max")
        confidence = (low, high)
    category = query.category
    if category is not None:
        category = (await images.category_ids(session, project_id)).get(category, category)
    return ImageFilter(
        states=_values(query.state),
        sets=_values(query.set),
        tags=query.tag,
        source=query.source,
        model=query.model,
        category=category,
        annotated=query.annotated,
        name=query.name,
        id=query.id,
        received=_span("received", query.received_since, query.received_until),
        created=_span("created", query.created_since, query.created_until),
        changed=_span("changed", query.changed_since, query.changed_until),
        confidence=confidence,
        deleted=query.deleted,
    )


def _values(entries: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(entry.value for entry in entries))


def _span(name: str, since: datetime | None, until: datetime | None) -> Span:
    span = Span(since=_utc(name, since), until=_utc(name, until))
    if span.since is not None and span.until is not None and span.since > span.until:
        raise InvalidRequestError(f"{name}_since must not be after {name}_until")
    return span


def _utc(name: str, moment: datetime | None) -> datetime | None:
    if moment is None or moment.tzinfo is None:
        return moment.replace(tzinfo=UTC) if moment else None
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidRequestError(f"{name}: {moment} is too far away") from error


async def _reply(answer: dict[str, Any]) -> Response:
    return await io_bound(record_reply, answer)
