"""Everything a detector can be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from ..api.openapi import answers_with
from ..api.operation import Http, Nothing, Operation, read_nothing
from ..api.replies import json_reply, text_reply
from ..data_classes import AboutResponse, ImageMetadata, ImagesMetadata, ModelVersionResponse, OutboxPage, Retried
from ..data_classes.codec import to_dict
from ..enums import OperationMode, OutboxMode
from ..errors import BadModeError, NodeError
from ..node.operations import TEXT_BODY
from ..runtime.threads import io_bound
from .active_model import Loaded
from .inference import deadline_in
from .outbox.given_key import given_key
from .outbox.inventory import Inventory, ItemFile
from .outbox.requests import (
    FileRequest,
    PageRequest,
    RetryRequest,
    page_event,
    read_file_request,
    read_page,
    read_retry,
    retry_event,
)
from .requests import DetectRequest, ModeRequest, Readers, UploadRequest, mode_event, parse_mode, read_mode

if TYPE_CHECKING:
    from .detector_node import DetectorNode


def detector_operations(node: DetectorNode) -> list[Operation[Any, Any]]:
    readers = Readers(node.settings.detector, on_refusal=node.inference.note_refusal)
    actions = Actions(node)
    return [
        Operation(
            request=DetectRequest,
            run=actions.detect,
            tag="images",
            summary="Detect in one image",
            http=Http(
                method="POST",
                path="/detect",
                read=readers.detect_form,
                answer=ImageMetadata,
                openapi=_form("file", DETECT_OPTIONS),
            ),
            event="detect",
            read_event=readers.detect_event,
        ),
        Operation(
            request=DetectRequest,
            run=actions.batch_detect,
            summary="Detect in several images with one call of the model",
            event="batch_detect",
            read_event=readers.batch_detect_event,
        ),
        Operation(
            request=UploadRequest,
            run=actions.upload,
            tag="images",
            summary="Keep images for the loop",
            http=Http(
                method="POST",
                path="/upload",
                read=readers.upload_form,
                reply=lambda _: json_reply([200, "OK"]),
                answer=list[int | str],
                openapi=_form("files", UPLOAD_OPTIONS, is_list=True),
            ),
            event="upload",
            read_event=readers.upload_event,
            reply_event=_status_ok,
        ),
        Operation(
            request=Nothing,
            run=actions.info,
            summary="The model that answers",
            event="info",
        ),
        Operation(
            request=Nothing,
            run=actions.about,
            tag="state",
            summary="State, model and modes of the detector",
            http=Http(method="GET", path="/about", read=read_nothing, answer=AboutResponse),
            event="about",
        ),
        Operation(
            request=Nothing,
            run=actions.model_version,
            tag="model",
            summary="Model versions: current, wanted, deployed by the loop, on this machine",
            http=Http(method="GET", path="/model_version", read=read_nothing, answer=ModelVersionResponse),
            event="get_model_version",
        ),
        Operation(
            request=ModeRequest,
            run=actions.set_model_version_mode,
            tag="model",
            summary="Follow the loop (`follow_loop`), stay (`pause`), or use a version (`1.3`)",
            http=_put("/model_version"),
            event="set_model_version_mode",
            read_event=mode_event,
            reply_event=_status_ok,
        ),
        Operation(
            request=Nothing,
            run=actions.operation_mode,
            tag="model",
            summary="What the detector may be interrupted for",
            http=Http(method="GET", path="/operation_mode", read=read_nothing, reply=text_reply, answer=OperationMode),
        ),
        Operation(
            request=ModeRequest,
            run=actions.set_operation_mode,
            tag="model",
            summary="Allow model changes (`idle`) or not (`detecting`)",
            http=_put("/operation_mode"),
        ),
        Operation(
            request=Nothing,
            run=actions.outbox_mode,
            tag="outbox",
            summary="Whether the outbox drains to the loop",
            http=Http(method="GET", path="/outbox_mode", read=read_nothing, reply=text_reply, answer=OutboxMode),
            event="get_outbox_mode",
            reply_event=lambda mode: {"outbox_mode": mode.value},
        ),
        Operation(
            request=ModeRequest,
            run=actions.set_outbox_mode,
            tag="outbox",
            summary="Drain the outbox (`continuous_upload`) or hold it (`stopped`)",
            http=_put("/outbox_mode"),
            event="set_outbox_mode",
            read_event=mode_event,
            reply_event=_status_ok,
        ),
        Operation(
            request=PageRequest,
            run=actions.outbox_page,
            tag="outbox",
            summary="List the images that wait, or those in quarantine, page by page",
            http=Http(
                method="GET",
                path="/outbox",
                read=read_page,
                answer=OutboxPage,
                openapi=_parameters("query", PAGE_OPTIONS),
            ),
            event="get_outbox",
            read_event=page_event,
        ),
        Operation(
            request=FileRequest,
            run=actions.outbox_file,
            tag="outbox",
            summary="An image in the outbox (`image`), or its metadata (`metadata`)",
            http=Http(
                method="GET",
                path="/outbox/{place}/{name}/{part}",
                read=read_file_request,
                reply=_reply_file,
                openapi=_parameters("path", FILE_OPTIONS) | FILE_ANSWER | {"operationId": "get_outbox_file"},
            ),
        ),
        Operation(
            request=RetryRequest,
            run=actions.retry_outbox,
            tag="outbox",
            summary="Let images in quarantine wait again: those with these names, or all",
            http=Http(method="POST", path="/outbox/retry", read=read_retry, answer=Retried, openapi=RETRY_BODY),
            event="retry_outbox",
            read_event=retry_event,
        ),
        Operation(
            request=Nothing,
            run=actions.soft_reload,
            summary="Reset the modes and build the model anew, while the old one answers",
            event="soft_reload",
            reply_event=_status_ok,
        ),
        Operation(
            request=Nothing,
            run=actions.counts,
            tag="state",
            summary="What was detected, kept, sent and dropped since the start",
            http=Http(method="GET", path="/status", read=read_nothing, answer=dict[str, Any]),
            event="status",
        ),
    ]


class Actions:
    """Carries out what is asked, through the methods of the node that a user's subclass may override."""

    def __init__(self, node: DetectorNode) -> None:
        self._node = node

    async def detect(self, request: DetectRequest) -> ImageMetadata:
        with deadline_in(request.timeout_s):
            return await self._node.get_detections(
                request.images[0],
                request.tags,
                camera_id=request.camera_id,
                source=request.source,
                autoupload=request.autoupload.value,
                creation_date=request.creation_date,
            )

    async def batch_detect(self, request: DetectRequest) -> ImagesMetadata:
        with deadline_in(request.timeout_s):
            return await self._node.get_batch_detections(
                request.images,
                request.tags,
                camera_id=request.camera_id,
                source=request.source,
                autoupload=request.autoupload.value,
                creation_date=request.creation_date,
            )

    async def upload(self, request: UploadRequest) -> None:
        with given_key(request.idempotency_key):
            await self._node.upload_images(
                images=request.images,
                images_metadata=ImagesMetadata(items=request.metadata),
                upload_priority=request.upload_priority,
            )

    async def info(self, _: Nothing) -> dict[str, Any]:
        state = self._node.active_model.state
        if isinstance(state, Loaded):
            return to_dict(state.model_info)
        return {"status": self._node.no_model_text}

    async def about(self, _: Nothing) -> AboutResponse:
        return self._node.get_about_response()

    async def model_version(self, _: Nothing) -> ModelVersionResponse:
        return self._node.get_model_version_response()

    async def set_model_version_mode(self, request: ModeRequest) -> None:
        try:
            await self._node.set_model_version_mode(request.mode)
        except NodeError as error:  # 0.27 answers every failure here with 400
            raise BadModeError(str(error)) from error

    async def operation_mode(self, _: Nothing) -> OperationMode:
        return self._node.operation_mode

    async def set_operation_mode(self, request: ModeRequest) -> None:
        await self._node.set_operation_mode(parse_mode(OperationMode, request.mode))

    async def outbox_mode(self, _: Nothing) -> OutboxMode:
        return OutboxMode(self._node.outbox.get_mode())

    async def set_outbox_mode(self, request: ModeRequest) -> None:
        await self._node.outbox.set_mode(parse_mode(OutboxMode, request.mode))

    async def outbox_page(self, request: PageRequest) -> OutboxPage:
        return await io_bound(
            self._inventory().page, quarantined=request.quarantined, limit=request.limit, cursor=request.cursor
        )

    async def outbox_file(self, request: FileRequest) -> tuple[bytes, ItemFile]:
        return await io_bound(self._inventory().file, request.place, request.name, request.part), request.part

    async def retry_outbox(self, request: RetryRequest) -> Retried:
        retried = await io_bound(self._inventory().retry, request.names)
        self._node.outbox.changed.set()
        return retried

    async def soft_reload(self, _: Nothing) -> None:
        self._node.reload_soon()

    async def counts(self, _: Nothing) -> dict[str, Any]:
        return self._node.get_counts()

    def _inventory(self) -> Inventory:
        return Inventory(self._node.outbox.store)


