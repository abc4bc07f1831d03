"""What can be asked of a listing of images, and what it answers."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ...enums import ImageSet, ImageState
from .ground import LongText, ShortText, Wire

MAX_LIMIT = 1000
MAX_IDS = 1000

Share = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class Sort(StrEnum):
    """The order of a listing; with a minus the last comes first."""

    Arrival = "arrival"
    LastArrival = "-arrival"
    Changed = "changed"
    LastChanged = "-changed"
    Created = "created"
    LastCreated = "-created"

    @property
    def is_descending(self) -> bool:
        return self.value.startswith("-")

    @property
    def column(self) -> str | None:
        """The column of images that is sorted by before the number; None for the number alone."""
        return {"arrival": None, "changed": "changed", "created": "taken"}[self.value.removeprefix("-")]


class Deleted(StrEnum):
    """Whether images that wait for the end of their grace period are listed."""

    No = "no"
    Also = "also"
    Only = "only"


class Fields(StrEnum):
    """How much of each image is told."""

    Ids = "ids"
    Image = "image"
    Annotations = "annotations"
    All = "all"


class ImageQuery(BaseModel):
    """The parameters of a listing. Moments without a time zone are UTC."""

    model_config = ConfigDict(extra="allow")

    ids: str | None = Field(
        default=None,
        description=f"Up to {MAX_IDS} ids, separated by commas: just these images, in this order; no filter applies.",
    )
    model_version: ShortText | None = Field(
        default=None,
        description="With `ids`: only the detections of this model, with confidences in percent, as existing programs "
        "expect.",
    )
    state: list[ImageState] = Field(default=[], description="In one of these states.")
    set: list[ImageSet] = Field(default=[], description="In one of these sets.")
    tag: list[ShortText] = Field(default=[], max_length=20, description="With all of these tags.")
    source: LongText | None = Field(default=None, description="From this source.")
    model: ShortText | None = Field(default=None, description="With detections of this model.")
    category: ShortText | None = Field(
        default=None, description="With something of this category, annotated or detected; its id or its name."
    )
    annotated: bool | None = Field(default=None, description="With annotations, or without.")
    name: LongText | None = Field(default=None, description="Whose name begins so.")
    id: ShortText | None = Field(default=None, description="Whose id begins so.")
    received_since: datetime | None = None
    received_until: datetime | None = Field(default=None, description="Before this moment, as all that end in `until`.")
    created_since: datetime | None = Field(
        default=None, description="Since this moment, as their sender says; where it says nothing, as received."
    )
    created_until: datetime | None = None
    changed_since: datetime | None = None
    changed_until: datetime | None = None
    confidence_min: Share | None = Field(
        default=None,
        description="With a detection of at least this confidence; of `model` and `category`, where they are given.",
    )
    confidence_max: Share | None = Field(default=None, description="The same detection has at most this one.")
    deleted: Deleted = Field(default=Deleted.No, description="Whether deleted images are listed.")
    sort: Sort = Field(default=Sort.Arrival, description="With a minus the last comes first.")
    limit: int = Field(default=100, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(default=None, max_length=1000, description="The field `next` of the page before.")
    fields: Fields = Field(
        default=Fields.All,
        description="`ids` and versions only, the `image` without what is in it, that with `annotations`, or `all`.",
    )


class ImagePage(Wire):
    """Some images in the wanted order; which fields they have depends on `fields`.

    `next` is the `cursor` of the next page, null after the last one. A page may have fewer images than wanted and still
    have a next one: where few of many images fit, or where they are large.
    """

    images: list[dict[str, Any]]
    next: str | None


class ImageCounts(Wire):
    """How many images have which value; those deleted are not counted. `category` has ids, `annotated` yes and no."""

    total: int
    state: dict[str, int]
    set: dict[str, int]
    tag: dict[str, int]
    source: dict[str, int]
    model: dict[str, int]
    category: dict[str, int]
    annotated: dict[str, int]
