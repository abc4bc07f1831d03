"""What travels between the loop and its clients, as types that check what comes in and describe what goes out.

Coordinates are pixels from the top-left corner of the upright image; confidences lie between 0 and 1 where detectors
sent them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..enums import CategoryType

LARGEST_WHOLE = 2**53
"""Beyond it, not every program reads the same number."""

Whole = Annotated[int, Field(strict=True, ge=-LARGEST_WHOLE, le=LARGEST_WHOLE)]
Number = Whole | Annotated[float, Field(strict=True, allow_inf_nan=False)]
ShortText = Annotated[str, Field(max_length=256)]
LongText = Annotated[str, Field(max_length=4096)]


class Wire(BaseModel):
    """The base: what is unknown is ignored, as the protocol grows."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class ImageState(StrEnum):
    """Where an image stands between arriving and being ready for training."""

    Inbox = "inbox"
    Annotate = "annotate"
    Review = "review"
    Complete = "complete"
    Trash = "trash"


# --- what is in an image


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


# --- projects


class NewCategory(Wire):
    """A category to make; without `id` it gets one, without `type` it marks boxes."""

    name: str = Field(min_length=1, max_length=256)
    type: CategoryType | None = None
    id: str | None = Field(default=None, min_length=1, max_length=256)
    description: LongText | None = None
    hotkey: str | None = Field(default=None, max_length=32)
    color: str | None = Field(default=None, pattern=r"^#[0-9A-Fa-f]{6}$")
    point_size: int | None = Field(default=None, gt=0, le=10_000)


class NewProject(Wire):
    """A category may be given as its name alone; it then marks boxes."""

    project_id: str
    categories: list[NewCategory | Annotated[str, Field(min_length=1, max_length=256)]] = Field(
        default=[], max_length=1000
    )


class CategoryRecord(Wire):
    id: str
    name: str
    description: str | None
    hotkey: str | None
    color: str | None
    point_size: int | None
    type: CategoryType


class ProjectPlace(Wire):
    """`resource` is the project's address without `/api`."""

    organization_id: str
    project_id: str
    resource: str


class Projects(Wire):
    projects: list[ProjectPlace]


class ProjectRecord(ProjectPlace):
    created: str
    categories: list[CategoryRecord]
    box_categories: list[CategoryRecord]


class ProjectData(Wire):
    """The ids of images, and the categories of the project."""

    image_ids: list[str]
    categories: list[CategoryRecord]
    box_categories: list[CategoryRecord]


# --- models


class StoredModel(Wire):
    id: str
    version: str


class FormatFile(Wire):
    """The zip with a model in one format."""

    sha256: str
    size_bytes: int
    files: list[str]


class ModelRecord(StoredModel):
    """`formats` are the names, `archives` what there is to download for each of them."""

    host: str
    formats: list[str]
    created: str
    comment: str
    archives: dict[str, FormatFile]


class Models(Wire):
    models: list[ModelRecord]


class Target(Wire):
    """The model that the detectors of a project should run."""

    model_uuid: str
    version: str


class NewTarget(Wire):
    """Either of the two is enough."""

    version: ShortText | None = None
    model_uuid: ShortText | None = None


# --- detectors


class DetectorReport(BaseModel):
    """What a detector says about itself; what later versions add is kept."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    uuid: str = Field(min_length=1, max_length=256)
    name: ShortText
    state: ShortText
    uptime: Number = 0
    model_format: ShortText | None = None
    current_model: ShortText | None = None
    target_model: ShortText | None = None
    errors: dict[str, Any] = {}
    operation_mode: ShortText | None = None
    node_version: ShortText | None = None


class DetectorRecord(DetectorReport):
    received: str


class Detectors(Wire):
    detectors: list[DetectorRecord]


# --- the rest


class Done(Wire):
    status: Literal["ok"] = "ok"


class LoopStatus(Done):
    version: str


class LoginAnswer(Wire):
    """Who is logged in now; the session itself is in the cookie."""

    username: str
    role: Literal["guest", "admin"]


class Token(Wire):
    """To be sent as `Authorization: Bearer …`; `expires` in Unix seconds."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"
    expires: int
