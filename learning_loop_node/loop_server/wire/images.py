"""Images with what is in them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ...enums import ImageSet, ImageState
from .ground import LongText, Number, Properties, ShortText, Wire

PublicId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""An id that somebody may choose: it becomes part of addresses and of file names."""


class Corner(Wire):
    x: Number
    y: Number


class Polygon(Wire):
    points: list[Corner]


class Outline(Wire):
    """A polygon that encloses something."""

    points: list[Corner] = Field(min_length=3, max_length=100_000)


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
    """What every annotation says. One without `id` gets it."""

    category_name: ShortText
    category_id: ShortText | None = None
    id: PublicId | None = None
    properties: Properties = {}


class BoxStatement(Statement):
    x: Number
    y: Number
    width: Number
    height: Number


class PointStatement(Statement):
    x: Number
    y: Number


class SegmentationStatement(Statement):
    shape: Outline


class ClassificationStatement(Statement):
    pass


class Findings(Wire):
    """What models found in an image, by kind."""

    box_detections: list[BoxFinding] = []
    point_detections: list[PointFinding] = []
    segmentation_detections: list[SegmentationFinding] = []
    classification_detections: list[ClassificationFinding] = []


class Metadata(Findings):
    """The JSON that comes with an image; everything may be missing. `state` null means the inbox.

    Without `set` the content of the image decides between `train` and `test`. `classification_annotation` is another
    way to give one of the `classification_annotations`.
    """

    id: PublicId | None = None
    box_annotations: list[BoxStatement] = []
    point_annotations: list[PointStatement] = []
    segmentation_annotations: list[SegmentationStatement] = []
    classification_annotations: list[ClassificationStatement] = []
    classification_annotation: ClassificationStatement | None = None
    tags: list[ShortText] = Field(default=[], max_length=1000)
    created: ShortText | None = None
    source: LongText | None = None
    state: ImageState | None = None
    set: ImageSet | None = None
    name: LongText | None = None
    properties: Properties = {}


class Marked(Wire):
    """What every annotation of a record says, beside its place in the image."""

    id: str
    version: int
    category_name: str
    category_id: str | None
    properties: dict[str, Any]


class MarkedBox(Marked):
    x: float
    y: float
    width: float
    height: float


class MarkedPoint(Marked):
    x: float
    y: float


class MarkedOutline(Marked):
    shape: Polygon


class ImageSummary(Wire):
    """An image without what is in it. `width` and `height` are those of the upright image.

    `version` counts the changes of the image and of its annotations; `changed_by` made the last one: a user,
    `robot (node)` for the node token called robot, null for a node without a token.
    `deleted` is when it was deleted, if it waits for the end of its grace period.
    """

    id: str
    version: int
    set: ImageSet
    state: ImageState
    name: str | None
    tags: list[str]
    source: str | None
    created: str | None
    received: str
    changed: str
    changed_by: str | None
    deleted: str | None
    width: int
    height: int
    format: str
    size_bytes: int
    sha256: str
    idempotency_key: str | None
    properties: dict[str, Any]


class ImageRecord(ImageSummary, Findings):
    """Everything the loop knows about an image. `classification_annotation` is the first of its kind."""

    box_annotations: list[MarkedBox]
    point_annotations: list[MarkedPoint]
    segmentation_annotations: list[MarkedOutline]
    classification_annotations: list[Marked]
    classification_annotation: Marked | None


class ImageRecords(Wire):
    images: list[ImageRecord]


class StoredImage(Wire):
    """`stored` is false if the image was there already, under the same key or id; `deleted` says that it still is, in
    its grace period, and is seen again only when somebody restores it."""

    id: str
    stored: bool
    deleted: bool = False


class StoredImages(Wire):
    """One entry per image, in the order of the request."""

    images: list[StoredImage]
