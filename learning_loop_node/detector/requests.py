"""What clients ask a detector for, and how it is read from a form or an event."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from starlette.requests import Request

from ..api.forms import shortened
from ..api.image_requests import image_from_event, images_from_event, option, read_images
from ..data_classes import ImageMetadata
from ..data_classes.codec import from_dict
from ..enums import Autoupload, OperationMode, OutboxMode
from ..errors import InvalidImageError, InvalidRequestError, TooLargeError
from ..images import ImageInput
from ..node.operations import read_text
from ..settings import DetectorSettings
from .outbox.given_key import checked_key

MAX_FILES = 1000
"""In one form, as in 0.27."""
MAX_TAGS = 1000
LONGEST_TAG = 256
LONGEST_SOURCE = 4096
"""In characters. The loop takes no more, and what came later would be refused there."""
LONGEST_CAMERA_ID = 4096
"""Some programs call a camera by its address or its whole pipeline."""

E = TypeVar("E", Autoupload, OperationMode, OutboxMode)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectRequest:
    """Images to detect in, and what to do with them afterwards."""

    images: list[ImageInput]
    camera_id: str | None = None
    tags: list[str] = field(default_factory=list)
    source: str | None = None
    autoupload: Autoupload = Autoupload.FILTERED
    creation_date: str | None = None
    timeout_s: float | None = None

    def __post_init__(self) -> None:
        _check_text("camera_id", self.camera_id, LONGEST_CAMERA_ID)
        _check_origin(self.source, self.tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRequest:
    """Images to keep for the loop, with what is known about them."""

    images: list[ImageInput]
    metadata: list[ImageMetadata]
    upload_priority: bool = False
    idempotency_key: str | None = None

    def __post_init__(self) -> None:
        for metadata in self.metadata:
            _check_origin(metadata.source, metadata.tags)


@dataclass(frozen=True, slots=True)
class ModeRequest:
    """One word: a mode, or a version."""

    mode: str


class Readers:
    """Reads the requests of a detector within the limits of its settings.

    `on_refusal` is called for each detection whose image is already refused here, before it comes to the inference.
    """

    def __init__(self, settings: DetectorSettings, on_refusal: Callable[[], None] = lambda: None) -> None:
        self._settings = settings
        self._on_refusal = on_refusal

    async def detect_form(self, request: Request) -> DetectRequest:
        """`POST /detect`: one image as part `file`, options as headers (hyphens or underscores).

        As in 0.27, other files may come with it, and of several parts `file` the last one counts.
        """

        def get(name: str) -> str | None:
            return option(request, name)

        with self._refusals_noted():
            images = await self._images_in(request, "file")
        return DetectRequest(
            images=[images[-1]],
            camera_id=get("camera_id"),
            tags=_split_tags(get("tags")),
            source=get("source"),
            autoupload=_one_of(Autoupload, "autoupload", get("autoupload") or Autoupload.FILTERED),
            creation_date=_date("creation_date", get("creation_date")),
            timeout_s=_timeout(get("timeout_s")),
        )

    async def upload_form(self, request: Request) -> UploadRequest:
        """`POST /upload`: images as parts `files`, options in the query or as headers."""

        def get(name: str) -> str | None:
            return option(request, name, also_query=True)

        images = await self._images_in(request, "files")
        created = _date("creation_date", get("creation_date"))
        tags = _split_tags(get("tags"))
        return UploadRequest(
            images=list(images),
            metadata=[ImageMetadata(created=created, source=get("source"), tags=list(tags)) for _ in images],
            upload_priority=truth("upload_priority", get("upload_priority")),
            idempotency_key=checked_key(get("idempotency_key"), len(images)),
        )

    def detect_event(self, data: Any = None) -> DetectRequest:
        """`detect`: one image and its options in one dictionary."""
        with self._refusals_noted():
            image = image_from_event(data, max_pixels=self._settings.max_pixels)
        return self._detect_request(data, [image])

    def batch_detect_event(self, data: Any = None) -> DetectRequest:
        """`batch_detect`: several images and their common options."""
        with self._refusals_noted():
            images = images_from_event(data, max_pixels=self._settings.max_pixels)
        return self._detect_request(data, images)

    def upload_event(self, data: Any = None) -> UploadRequest:
        """`upload`: one image and its metadata."""
        image = image_from_event(data, max_pixels=self._settings.max_pixels)
        return UploadRequest(
            images=[image],
            metadata=[read_metadata(data.get("metadata"))],
            upload_priority=truth("upload_priority", data.get("upload_priority")),
            idempotency_key=checked_key(_optional_text(data, "idempotency_key"), 1),
        )

    async def _images_in(self, request: Request, part: str) -> list[bytes]:
        limit_bytes = self._settings.max_request_bytes
        return await read_images(request, part=part, max_bytes=limit_bytes, max_parts=MAX_FILES)

    @contextmanager
    def _refusals_noted(self) -> Iterator[None]:
        try:
            yield
        except (InvalidImageError, TooLargeError):
            self._on_refusal()
            raise

    def _detect_request(self, data: Mapping[str, Any], images: list[ImageInput]) -> DetectRequest:
        return DetectRequest(
            images=images,
            camera_id=_optional_text(data, "camera_id"),
            tags=_tag_list(data.get("tags")),
            source=_optional_text(data, "source"),
            autoupload=_one_of(Autoupload, "autoupload", data.get("autoupload") or Autoupload.FILTERED),
            creation_date=_date("creation_date", _optional_text(data, "creation_date")),
            timeout_s=_timeout(data.get("timeout_s")),
        )


async def read_mode(request: Request) -> ModeRequest:
    """One word as the body of a request."""
    return ModeRequest(await read_text(request))


def mode_event(mode: Any = None) -> ModeRequest:
    """One word as the argument of an event."""
    if not isinstance(mode, str):
        raise InvalidRequestError(f"the argument must be one word, not {type(mode).__name__}")
    return ModeRequest(mode)


def read_metadata(data: Any) -> ImageMetadata:
    """Metadata as clients send it with an upload, none at all included.

    RoSys calls the date `creation_date` and sends the corners of shapes as floats; both are understood.
    """
    if not data:
        return ImageMetadata()
    if not isinstance(data, Mapping):
        raise InvalidRequestError(f"metadata must be an object, not {type(data).__name__}")
    values = dict(data)
    if "creation_date" in values and not values.get("created"):
        values["created"] = values["creation_date"]
    if isinstance(values.get("segmentation_detections"), list):
        values["segmentation_detections"] = [_with_whole_points(entry) for entry in values["segmentation_detections"]]
    metadata = from_dict(ImageMetadata, values)
    metadata.created = _date("metadata.created", metadata.created)
    for index, box in enumerate(metadata.box_detections):
        if box.width < 0 or box.height < 0:
            raise InvalidRequestError(f"metadata.box_detections[{index}] has a negative size")
    return metadata


def parse_mode(kind: Callable[[str], E], text: str) -> E:
    """A mode by its word; the text of the error is that of 0.27, with the words there are."""
    try:
        return kind(text)
    except ValueError as error:
        known = ", ".join(f"`{word.value}`" for word in kind)  # type: ignore[attr-defined]  # kind is an enum class
        raise InvalidRequestError(f"{error}; it is one of {known}") from error


def _with_whole_points(entry: Any) -> Any:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("shape"), Mapping):
        return entry
    points = entry["shape"].get("points")
    if not isinstance(points, list):
        return entry
    return {**entry, "shape": {"points": [_whole_point(point) for point in points]}}


def _whole_point(point: Any) -> Any:
    if not isinstance(point, Mapping):
        return point
    return {
        key: round(value) if isinstance(value, float) and math.isfinite(value) else value
        for key, value in point.items()
    }


def _check_origin(source: str | None, tags: list[str]) -> None:
    _check_text("source", source, LONGEST_SOURCE)
    if len(tags) > MAX_TAGS:
        raise InvalidRequestError(f"tags: there are {len(tags)}, the limit is {MAX_TAGS}")
    for tag in tags:
        _check_text("tags", tag, LONGEST_TAG)


def _check_text(name: str, text: str | None, longest: int) -> None:
    if text is None or (len(text) <= longest and text.isascii()):
        return
    if len(text) > longest:
        raise InvalidRequestError(f"{name}: {shortened(text)!r} has {len(text)} characters, the limit is {longest}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"{name}: {text!r} is half a character, which UTF-8 cannot say") from error


def _split_tags(text: str | None) -> list[str]:
    return [tag.strip() for tag in (text or "").split(",") if tag.strip()]


def _tag_list(value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise InvalidRequestError("tags must be a list of texts")
    return value


def _optional_text(data: Mapping[str, Any], key: str) -> str | None:
    """Text, or a number as text: programs number their cameras."""
    value = data.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is not None and not isinstance(value, str):
        raise InvalidRequestError(f"{key} must be text or null, not {type(value).__name__}")
    return value


def _one_of(kind: type[E], name: str, value: Any) -> E:
    try:
        return kind(value)
    except ValueError as error:
        known = ", ".join(f"`{word.value}`" for word in kind)
        raise InvalidRequestError(f"{name} must be one of {known}, not {value!r}") from error


def _date(name: str, text: str | None) -> str | None:
    """An ISO date, as it was given; nodes write an underscore in place of the T."""
    if not text:
        return None
    try:
        datetime.fromisoformat(text.replace("_", "T", 1))
    except ValueError as error:
        raise InvalidRequestError(f"{name} must be an ISO date such as 2026-01-31T12:00:00, not {text!r}") from error
    return text


def _timeout(value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        timeout_s = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidRequestError(f"timeout_s must be a number of seconds, not {value!r}") from error
    if not math.isfinite(timeout_s) or timeout_s <= 0:
        raise InvalidRequestError(f"timeout_s must be a positive number of seconds, not {value!r}")
    return timeout_s


_TRUE = frozenset({"true", "1", "yes", "on", "t", "y"})
_FALSE = frozenset({"false", "0", "no", "off", "f", "n", ""})


def truth(name: str, value: Any) -> bool:
    """A switch as 0.27 understands it in a query: any of these words, in any case."""
    if value is None or isinstance(value, bool):
        return bool(value)
    word = str(value).lower()
    if word not in _TRUE | _FALSE:
        raise InvalidRequestError(f"{name} must be true or false, not {value!r}")
    return word in _TRUE
