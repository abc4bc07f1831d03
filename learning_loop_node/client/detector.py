"""What a program uses to talk to a detector node."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import numpy as np

from ..api.replies import STATUS
from ..data_classes import (
    AboutResponse,
    ImageMetadata,
    ImagesMetadata,
    ModelVersionResponse,
    OutboxEntry,
    OutboxPage,
    Retried,
)
from ..data_classes.codec import from_dict, from_json, to_dict
from ..enums import Autoupload, OperationMode, OutboxMode
from ..errors import (
    DeadlineError,
    DetectionFailedError,
    InvalidRequestError,
    LoopRefusedError,
    NodeError,
    NotFoundError,
    SettingError,
    UnavailableError,
)
from ..images import LARGEST_PIXELS, ImageInput, decode, encode_jpeg, read_header
from ..runtime.threads import io_bound
from .event_channel import EventChannel
from .failures import FOREIGN, cause_of, error_of_answer
from .http import read_body, timeout_of, web_origin

W = TypeVar("W", OutboxMode, OperationMode)

LARGEST_ANSWER_BYTES = 64 * 2**20
SPARE_S = 2.0
"""How much longer we wait than the node may take, so that its own answer arrives."""

FILE_ENDINGS = {"jpeg": "jpg", "png": "png", "webp": "webp", "bmp": "bmp"}


class Transport(StrEnum):
    """How images and questions travel."""

    REST = "rest"
    SOCKETIO = "socketio"


class DetectorClient:
    """A detector node at this address, such as `http://robot:8004` or `robot:8004`.

        async with DetectorClient("robot:8004") as detector:
            metadata = await detector.detect(Path("image.jpg").read_bytes(), camera_id="front")

    Images are encoded (JPEG, PNG, WebP, BMP) or arrays `(H, W, 3)` in RGB. Over REST an array travels as JPEG, over
    Socket.IO as it is. What exists on one way only goes that way. What the node refuses raises the error that it
    names; `UnavailableError` also if there is no connection, `DeadlineError` if no answer comes in time.
    """

    def __init__(self, url: str, *, transport: Transport = Transport.REST, timeout_s: float = 60.0) -> None:
        self.origin = _origin_of(url)
        self.timeout_s = timeout_s
        self._is_event = transport is Transport.SOCKETIO
        self._session: aiohttp.ClientSession | None = None
        self._events: EventChannel | None = None
        self._is_closed = False

    async def __aenter__(self) -> DetectorClient:
        self._channel()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        self._is_closed = True
        if self._events is not None:
            await self._events.aclose()
        if self._session is not None:
            await self._session.close()

    async def detect(
        self,
        image: ImageInput,
        *,
        camera_id: str | None = None,
        tags: Sequence[str] = (),
        source: str | None = None,
        autoupload: Autoupload | str = Autoupload.FILTERED,
        creation_date: str | None = None,
        timeout_s: float | None = None,
    ) -> ImageMetadata:
        """What is in the image. `timeout_s` is the time that the answer is worth waiting for."""
        options = _options(camera_id, tags, source, autoupload, creation_date, timeout_s)
        limit_s = self._limit(timeout_s)
        if self._is_event:
            entry, size_bytes = await io_bound(_event_image, image)
            data = {"image": entry} | options
            reply = await self._channel().call("detect", data, timeout_s=limit_s, size_bytes=size_bytes)
        else:
            form = await io_bound(_form, "file", [image])
            reply = await self._ask("POST", "/detect", limit_s, data=form, headers=_headers(options))
        return from_dict(ImageMetadata, reply)

    async def batch_detect(
        self,
        images: Sequence[ImageInput],
        *,
        camera_id: str | None = None,
        tags: Sequence[str] = (),
        source: str | None = None,
        autoupload: Autoupload | str = Autoupload.FILTERED,
        creation_date: str | None = None,
        timeout_s: float | None = None,
    ) -> list[ImageMetadata]:
        """What is in the images, in one call of the model. Always over Socket.IO."""
        entries = [await io_bound(_event_image, image) for image in images]
        options = _options(camera_id, tags, source, autoupload, creation_date, timeout_s)
        reply = await self._channel().call(
            "batch_detect",
            {"images": [entry for entry, _ in entries]} | options,
            timeout_s=self._limit(timeout_s),
            size_bytes=sum(size_bytes for _, size_bytes in entries),
        )
        return from_dict(ImagesMetadata, reply).items

    async def upload(
        self,
        image: ImageInput,
        metadata: ImageMetadata | None = None,
        *,
        source: str | None = None,
        creation_date: str | None = None,
        upload_priority: bool = False,
        idempotency_key: str | None = None,
    ) -> None:
        """Let the node keep an image for the loop; it is safe on its disk afterwards.

        `source` and `creation_date` stand in for those of `metadata`. With `metadata` it goes over Socket.IO, which
        alone can carry it. Images that are sent with the same key are stored once by the loop, if it is one of ours.
        """
        options: dict[str, Any] = {"upload_priority": upload_priority, "idempotency_key": idempotency_key}
        if metadata is not None or self._is_event:
            await self._upload_event(image, metadata, source, creation_date, options)
            return
        options |= {"source": source, "creation_date": creation_date, "upload_priority": str(upload_priority).lower()}
        form = await io_bound(_form, "files", [image])
        await self._ask("POST", "/upload", self.timeout_s, data=form, params=_given(options))

    async def about(self) -> AboutResponse:
        return from_dict(AboutResponse, await self._get("/about", "about"))

    async def model_version(self) -> ModelVersionResponse:
        return from_dict(ModelVersionResponse, await self._get("/model_version", "get_model_version"))

    async def set_model_version(self, mode: str) -> None:
        """`follow_loop`, `pause`, or a version such as `1.3`; raises `BadModeError`."""
        await self._put("/model_version", "set_model_version_mode", mode)

    async def outbox_mode(self) -> OutboxMode:
        return _word(OutboxMode, await self._ask_text("GET", "/outbox_mode"))

    async def set_outbox_mode(self, mode: OutboxMode | str) -> None:
        await self._put("/outbox_mode", "set_outbox_mode", str(mode))

    async def outbox_page(
        self, *, quarantined: bool = False, limit: int = 100, cursor: str | None = None
    ) -> OutboxPage:
        """Some of the images that wait, those sent first at the front, or of those in quarantine.

        The `next` of a page is the `cursor` for the following one.
        """
        options = _given({"quarantined": quarantined, "limit": limit, "cursor": cursor})
        if self._is_event:
            return from_dict(OutboxPage, await self._channel().call("get_outbox", options, timeout_s=self.timeout_s))
        query = {name: str(value).lower() if name != "cursor" else value for name, value in options.items()}
        return from_dict(OutboxPage, await self._ask("GET", "/outbox", self.timeout_s, params=query))

    async def outbox_entries(self, *, quarantined: bool = False) -> AsyncIterator[OutboxEntry]:
        """All of them, asked for page by page while they are used."""
        cursor: str | None = None
        while True:
            page = await self.outbox_page(quarantined=quarantined, limit=1000, cursor=cursor)
            for entry in page.entries:
                yield entry
            if page.next is None:
                return
            cursor = page.next

    async def outbox_image(self, place: str, name: str) -> bytes:
        """An image in the outbox, as it will be sent; `place` is its lane, or `quarantine`. Always over REST."""
        return await self._request("GET", _outbox_path(place, name, "image"), self.timeout_s)

    async def outbox_metadata(self, place: str, name: str) -> bytes:
        """Its metadata, as they are kept: JSON, unless they are damaged. Always over REST."""
        return await self._request("GET", _outbox_path(place, name, "metadata"), self.timeout_s)

    async def retry_outbox(self, names: Sequence[str] | None = None) -> Retried:
        """Let these images in quarantine wait again, or all of them."""
        body = {"names": None if names is None else list(names)}
        if self._is_event:
            return from_dict(Retried, await self._channel().call("retry_outbox", body, timeout_s=self.timeout_s))
        return from_dict(Retried, await self._ask("POST", "/outbox/retry", self.timeout_s, json=body))

    async def operation_mode(self) -> OperationMode:
        return _word(OperationMode, await self._ask_text("GET", "/operation_mode"))

    async def set_operation_mode(self, mode: OperationMode | str) -> None:
        await self._ask_text("PUT", "/operation_mode", data=str(mode))

    async def soft_reload(self) -> None:
        """Reset the modes and build the model anew, while the old one answers. Always over Socket.IO."""
        await self._channel().call("soft_reload", timeout_s=self.timeout_s)

    async def health(self) -> dict[str, Any]:
        """What `/healthz` says; `UnavailableError` if the process is not well."""
        return _object(await self._ask("GET", "/healthz", self.timeout_s))

    async def readiness(self) -> dict[str, Any]:
        """What `/readyz` says; `UnavailableError` while the node cannot detect."""
        return _object(await self._ask("GET", "/readyz", self.timeout_s))

    async def status(self) -> dict[str, Any]:
        """What was detected, kept, sent and dropped since the start."""
        return _object(await self._get("/status", "status"))

    async def _get(self, path: str, event: str) -> Any:
        if self._is_event:
            return await self._channel().call(event, timeout_s=self.timeout_s)
        return await self._ask("GET", path, self.timeout_s)

    async def _put(self, path: str, event: str, word: str) -> None:
        if self._is_event:
            await self._channel().call(event, word, timeout_s=self.timeout_s)
        else:
            await self._ask_text("PUT", path, data=word)

    async def _upload_event(
        self,
        image: ImageInput,
        metadata: ImageMetadata | None,
        source: str | None,
        creation_date: str | None,
        options: Mapping[str, Any],
    ) -> None:
        entry, size_bytes = await io_bound(_event_image, image)
        known = to_dict(metadata) if metadata is not None else {}
        known |= _given({"source": source, "created": creation_date})
        data = {"image": entry, "metadata": known} | _given(options)
        await self._channel().call("upload", data, timeout_s=self.timeout_s, size_bytes=size_bytes)

    async def _ask(self, method: str, path: str, limit_s: float, **arguments: Any) -> Any:
        return from_json(await self._request(method, path, limit_s, **arguments))

    async def _ask_text(self, method: str, path: str, **arguments: Any) -> str:
        return (await self._request(method, path, self.timeout_s, **arguments)).decode(errors="replace")

    async def _request(self, method: str, path: str, limit_s: float, **arguments: Any) -> bytes:
        session = self._open_session()
        try:
            async with session.request(method, self.origin + path, timeout=timeout_of(limit_s), **arguments) as answer:
                body = await read_body(answer, LARGEST_ANSWER_BYTES)
                if answer.status >= 300:
                    raise _named(error_of_answer(answer.status, answer.headers, body), self.origin + path)
                return body
        except TimeoutError as error:
            raise DeadlineError(f"no answer to {path} from {self.origin} within {limit_s:g} s") from error
        except FOREIGN as error:
            raise UnavailableError(f"no connection to {self.origin}: {cause_of(error)}") from error

    def _limit(self, timeout_s: float | None) -> float:
        return self.timeout_s if timeout_s is None else timeout_s + SPARE_S

    def _open_session(self) -> aiohttp.ClientSession:
        if self._is_closed:
            raise RuntimeError("this client of a detector is closed; make a new one")
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    def _channel(self) -> EventChannel:
        session = self._open_session()
        if self._events is None:
            self._events = EventChannel(self.origin, session)
        return self._events


def _outbox_path(place: str, name: str, part: str) -> str:
    return f"/outbox/{quote(place, safe='')}/{quote(name, safe=':')}/{part}"


def _origin_of(url: str) -> str:
    origin = web_origin(url if "://" in url else f"http://{url}")
    if origin is None:
        raise SettingError(f"{url!r} is no address of a detector; http://robot:8004 would be one")
    return origin


def _options(
    camera_id: str | None,
    tags: Sequence[str],
    source: str | None,
    autoupload: Autoupload | str,
    creation_date: str | None,
    timeout_s: float | None,
) -> dict[str, Any]:
    """The options of a detection that were given."""
    return _given(
        {
            "camera_id": camera_id,
            "tags": list(tags) or None,
            "source": source,
            "autoupload": str(autoupload),
            "creation_date": creation_date,
            "timeout_s": timeout_s,
        }
    )


def _event_image(image: ImageInput) -> tuple[dict[str, Any], int]:
    """An image as an event carries it, and its size: JPEG and arrays as they are, other formats as arrays."""
    if not isinstance(image, np.ndarray):
        if _format_of(image) == "jpeg":
            return {"format": "jpeg", "bytes": image}, len(image)
        image = decode(image)
    content = np.ascontiguousarray(image).tobytes()
    return {"bytes": content, "dtype": str(image.dtype), "shape": list(image.shape)}, len(content)


def _form(part: str, images: Sequence[ImageInput]) -> aiohttp.FormData:
    form = aiohttp.FormData()
    for image in images:
        content = encode_jpeg(image) if isinstance(image, np.ndarray) else image
        kind = _format_of(content)
        form.add_field(part, content, filename=f"image.{FILE_ENDINGS[kind]}", content_type=f"image/{kind}")
    return form


def _format_of(content: bytes) -> str:
    """The format of an encoded image; how many pixels are too many is for the node to say."""
    return read_header(content, max_pixels=LARGEST_PIXELS).format


def _headers(options: Mapping[str, Any]) -> dict[str, str]:
    """The options of a detection as headers, in the spelling that every version understands."""
    tags = options.get("tags", [])
    if any("," in tag for tag in tags):
        raise InvalidRequestError("a tag with a comma cannot travel over REST; use Socket.IO")
    given = dict(options) | ({"tags": ",".join(tags)} if tags else {})
    for name, value in given.items():
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in str(value)):
            raise InvalidRequestError(f"{name} must not contain line breaks or other control characters")
    return {name.replace("_", "-"): str(value) for name, value in given.items()}


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _named(error: NodeError, url: str) -> NodeError:
    """The answer of a node that names no error (0.27 and older), as the error that goes with its status."""
    if not isinstance(error, LoopRefusedError):
        return error
    kinds = {status: kind for kind, status in reversed(STATUS.items()) if kind is not NodeError}
    kinds[HTTPStatus.INTERNAL_SERVER_ERROR] = DetectionFailedError
    kind = next((kind for status, kind in kinds.items() if status == error.status), InvalidRequestError)
    text = f"{error} (status {error.status})"
    if kind is NotFoundError:
        text = f"there is no {url}: this is no detector node, or one of 0.27 or older"
    named = kind(text)
    named.__cause__ = error
    return named


def _word(kind: Callable[[str], W], text: str) -> W:
    try:
        return kind(text.strip().strip('"'))
    except ValueError as error:
        raise InvalidRequestError(f"the detector answered {text!r}, which is no mode") from error


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequestError(f"the detector answered {json.dumps(value)[:100]} and not an object")
    return value
