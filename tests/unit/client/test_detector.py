from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import socketio
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from learning_loop_node.api.asgi import SocketIoBeside
from learning_loop_node.api.replies import error_event, error_reply
from learning_loop_node.api.sio import make_server
from learning_loop_node.client.detector import DetectorClient, Transport
from learning_loop_node.data_classes.codec import to_dict
from learning_loop_node.enums import OperationMode, OutboxMode
from learning_loop_node.errors import (
    BadModeError,
    BusyError,
    DeadlineError,
    DetectionFailedError,
    InvalidImageError,
    InvalidRequestError,
    NodeError,
    NotFoundError,
    RefusedError,
    SettingError,
    TooLargeError,
    UnavailableError,
)
from learning_loop_node.images import decode, encode_jpeg
from tests.builders import make_box, make_metadata, make_segmentation
from tests.serving import served

ABOUT = {
    "operation_mode": "idle",
    "state": "online",
    "model_info": None,
    "target_model": None,
    "version_control": "follow_loop",
}
VERSIONS = {
    "current_version": "1.0",
    "target_version": "None",
    "loop_version": "1.0",
    "local_versions": ["1.0"],
    "version_control": "pause",
}
PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
JPEG = encode_jpeg(PIXELS)
BOTH = pytest.mark.parametrize("transport", list(Transport))


@dataclass
class Node:
    """Looks like a detector from outside, and notes what it is asked."""

    url: str = ""
    asked: list[tuple[str, Any]] = field(default_factory=list)
    error: NodeError | None = None
    foreign: tuple[int, str] | None = None
    hangs: bool = False
    sids: list[str] = field(default_factory=list)
    events: socketio.AsyncServer = field(default_factory=make_server)

    def reply(self, name: str) -> Any:
        metadata = to_dict(make_metadata(segmentation_detections=[make_segmentation(shape="1,2,3,4")]))
        known: dict[str, Any] = {
            "detect": metadata,
            "batch_detect": {"items": [metadata, metadata]},
            "about": ABOUT,
            "model_version": VERSIONS,
            "get_model_version": VERSIONS,
            "upload": {"status": "OK"},
            "status": {"detected": 1},
            "healthz": {"status": "ok"},
        }
        return known.get(name, {"status": "OK"})

    async def answer_http(self, request: Request) -> Response:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error:
            return error_reply(self.error)
        if self.foreign:
            return PlainTextResponse(self.foreign[1], self.foreign[0])
        name = request.url.path.strip("/")
        if request.method == "POST":
            async with request.form() as form:
                parts = [(key, await part.read()) for key, part in form.multi_items() if not isinstance(part, str)]
            self.asked.append((name, {"parts": parts, **request.headers, **request.query_params}))
            return JSONResponse([200, "OK"] if name == "upload" else self.reply(name))
        if request.method == "PUT":
            self.asked.append((name, (await request.body()).decode()))
            return JSONResponse("OK")
        words = {"outbox_mode": "stopped", "operation_mode": "idle"}
        return PlainTextResponse(words[name]) if name in words else JSONResponse(self.reply(name))

    async def answer_event(self, name: str, _sid: str, *arguments: Any) -> Any:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error:
            return error_event(self.error)
        if self.foreign:
            return {"error": self.foreign[1]}
        self.asked.append((name, arguments[0] if arguments else None))
        return self.reply(name)


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    fake = Node()
    app = FastAPI()
    app.router.add_route("/{path:path}", fake.answer_http, methods=["GET", "PUT", "POST"])
    fake.events.on("connect", lambda sid, _: fake.sids.append(sid))
    fake.events.on("*", fake.answer_event)
    async with served(SocketIoBeside(app, fake.events), timeout_graceful_shutdown=1) as url:
        fake.url = url
        yield fake