def _put(path: str) -> Http[ModeRequest, None]:
    return Http(method="PUT", path=path, read=read_mode, reply=_reply_ok, answer=str, openapi=TEXT_BODY)


def _reply_ok(_: object) -> Response:
    return json_reply("OK")


def _reply_file(file: tuple[bytes, ItemFile]) -> Response:
    content, part = file
    kind = "image/jpeg" if part is ItemFile.IMAGE else "application/json"
    return Response(content, media_type=kind, headers={"X-Content-Type-Options": "nosniff"})


def _status_ok(_: object) -> dict[str, str]:
    return {"status": "OK"}


DETECT_OPTIONS = {
    "camera-id": "Camera that took the image; images of one camera are compared to find what is new.",
    "tags": "Tags, separated by commas.",
    "source": "Where the image comes from.",
    "autoupload": "`filtered` (relevant images go to the loop), `all` or `disabled`.",
    "creation-date": "When the image was taken, as ISO date.",
    "timeout-s": "Seconds after which the answer is of no use any more (504).",
}
UPLOAD_OPTIONS = {
    "source": "Where the images come from.",
    "tags": "Tags, separated by commas.",
    "creation_date": "When the images were taken, as ISO date.",
    "upload_priority": "`true` to send them before all others.",
    "idempotency_key": "For one image: a key of your own by which the loop recognises a repetition.",
}

