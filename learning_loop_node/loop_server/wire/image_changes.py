"""Changes of images, one or many, each with the version that it was made from."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from ...enums import ImageSet, ImageState
from .ground import Asked, LongText, Properties, ShortText, Version, Wire
from .images import ImageSummary

MAX_CHANGES = 1000
Tags = list[ShortText]


class Versioned(Wire):
    """An image in the version that the caller knows. If it has been changed since, nothing happens (409)."""

    id: ShortText
    version: Version


class Change(Asked):
    """What is given is changed, the rest stays. `tags` replaces all, `add_tags` and `remove_tags` some."""

    version: Version
    state: ImageState | None = None
    set: ImageSet | None = None
    name: LongText | None = None
    properties: Properties | None = None
    tags: Tags | None = Field(default=None, max_length=1000)
    add_tags: Tags = Field(default=[], max_length=1000)
    remove_tags: Tags = Field(default=[], max_length=1000)

    @model_validator(mode="after")
    def _says_tags_once(self) -> Self:
        if self.tags is not None and (self.add_tags or self.remove_tags):
            raise ValueError("give either tags, or add_tags and remove_tags")
        return self


class ImageChange(Change):
    """The same with the image that it is for."""

    id: ShortText


class ImageChanges(Asked):
    """All of them happen, or none."""

    images: list[ImageChange] = Field(max_length=MAX_CHANGES)


class ChosenImages(Asked):
    """All of them, or none."""

    images: list[Versioned] = Field(max_length=MAX_CHANGES)


class ChangedImages(Wire):
    """The images as they are now, in the order of the request."""

    images: list[ImageSummary]