@BOTH
async def test_detect(node: Node, transport: Transport) -> None:
    async with DetectorClient(node.url, transport=transport) as detector:
        metadata = await detector.detect(
            JPEG, camera_id="front", tags=["a", "b"], source="robot", autoupload="all", timeout_s=3.5
        )
    assert metadata.box_detections == [make_box()]
    name, asked = node.asked[0]
    assert name == "detect"
    if transport is Transport.REST:
        assert asked["parts"] == [("file", JPEG)]
        assert (asked["camera-id"], asked["tags"], asked["source"]) == ("front", "a,b", "robot")
        assert (asked["autoupload"], asked["timeout-s"]) == ("all", "3.5")
        assert "creation-date" not in asked
    else:
        assert asked == {
            "image": {"format": "jpeg", "bytes": JPEG},
            "camera_id": "front",
            "tags": ["a", "b"],
            "source": "robot",
            "autoupload": "all",
            "timeout_s": 3.5,
        }


async def test_an_array_travels_as_it_is_over_socketio(node: Node) -> None:
    async with DetectorClient(node.url, transport=Transport.SOCKETIO) as detector:
        await detector.detect(PIXELS[:, ::2])
    image = node.asked[0][1]["image"]
    assert image == {"bytes": PIXELS[:, ::2].tobytes(), "dtype": "uint8", "shape": [4, 3, 3]}


async def test_an_array_travels_as_jpeg_over_rest(node: Node) -> None:
    async with DetectorClient(node.url) as detector:
        await detector.detect(PIXELS)
    assert decode(node.asked[0][1]["parts"][0][1]).shape == PIXELS.shape


async def test_batch_detect(node: Node) -> None:
    async with DetectorClient(node.url) as detector:
        items = await detector.batch_detect([JPEG, PIXELS], autoupload="disabled")
    assert len(items) == 2
    images = node.asked[0][1]["images"]
    assert [sorted(image) for image in images] == [["bytes", "format"], ["bytes", "dtype", "shape"]]


@BOTH
async def test_upload(node: Node, transport: Transport) -> None:
    async with DetectorClient(node.url, transport=transport) as detector:
        await detector.upload(JPEG, source="robot", creation_date="2026-01-02T03:04:05", upload_priority=True)
    name, asked = node.asked[0]
    assert name == "upload"
    if transport is Transport.REST:
        assert asked["parts"] == [("files", JPEG)]
        assert (asked["source"], asked["creation_date"]) == ("robot", "2026-01-02T03:04:05")
        assert asked["upload_priority"] == "true"
    else:
        assert asked["metadata"] == {"source": "robot", "created": "2026-01-02T03:04:05"}
        assert asked["upload_priority"] is True


async def test_upload_with_metadata_goes_over_socketio(node: Node) -> None:
    async with DetectorClient(node.url) as detector:
        await detector.upload(JPEG, make_metadata(tags=["a"]))
    assert node.asked[0][1]["metadata"]["tags"] == ["a"]


@BOTH
async def test_questions_and_modes(node: Node, transport: Transport) -> None:
    async with DetectorClient(node.url, transport=transport) as detector:
        assert (await detector.about()).operation_mode == "idle"
        assert (await detector.model_version()).local_versions == ["1.0"]
        assert await detector.outbox_mode() is OutboxMode.STOPPED
        assert await detector.operation_mode() is OperationMode.Idle
        assert await detector.status() == {"detected": 1}
        assert await detector.health() == {"status": "ok"}
        node.asked.clear()
        await detector.set_model_version("1.0")
        await detector.set_outbox_mode(OutboxMode.STOPPED)
        await detector.set_operation_mode("detecting")
        await detector.soft_reload()
    assert [word for _, word in node.asked] == ["1.0", "stopped", "detecting", None]


@BOTH
@pytest.mark.parametrize(
    "error",
    [
        InvalidImageError("cut"),
        BadModeError("no such mode"),
        BusyError("later", retry_after_s=3),
        DetectionFailedError("the logic raised"),
    ],
    ids=lambda error: error.code,
)
async def test_the_errors_of_a_node_are_raised_again(node: Node, transport: Transport, error: NodeError) -> None:
    node.error = error
    async with DetectorClient(node.url, transport=transport) as detector:
        with pytest.raises(type(error), match=str(error)) as caught:
            await detector.detect(JPEG)
    if isinstance(caught.value, BusyError) and transport is Transport.REST:
        assert caught.value.retry_after_s == 3