PAGE_OPTIONS = {
    "quarantined": "`true` for the images in quarantine, else those that wait.",
    "limit": "How many at most, up to 1000; 100 if not given.",
    "cursor": "The `next` of the page before.",
}
FILE_OPTIONS = {
    "place": "The lane (`normal`, `priority`), or `quarantine`.",
    "name": "The name of the entry.",
    "part": "`image` or `metadata`.",
}
FILE_ANSWER = answers_with("The file.", {"image/jpeg": {"type": "string", "format": "binary"}, "application/json": {}})
_NAMES = {"type": "array", "items": {"type": "string"}, "nullable": True}
RETRY_BODY = {
    "requestBody": {
        "required": False,
        "content": {"application/json": {"schema": {"type": "object", "properties": {"names": _NAMES}}}},
    }
}


def _form(part: str, options: dict[str, str], *, is_list: bool = False) -> dict[str, Any]:
    """The OpenAPI entry of a form with images; options are headers, for a list of images in the query."""
    image = {"type": "string", "format": "binary"}
    schema = {
        "type": "object",
        "required": [part],
        "properties": {part: {"type": "array", "items": image} if is_list else image},
    }
    return {
        **_parameters("query" if is_list else "header", options),
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}},
    }


def _parameters(place: str, options: dict[str, str]) -> dict[str, Any]:
    """The OpenAPI entry of options, which are part of the `path`, in the `query`, or a `header` each."""
    return {
        "parameters": [
            {"name": name, "in": place, "required": place == "path", "description": text, "schema": {"type": "string"}}
            for name, text in options.items()
        ]
    }
