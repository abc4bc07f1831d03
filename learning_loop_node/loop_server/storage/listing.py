"""Finds images page by page, however many there are.

What a page costs is bounded, whatever is asked for. A page looks at a limited number of candidates: the images that
have the rarest of the wanted facets, or all of the project, in the wanted order. If these end before the page is full,
it is short but names the place to go on from. A small group of candidates is sorted as a whole instead.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from ...data_classes import codec
from ...errors import InvalidDataError, InvalidRequestError
from ..wire.listing import Deleted, Sort
from .facets import FacetKind
from .tables import DetectionRow, FacetRow, ImageFacetRow, ImageRow

CANDIDATES = 10_000
"""Images looked at for one page."""

WITH_CONFIDENCES = 4_000
"""The same if the detections of each have to be looked at."""

NEVER = datetime(1, 1, 1, tzinfo=UTC)
"""Before everything; unlike "not null" it lets SQLite use the index."""

LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From the first moment (included) to the second (not included); None is open."""

    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.since is None and self.until is None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFilter:
    """Which images are wanted: those for which everything that is given is true.

    Of several states or sets one must be right, of several tags all. `confidence` is a range that one detection must be
    in, of this model and category if they are given, too. `category` is the id of one annotated or detected.
    """

    states: Sequence[str] = ()
    sets: Sequence[str] = ()
    tags: Sequence[str] = ()
    source: str | None = None
    model: str | None = None
    category: str | None = None
    annotated: bool | None = None
    name: str | None = None
    id: str | None = None
    received: Span = Span()
    created: Span = Span()
    changed: Span = Span()
    confidence: tuple[float, float] | None = None
    deleted: Deleted = Deleted.No


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a listing: after the image with this number, whose sorted column has this value."""

    sort: Sort
    number: int
    moment: datetime | None = None

    def cursor(self) -> str:
        """The place as a text that only this file understands."""
        values = [self.sort.value, self.number, self.moment.isoformat() if self.moment else None]
        return base64.urlsafe_b64encode(codec.to_json(values)).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Page:
    """The numbers of some images in their order, and where the next page begins; None after the last one."""

    numbers: Sequence[int]
    next: Position | None


def position_of(cursor: str, sort: Sort) -> Position:
    """The place that a cursor means; `InvalidRequestError` for what is none, or one of another order."""
    try:
        name, number, text = codec.from_json(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        moment = datetime.fromisoformat(text).astimezone(UTC) if text is not None else None
        if type(number) is not int or not 0 <= number < 2**63 or (moment is None) != (sort.column is None):
            raise ValueError
    except (InvalidDataError, ValueError, TypeError, OverflowError, binascii.Error) as error:
        raise InvalidRequestError("cursor: take it from the field next of the page before") from error
    if name != sort.value:
        raise InvalidRequestError(f"cursor: it belongs to a listing with sort={name}; go on with that, or leave it out")
    return Position(sort, number, moment)


async def page_of(
    session: AsyncSession,
    project_id: str,
    wanted: ImageFilter,
    sort: Sort,
    limit: int,
    after: Position | None,
    *,
    candidates: int | None = None,
) -> Page:
    """Up to `limit` images behind this place, found among so many candidates."""
    groups = await _groups(session, project_id, wanted)
    if groups is None:
        return Page([], None)
    if candidates is None:
        candidates = CANDIDATES if wanted.confidence is None else WITH_CONFIDENCES
    search = _Search(session, project_id, wanted, groups, sort, limit, after, candidates)
    await search.find_bounds()
    return await search.gathered() or await search.walked()


@dataclass(frozen=True, slots=True)
class _Group:
    """Facets of which an image must have one. `count` is how many images do."""

    ids: Sequence[int]
    count: int

    def numbers(self) -> Select[Any]:
        return select(ImageFacetRow.image_number).where(ImageFacetRow.facet_id.in_(self.ids))

    def has(self, number: Any) -> ColumnElement[bool]:
        """Whether the image of this number is in the group."""
        facet = aliased(ImageFacetRow)
        tests = [
            select(facet.image_number).where(facet.facet_id == id_, facet.image_number == number).exists()
            for id_ in self.ids
        ]
        return or_(*tests)


async def _groups(session: AsyncSession, project_id: str, wanted: ImageFilter) -> list[_Group] | None:
    """What must be true of the facets, the rarest first; None if no image can have them all."""
    asked: list[tuple[FacetKind, Sequence[str]]] = [
        (FacetKind.STATE, wanted.states),
        (FacetKind.SET, wanted.sets),
        *((FacetKind.TAG, [tag]) for tag in dict.fromkeys(wanted.tags)),
        (FacetKind.SOURCE, [wanted.source] if wanted.source is not None else []),
        (FacetKind.MODEL, [wanted.model] if wanted.model is not None else []),
        (FacetKind.CATEGORY, [wanted.category] if wanted.category is not None else []),
        (FacetKind.ANNOTATED, [] if wanted.annotated is None else ["yes" if wanted.annotated else "no"]),
    ]
    groups: list[_Group] = []
    for kind, values in asked:
        if not values:
            continue
        query = select(FacetRow.id, FacetRow.count).where(
            FacetRow.project_id == project_id, FacetRow.kind == kind.value, FacetRow.value.in_(values)
        )
        rows = (await session.execute(query)).all()
        if not rows:
            return None
        groups.append(_Group([facet_id for facet_id, _ in rows], sum(count for _, count in rows)))
    return sorted(groups, key=lambda group: group.count)


class _Search:
    """One page being found."""

    def __init__(
        self,
        session: AsyncSession,
        project_id: str,
        wanted: ImageFilter,
        groups: Sequence[_Group],
        sort: Sort,
        limit: int,
        after: Position | None,
        candidates: int,
    ) -> None:
        self._session = session
        self._project_id = project_id
        self._wanted = wanted
        self._groups = groups
        self._sort = sort
        self._limit = limit
        self._after = after
        self._candidates = candidates
        self._first: int | None = None
        self._last: int | None = None

    async def find_bounds(self) -> None:
        """The numbers between which a range of arrival lies, as both grow together."""
        in_project = select(ImageRow.number).where(ImageRow.project_id == self._project_id).limit(1)
        span = self._wanted.received
        if span.since is not None:
            query = in_project.where(ImageRow.received >= span.since).order_by(ImageRow.received)
            found = await self._session.scalar(query)
            self._first = found if found is not None else 2**62
        if span.until is not None:
            query = in_project.where(ImageRow.received < span.until).order_by(ImageRow.received.desc())
            found = await self._session.scalar(query)
            self._last = found if found is not None else 0

    async def gathered(self) -> Page | None:
        """The page from a group that is small enough to be sorted as a whole; None if there is none."""
        for numbers in self._unsorted():
            few = select(func.count()).select_from(numbers.limit(self._candidates + 1).subquery())
            if (await self._session.scalar(few) or 0) <= self._candidates:
                image = aliased(ImageRow)
                query = select(*self._key(image)).where(
                    image.number.in_(numbers), *self._between(image), *self._behind(image), *self._fits(image.number)
                )
                rows = (await self._session.execute(self._ordered(query, image))).all()
                return self._page(rows, None)
        return None

    async def walked(self) -> Page:
        """The page from the rarest group, or from the whole project, in the wanted order."""
        if self._sort.column is None and self._groups:
            return await self._walked_group(self._groups[0])
        image = aliased(ImageRow)
        walk = select(*self._key(image)).where(
            image.project_id == self._project_id, *self._between(image), *self._behind(image)
        )
        end = (await self._session.execute(self._ordered(walk, image, self._candidates - 1))).first()
        if end is not None:
            walk = walk.where(*self._up_to(image, end))
        checked = walk.where(*self._fits(image.number))
        return self._page((await self._session.execute(self._ordered(checked, image))).all(), end)

    async def _walked_group(self, group: _Group) -> Page:
        facet = aliased(ImageFacetRow)
        number = facet.image_number
        each = max(1, self._candidates // len(group.ids))
        order = number.desc() if self._sort.is_descending else number
        ends = []
        for id_ in group.ids:
            walk = (
                select(number).where(facet.facet_id == id_, *self._numbers(number, with_position=True)).order_by(order)
            )
            end = await self._session.scalar(walk.offset(each - 1).limit(1))
            ends += [end] if end is not None else []
        end = (max(ends) if self._sort.is_descending else min(ends)) if ends else None
        query = select(number).where(
            facet.facet_id.in_(group.ids), *self._numbers(number, with_position=True), *self._fits(number, but=group)
        )
        if end is not None:
            query = query.where(number >= end if self._sort.is_descending else number <= end)
        rows = (await self._session.execute(query.order_by(order).limit(self._limit + 1))).all()
        return self._page(rows, None if end is None else (end,))

    def _unsorted(self) -> list[Select[Any]]:
        """Groups of candidates that are not in the wanted order, as queries for their numbers."""
        found = [] if self._sort.column is None else [group.numbers() for group in self._groups[:1]]
        here = select(ImageRow.number).where(ImageRow.project_id == self._project_id)
        wanted = self._wanted
        for column, prefix in ((ImageRow.name, wanted.name), (ImageRow.id, wanted.id)):
            if prefix:
                found.append(here.where(*_begins(column, prefix)))
        for name, span in (("taken", wanted.created), ("changed", wanted.changed)):
            if not span.is_open and name != self._sort.column:
                found.append(here.where(*_within(getattr(ImageRow, name), span)))
        if self._sort.column is not None and (self._first is not None or self._last is not None):
            found.append(here.where(*self._numbers(ImageRow.number)))
        if wanted.deleted is Deleted.Only:
            found.append(select(ImageRow.number).where(ImageRow.deleted > NEVER))  # no project: the index has none
        return found

    def _fits(self, number: Any, but: _Group | None = None) -> list[ColumnElement[bool]]:
        """Whether the image of this number is wanted; `but` is a group that it is known to be in.

        All is asked about this one image, so that no database begins with other images that it is true of.
        """
        image = aliased(ImageRow)
        return [
            *(group.has(number) for group in self._groups if group is not but),
            select(image.number).where(image.number == number, *self._facts(image)).exists(),
        ]

    def _facts(self, image: Any) -> list[ColumnElement[bool]]:
        wanted = self._wanted
        facts: list[ColumnElement[bool]] = [image.project_id == self._project_id]
        if wanted.deleted is not Deleted.Also:
            facts.append(image.deleted.is_(None) if wanted.deleted is Deleted.No else image.deleted.is_not(None))
        for column, prefix in ((image.name, wanted.name), (image.id, wanted.id)):
            facts += _begins(column, prefix) if prefix else []
        facts += self._numbers(image.number) if self._sort.column else []
        facts += [*_within(image.taken, wanted.created), *_within(image.changed, wanted.changed)]
        if wanted.confidence is not None:
            low, high = wanted.confidence
            detections = select(DetectionRow.id).where(
                DetectionRow.image_number == image.number, DetectionRow.confidence.between(low, high)
            )
            if wanted.model is not None:
                detections = detections.where(DetectionRow.model_name == wanted.model)
            if wanted.category is not None:
                detections = detections.where(DetectionRow.category_id == wanted.category)
            facts.append(detections.exists())
        return facts

    def _key(self, image: Any) -> list[ColumnElement[Any]]:
        column = self._sort.column
        return [image.number] if column is None else [image.number, getattr(image, column)]

    def _ordered(self, query: Select[Any], image: Any, offset: int | None = None) -> Select[Any]:
        """In the wanted order: the page and one more, or the one at this offset."""
        columns = [getattr(image, self._sort.column)] if self._sort.column else []
        columns.append(image.number)
        query = query.order_by(*(column.desc() if self._sort.is_descending else column for column in columns))
        return query.limit(self._limit + 1) if offset is None else query.offset(offset).limit(1)

    def _between(self, image: Any) -> list[ColumnElement[bool]]:
        """Within the range of what is sorted by."""
        spans = {"taken": self._wanted.created, "changed": self._wanted.changed}
        column = self._sort.column
        return _within(getattr(image, column), spans[column]) if column else self._numbers(image.number)

    def _numbers(self, number: Any, *, with_position: bool = False) -> list[ColumnElement[bool]]:
        """Within the range of arrival."""
        limits = [number >= self._first] if self._first is not None else []
        limits += [number <= self._last] if self._last is not None else []
        if with_position and self._after is not None:
            limits.append(number < self._after.number if self._sort.is_descending else number > self._after.number)
        return limits

    def _behind(self, image: Any) -> list[ColumnElement[bool]]:
        """Behind the place where the last page ended."""
        after, column = self._after, self._sort.column
        if after is None:
            return []
        if column is None:
            return [image.number < after.number if self._sort.is_descending else image.number > after.number]
        value = getattr(image, column)
        if self._sort.is_descending:
            return [value <= after.moment, or_(value < after.moment, image.number < after.number)]
        return [value >= after.moment, or_(value > after.moment, image.number > after.number)]

    def _up_to(self, image: Any, end: Any) -> list[ColumnElement[bool]]:
        """Up to the last candidate."""
        if self._sort.column is None:
            return [image.number >= end[0] if self._sort.is_descending else image.number <= end[0]]
        value, number, moment = getattr(image, self._sort.column), end[0], end[1]
        if self._sort.is_descending:
            return [value >= moment, or_(value > moment, image.number >= number)]
        return [value <= moment, or_(value < moment, image.number <= number)]

    def _page(self, rows: Sequence[Any], end: Any) -> Page:
        """The page of these rows; `end` is the last candidate, None if there are no more behind it."""
        shown = rows[: self._limit]
        last = shown[-1] if len(rows) > self._limit else end
        position = Position(self._sort, *last) if last is not None else None
        return Page([row[0] for row in shown], position)


def _begins(column: Any, prefix: str) -> list[ColumnElement[bool]]:
    return [and_(column >= prefix, column < prefix + LAST_CHARACTER)]


def _within(column: Any, span: Span) -> list[ColumnElement[bool]]:
    limits = [column >= span.since] if span.since is not None else []
    return limits + ([column < span.until] if span.until is not None else [])
