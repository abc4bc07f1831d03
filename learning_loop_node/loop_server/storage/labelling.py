"""Annotations made, changed and deleted; each is a change of its image, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ...enums import CategoryType
from ...errors import InvalidRequestError, RefusedError
from ..wire.annotation_tools import ToolAnnotation
from ..wire.annotations import NamedAnnotationChange, NewAnnotationOf, Place
from ..wire.image_changes import Versioned
from . import facets
from .facets import AT_ONCE, FacetKind
from .image_changes import images_named, refuse_deleted, touch
from .images import GEOMETRY
from .tables import AnnotationRow, CategoryRow, ImageRow
from .versions import Named, conflicts_of, refuse_missing, refuse_outdated, refuse_twins

NEEDED: Mapping[str, Sequence[str]] = {
    CategoryType.Box.value: ("x", "y", "width", "height"),
    CategoryType.Point.value: ("x", "y"),
    CategoryType.Segmentation.value: ("shape",),
    CategoryType.Classification.value: (),
}
"""The geometry of each kind, all of it and nothing else."""

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """What has become of a request: the annotations made, changed, and deleted, and the images concerned."""

    created: Sequence[Entry]
    changed: Sequence[Entry]
    deleted: Sequence[Entry]
    images: Sequence[str]


async def apply(
    session: AsyncSession,
    project_id: str,
    *,
    create: Sequence[NewAnnotationOf] = (),
    change: Sequence[NamedAnnotationChange] = (),
    delete: Sequence[Versioned] = (),
    user: str | None,
    origin: str | None = None,
) -> Done:
    """Make all of these changes, or raise an error that names whatever stands in the way of them.

    `origin` names the tool that has drawn what is made or changed; without one, that of an annotation stays.
    """
    work = _Work(session, project_id, datetime.now(UTC), user, origin)
    await work.read(create, change, delete)
    created = [work.make(entry) for entry in create]
    changed = [work.change(entry) for entry in change]
    deleted = [work.annotations[entry.id] for entry in delete]
    for row in deleted:
        await session.delete(row)
    await work.keep()
    return Done(
        created=[work.entry(row) for row in created],
        changed=[work.entry(row) for row in changed],
        deleted=[work.entry(row) for row in deleted],
        images=[image.id for image in work.images.values()],
    )


async def keep_drawn(
    session: AsyncSession, project_id: str, drawn: ToolAnnotation, *, origin: str, user: str | None
) -> Done:
    """Make the annotation that a tool has drawn, or change the one with its id; nothing is done a second time."""
    query = select(AnnotationRow).where(AnnotationRow.project_id == project_id, AnnotationRow.id == drawn.id)
    row = await session.scalar(query)
    outline = drawn.shape.model_dump()
    if row is None:
        new = NewAnnotationOf(
            id=drawn.id,
            kind=CategoryType.Segmentation,
            image_id=drawn.image_id,
            category_id=drawn.category_id,
            shape=drawn.shape,
        )
        return await apply(session, project_id, create=[new], user=user, origin=origin)
    image = await session.get(ImageRow, row.image_number)
    if image is None or image.id != drawn.image_id:
        raise RefusedError(f"the annotation {drawn.id} belongs to another image than {drawn.image_id}")
    if (row.geometry, row.category_id) == ({"shape": outline}, drawn.category_id):
        return Done((), (), (), ())
    change = NamedAnnotationChange(id=drawn.id, version=row.version, category_id=drawn.category_id, shape=drawn.shape)
    return await apply(session, project_id, change=[change], user=user, origin=origin)


@dataclass(frozen=True, slots=True)
class _ImageVersion:
    """The version of an image that somebody expects."""

    id: str
    version: int


class _Work:
    """One request being done."""

    def __init__(
        self, session: AsyncSession, project_id: str, moment: datetime, user: str | None, origin: str | None
    ) -> None:
        self._session = session
        self._project_id = project_id
        self._moment = moment
        self._user = user
        self._origin = origin
        self._categories: dict[str, CategoryRow] = {}
        self._annotated: dict[str, ImageRow] = {}
        self.images: dict[int, ImageRow] = {}
        self.annotations: dict[str, AnnotationRow] = {}

    async def read(
        self,
        create: Sequence[NewAnnotationOf],
        change: Sequence[NamedAnnotationChange],
        delete: Sequence[Versioned],
    ) -> None:
        """Read what the request is about, and refuse it if that is not as the caller thinks."""
        wanted: list[Named] = [*change, *delete]
        ids = [entry.id for entry in wanted]
        refuse_twins("annotation", ids)
        image_ids = list(dict.fromkeys(entry.image_id for entry in create))
        self._annotated = await images_named(self._session, self._project_id, image_ids)
        refuse_missing("image", image_ids, self._annotated)
        self.annotations = await self._named(ids)
        refuse_missing("annotation", ids, self.annotations)
        await self._read_images_of_annotations()
        expected = [
            _ImageVersion(entry.image_id, entry.image_version) for entry in create if entry.image_version is not None
        ]
        refuse_outdated(
            conflicts_of("image", expected, self._annotated) + conflicts_of("annotation", wanted, self.annotations)
        )
        refuse_deleted([image for image in self.images.values() if image.deleted is not None])
        await self._refuse_known([entry.id for entry in create if entry.id is not None])
        query = select(CategoryRow).where(CategoryRow.project_id == self._project_id)
        self._categories = {row.id: row for row in await self._session.scalars(query)}

    def make(self, entry: NewAnnotationOf) -> AnnotationRow:
        category = self._category(entry.category_id, entry.category_name)
        if category is None:
            raise InvalidRequestError("category_id or category_name must say what is annotated")
        if entry.kind is not None and entry.kind.value != category.type:
            raise InvalidRequestError(
                f"kind: the category {category.name} marks a {category.type}, not a {entry.kind.value}"
            )
        image = self._annotated[entry.image_id]
        row = AnnotationRow(
            id=entry.id or str(uuid4()),
            project_id=self._project_id,
            version=1,
            image_number=image.number,
            kind=category.type,
            category_name=category.name,
            category_id=category.id,
            geometry=_geometry(category.type, {}, entry),
            properties=entry.properties,
            created=self._moment,
            changed=self._moment,
            user=self._user,
            origin=self._origin,
        )
        self._session.add(row)
        return row

    def change(self, entry: NamedAnnotationChange) -> AnnotationRow:
        row = self.annotations[entry.id]
        category = self._category(entry.category_id, entry.category_name)
        if category is not None:
            if category.type != row.kind:
                raise InvalidRequestError(
                    f"category_id: the annotation {row.id} is a {row.kind}; {category.name} marks a {category.type}"
                )
            row.category_id, row.category_name = category.id, category.name
        row.geometry = _geometry(row.kind, row.geometry, entry)
        if entry.properties is not None:
            row.properties = entry.properties
        row.version += 1
        row.changed, row.user = self._moment, self._user
        row.origin = self._origin or row.origin
        return row

    async def keep(self) -> None:
        """Write it, with the images that are changed by it."""
        touch(self.images.values(), self._moment, self._user)
        await self._session.flush()
        kinds = (FacetKind.CATEGORY, FacetKind.ANNOTATED)
        await facets.refresh(self._session, self._project_id, list(self.images), kinds)

    def entry(self, row: AnnotationRow) -> Entry:
        """An annotation as it is told."""
        image = self.images[row.image_number]
        category = self._categories.get(row.category_id or "")
        return row.geometry | {
            "id": row.id,
            "version": row.version,
            "kind": row.kind,
            "image_id": image.id,
            "image_version": image.version,
            "category_id": row.category_id,
            "category_name": category.name if category is not None else row.category_name,
            "properties": row.properties,
            "created": row.created.isoformat(),
            "changed": row.changed.isoformat(),
            "changed_by": row.user,
            "origin": row.origin,
        }

    async def _named(self, ids: Sequence[str]) -> dict[str, AnnotationRow]:
        found: dict[str, AnnotationRow] = {}
        for start in range(0, len(ids), AT_ONCE):
            some = AnnotationRow.id.in_(ids[start : start + AT_ONCE])
            query = select(AnnotationRow).where(AnnotationRow.project_id == self._project_id, some)
            found |= {row.id: row for row in await self._session.scalars(query)}
        return found

    async def _read_images_of_annotations(self) -> None:
        self.images = {image.number: image for image in self._annotated.values()}
        numbers = sorted({row.image_number for row in self.annotations.values()} - self.images.keys())
        for start in range(0, len(numbers), AT_ONCE):
            query = select(ImageRow).where(ImageRow.number.in_(numbers[start : start + AT_ONCE]))
            self.images |= {row.number: row for row in await self._session.scalars(query)}

    async def _refuse_known(self, ids: Sequence[str]) -> None:
        refuse_twins("annotation", ids)
        known = await self._named(ids)
        if known:
            raise RefusedError(f"there is an annotation {next(iter(known))} already")

    def _category(self, category_id: str | None, name: str | None) -> CategoryRow | None:
        return category_in(self._categories, category_id, name)


def category_in(categories: Mapping[str, CategoryRow], category_id: str | None, name: str | None) -> CategoryRow | None:
    """The category of this id or, without one, of this name; None if neither is given."""
    if category_id is not None:
        category = categories.get(category_id)
    elif name is not None:
        category = next((row for row in categories.values() if row.name == name), None)
    else:
        return None
    if category is None:
        known = ", ".join(sorted(row.name for row in categories.values())[:20]) or "none"
        raise InvalidRequestError(
            f"category: the project has none with the {'id' if category_id is not None else 'name'} "
            f"{category_id or name}; it has {known}"
        )
    return category


def _geometry(kind: str, present: Mapping[str, Any], given: Place) -> dict[str, Any]:
    """The geometry after a change, complete and of this kind."""
    new = {name: value for name in GEOMETRY if (value := getattr(given, name)) is not None}
    surplus = [name for name in new if name not in NEEDED[kind]]
    if surplus:
        raise InvalidRequestError(f"{surplus[0]}: a {kind} has none")
    if "shape" in new:
        new["shape"] = new["shape"].model_dump()
    geometry = dict(present) | new
    missing = [name for name in NEEDED[kind] if name not in geometry]
    if missing:
        raise InvalidRequestError(f"{missing[0]} is missing: a {kind} has {', '.join(NEEDED[kind])}")
    for name in ("width", "height"):
        if name in new and new[name] <= 0:
            raise InvalidRequestError(f"{name} must be above 0, not {new[name]}")
    return geometry
