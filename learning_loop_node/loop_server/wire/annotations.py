"""Annotations, made, changed and deleted."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ...enums import CategoryType
from .ground import Asked, Number, Properties, ShortText, Version, Wire
from .image_changes import Versioned
from .images import Outline, PublicId

MAX_ANNOTATIONS = 1000


class Place(Asked):
    """Where something is: a box has `x`, `y` (its top-left corner), `width` and `height`, a point `x` and `y`, a
    segmentation the polygon `shape`, a classification nothing.
    """

    x: Number | None = None
    y: Number | None = None
    width: Number | None = None
    height: Number | None = None
    shape: Outline | None = None


class NewAnnotation(Place):
    """An annotation to make. Its category must be one of the project; `kind` is that of the category.

    With `image_version` it is made only if nobody has changed the image or its annotations since. With an `id` of
    one's own, a repetition is refused instead of made twice.
    """

    id: PublicId | None = None
    kind: CategoryType | None = None
    category_id: ShortText | None = None
    category_name: ShortText | None = None
    properties: Properties = {}
    image_version: Version | None = None


class NewAnnotationOf(NewAnnotation):
    """The same with the image that it belongs to."""

    image_id: ShortText


class AnnotationChange(Place):
    """What is given is changed, the rest stays; the kind stays, too."""

    version: Version
    category_id: ShortText | None = None
    category_name: ShortText | None = None
    properties: Properties | None = None


class NamedAnnotationChange(AnnotationChange):
    """The same with the annotation that it is for."""

    id: ShortText


class AnnotationChanges(Asked):
    """Up to 1000 in all. All of them happen, or none."""

    create: list[NewAnnotationOf] = Field(default=[], max_length=MAX_ANNOTATIONS)
    change: list[NamedAnnotationChange] = Field(default=[], max_length=MAX_ANNOTATIONS)
    delete: list[Versioned] = Field(default=[], max_length=MAX_ANNOTATIONS)


class AnnotationRecord(Place):
    """An annotation. `image_version` is that of its image after the change."""

    id: str
    version: int
    kind: CategoryType
    image_id: str
    image_version: int
    category_id: str | None
    category_name: str
    properties: dict[str, Any]
    created: str
    changed: str
    changed_by: str | None
    origin: str | None = Field(description="The tool that drew it, such as `tool scissors`; null without one.")


class ChangedAnnotations(Wire):
    """The annotations as they are now, those deleted as they were, each list in the order of the request."""

    created: list[AnnotationRecord]
    changed: list[AnnotationRecord]
    deleted: list[AnnotationRecord]
