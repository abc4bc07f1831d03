"""Annotations of a project's images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data_classes.codec import from_dict
from ..enums import CategoryType
from ..errors import LoopError
from .place import Place, entries_of, part_of_path

GEOMETRY = ("x", "y", "width", "height", "shape")


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotation:
    """What somebody says is in an image.

    `geometry` holds `x`, `y`, `width`, `height` of a box (from its top-left corner), `x`, `y` of a point, or `shape`
    with the `points` of a polygon. Who changes it names its `version`. `origin` is the tool that has drawn it.
    """

    id: str
    kind: CategoryType
    image_id: str
    version: int = 1
    image_version: int | None = None
    category_id: str | None = None
    category_name: str | None = None
    geometry: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    origin: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NewAnnotation:
    """An annotation to make; its category is given by id or by name and must be one of the project.

    With `image_version` it is made only if nobody has changed the image since.
    """

    image_id: str
    geometry: Mapping[str, Any] = field(default_factory=dict)
    category_id: str | None = None
    category_name: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None
    image_version: int | None = None

    def body(self) -> dict[str, Any]:
        """The same for the loop."""
        names = ("image_id", "category_id", "category_name", "properties", "id", "image_version")
        return _given(self, names) | dict(self.geometry)


@dataclass(frozen=True, kw_only=True, slots=True)
class AnnotationChange:
    """A change of the annotation in this version. What is None stays, and so does geometry that is not named."""

    id: str
    version: int
    geometry: Mapping[str, Any] = field(default_factory=dict)
    category_id: str | None = None
    category_name: str | None = None
    properties: Mapping[str, Any] | None = None

    def body(self) -> dict[str, Any]:
        """The same for the loop."""
        names = ("id", "version", "category_id", "category_name", "properties")
        return _given(self, names) | dict(self.geometry)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangedAnnotations:
    """The annotations as they are now, those deleted as they were, each in the order of the request."""

    created: Sequence[Annotation] = ()
    changed: Sequence[Annotation] = ()
    deleted: Sequence[Annotation] = ()


class Annotations:
    """The annotations of a project's images. Each change of one is a change of its image, too, with a new version.

    Raises `OutdatedError` with its `conflicts` where somebody else has changed something since the version named.
    """

    def __init__(self, place: Place) -> None:
        self._place = place

    async def create(self, new: NewAnnotation) -> Annotation:
        body = new.body()
        path = self._place.path(f"/images/{part_of_path(body.pop('image_id'))}/annotations")
        return annotation_of(await self._place.http.json("POST", path, json=body))

    async def change(self, change: AnnotationChange) -> Annotation:
        body = change.body()
        return annotation_of(await self._place.http.json("PATCH", self._path(body.pop("id")), json=body))

    async def delete(self, annotation_id: str, version: int) -> Annotation:
        """Delete an annotation for good; it is answered as it was."""
        parameters = {"version": str(version)}
        return annotation_of(await self._place.http.json("DELETE", self._path(annotation_id), params=parameters))

    async def apply(
        self,
        *,
        create: Sequence[NewAnnotation] = (),
        change: Sequence[AnnotationChange] = (),
        delete: Mapping[str, int] | None = None,
    ) -> ChangedAnnotations:
        """Make, change and delete (by id and version) up to a thousand annotations, all of them or none."""
        body = {
            "create": [entry.body() for entry in create],
            "change": [entry.body() for entry in change],
            "delete": [{"id": id_, "version": version} for id_, version in (delete or {}).items()],
        }
        answer = await self._place.http.json("POST", self._place.path("/annotations"), json=body)
        return ChangedAnnotations(
            created=[annotation_of(entry) for entry in entries_of(answer, "created")],
            changed=[annotation_of(entry) for entry in entries_of(answer, "changed")],
            deleted=[annotation_of(entry) for entry in entries_of(answer, "deleted")],
        )

    def _path(self, annotation_id: str) -> str:
        return self._place.path(f"/annotations/{part_of_path(annotation_id)}")


def annotations_in(image_id: str, image_version: int | None, record: Mapping[str, Any]) -> Sequence[Annotation]:
    """The annotations in the record of an image, as `GET …/images` gives it."""
    return [
        annotation_of(entry | {"kind": kind.value, "image_id": image_id, "image_version": image_version})
        for kind in CategoryType
        for entry in record.get(f"{kind.value}_annotations") or ()
    ]


def annotation_of(entry: Any) -> Annotation:
    """An annotation as the loop describes it; those of foreign loops may lack an id."""
    if not isinstance(entry, dict):
        raise LoopError("the loop described an annotation by something that is no object")
    geometry = {name: entry[name] for name in GEOMETRY if name in entry}
    kind = CategoryType(entry["kind"]) if entry.get("kind") in tuple(CategoryType) else None
    known = {key: value for key, value in entry.items() if value is not None}
    return from_dict(Annotation, {"id": ""} | known | {"kind": kind, "geometry": geometry})


def _given(entry: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(entry, name)) is not None}
