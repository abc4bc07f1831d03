"""Images with what is in them."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from .ground import LongText, Number, ShortText, Wire


class ImageState(StrEnum):
    """Where an image stands between arriving and being ready for training."""

    Inbox = "inbox"
    Annotate = "annotate"
    Review = "review"
    Complete = "complete"
    Trash = "trash"


class Corner(Wire):
    x: Number
    y: Number


class Polygon(Wire):
    points: list[Corner]


class Finding(Wire):
    """What every detection says; an unknown category is kept by its name."""

    category_name: ShortText
    model_name: ShortText
    confidence: Number
    category_id: ShortText | None = None


class BoxFinding(Finding):
    x: Number
    y: Number
    width: Number
    height: Number


class PointFinding(Finding):
    x: Number
    y: Number


class SegmentationFinding(Finding):
    """`shape` is the text `x1,y1,x2,y2,…` or an object with `points`."""

    shape: str | Polygon


class ClassificationFinding(Finding):
    pass


class Statement(Wire):
    """What every annotation says."""

    category_name: ShortText
    category_id: ShortText | None = None


class BoxStatement(Statement):
    x: Number
    y: Number
    width: Number
    height: Number


class PointStatement(Statement):
    x: Number
    y: Number


class ClassificationStatement(Statement):
    pass


class Metadata(Wire):
    """The JSON that comes with an image; everything may be missing. `state` null means the inbox."""

    box_detections: list[BoxFinding] = []
    point_detections: list[PointFinding] = []
    segmentation_detections: list[SegmentationFinding] = []
    classification_detections: list[ClassificationFinding] = []
    box_annotations: list[BoxStatement] = []
    point_annotations: list[PointStatement] = []
    classification_annotation: ClassificationStatement | None = None
    tags: list[ShortText] = Field(default=[], max_length=1000)
    created: ShortText | None = None
    source: LongText | None = None
    state: ImageState | None = None


class ImageRecord(Metadata):
    """Everything the loop knows about an image. `width` and `height` are those of the upright image."""

    id: str
    set: Literal["train", "val", "test"]
    state: ImageState
    width: int
    height: int
    format: str
    size_bytes: int
    sha256: str
    idempotency_key: str | None
    received: str


class ImageRecords(Wire):
    images: list[ImageRecord]


class StoredImage(Wire):
    """`stored` is false if the image was there already, under the same key."""

    id: str
    stored: bool


class StoredImages(Wire):
    """One entry per image, in the order of the request."""

    images: list[StoredImage]