@pytest.mark.parametrize(
    ("transport", "status", "kind"),
    [
        (Transport.REST, 500, DetectionFailedError),
        (Transport.REST, 422, InvalidRequestError),
        (Transport.REST, 503, UnavailableError),
        (Transport.REST, 418, InvalidRequestError),
        (Transport.SOCKETIO, 0, RefusedError),
    ],
)
async def test_errors_of_a_node_that_names_none(
    node: Node, transport: Transport, status: int, kind: type[NodeError]
) -> None:
    node.foreign = (status, "went wrong")
    async with DetectorClient(node.url, transport=transport) as detector:
        with pytest.raises(kind, match="went wrong"):
            await detector.detect(JPEG)


async def test_a_node_that_lacks_what_is_asked(node: Node) -> None:
    node.foreign = (404, '{"detail": "Not Found"}')
    async with DetectorClient(node.url) as detector:
        with pytest.raises(NotFoundError, match="/outbox: this is no detector node"):
            await detector.outbox_page()


@BOTH
async def test_no_answer_in_time(node: Node, transport: Transport) -> None:
    node.hangs = True
    async with DetectorClient(node.url, transport=transport, timeout_s=0.3) as detector:
        with pytest.raises(DeadlineError, match=r"within 0\.3 s"):
            await detector.detect(JPEG)


@BOTH
async def test_no_node(unused_tcp_port: int, transport: Transport) -> None:
    async with DetectorClient(f"127.0.0.1:{unused_tcp_port}", transport=transport) as detector:
        with pytest.raises(UnavailableError, match=str(unused_tcp_port)):
            await detector.detect(JPEG)


async def test_a_connection_that_is_lost_ends_the_call_at_once_and_is_made_anew(node: Node) -> None:
    node.hangs = True
    async with DetectorClient(node.url, transport=Transport.SOCKETIO) as detector:
        call = asyncio.ensure_future(detector.about())
        while not node.sids:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        await node.events.disconnect(node.sids[0])
        with pytest.raises(UnavailableError, match="was lost"):
            await call
        node.hangs = False
        assert (await detector.about()).state == "online"


async def test_a_message_that_is_too_large_is_refused_before_it_is_sent(node: Node) -> None:
    node.events.eio.max_http_buffer_size = 3 * 2**20
    frame = np.zeros((1024, 1024, 3), np.uint8)
    async with DetectorClient(node.url, transport=Transport.SOCKETIO) as detector:
        with pytest.raises(TooLargeError, match=f"{frame.nbytes} bytes .* {3 * 2**20}; send the image as JPEG"):
            await detector.detect(frame)
        await detector.detect(frame[:900])
    assert [name for name, _ in node.asked] == ["detect"]


@BOTH
@pytest.mark.parametrize("image", [b"", b"no image", JPEG[:1]])
async def test_what_is_no_image_is_not_sent(node: Node, transport: Transport, image: bytes) -> None:
    async with DetectorClient(node.url, transport=transport) as detector:
        with pytest.raises(InvalidImageError):
            await detector.detect(image)
    assert node.asked == []


@pytest.mark.parametrize("options", [{"tags": ["a,b"]}, {"source": "a\r\nx: y"}, {"camera_id": "a\0"}])
async def test_options_that_no_header_can_carry(node: Node, options: dict[str, Any]) -> None:
    async with DetectorClient(node.url) as detector:
        with pytest.raises(InvalidRequestError):
            await detector.detect(JPEG, **options)


@pytest.mark.parametrize(
    "url", ["", "http://", "ftp://robot", "robot:99999", "a b", "robot/path", "http://ada:secret@robot"]
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(SettingError, match="no address of a detector"):
        DetectorClient(url)


async def test_no_use_after_closing(node: Node) -> None:
    detector = DetectorClient(node.url, transport=Transport.SOCKETIO)
    await detector.about()
    await detector.aclose()
    await detector.aclose()
    with pytest.raises(RuntimeError, match="closed"):
        await detector.about()
