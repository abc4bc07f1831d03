"""Requests that cannot be served: a 4xx or a named error each, the same on REST and on Socket.IO."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
import socketio
from yarl import URL

from learning_loop_node.detector.detector_node import DetectorNode
from learning_loop_node.detector.relevance.rule import Seen
from learning_loop_node.images import encode_jpeg
from learning_loop_node.settings import DetectorSettings
from tests.builders import jpeg, make_settings
from tests.events import connected
from tests.nodes import RunningNode, running_node
from tests.polling import until

JPEG = jpeg()
LARGE = encode_jpeg(np.zeros((200, 200, 3), np.uint8))
THIRTEEN = encode_jpeg(np.zeros((13, 20, 3), np.uint8))
RAW = {"bytes": bytes(12), "dtype": "uint8", "shape": [2, 2, 3]}


# One node for all of them: each must leave it as it was.
pytestmark = pytest.mark.asyncio(loop_scope="module")
shared = pytest_asyncio.fixture(scope="module", loop_scope="module")


@shared
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningNode]:
    tmp_path = tmp_path_factory.mktemp("node")
    settings = make_settings(tmp_path, detector=DetectorSettings(max_pixels=20_000, max_request_bytes=1_000_000))
    async with running_node(tmp_path, settings=settings) as running:
        yield running


@shared
async def http(node: RunningNode) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(node.url) as session:
        yield session


@shared
async def events(node: RunningNode) -> AsyncIterator[socketio.AsyncClient]:
    async with connected(node.url) as client:
        yield client


def form(part: str, content: bytes) -> aiohttp.FormData:
    data = aiohttp.FormData()
    data.add_field(part, content, filename="image.jpg", content_type="image/jpeg")
    return data


IMAGES = [
    pytest.param(b"", "invalid_image", id="empty"),
    pytest.param(b"no image at all", "invalid_image", id="text"),
    pytest.param(JPEG[: len(JPEG) // 2], "invalid_image", id="truncated"),
    pytest.param(LARGE, "too_large", id="too many pixels"),
    pytest.param(b"GIF89a" + bytes(100), "invalid_image", id="format that is not taken"),
]


@pytest.mark.parametrize(("image", "code"), IMAGES)
@pytest.mark.parametrize(("path", "part"), [("/detect", "file"), ("/upload", "files")])
async def test_images_over_rest(http, node, path, part, image, code):
    async with http.post(path, data=form(part, image)) as response:
        answer = await response.json()
        assert (response.status, answer["code"]) == (413 if code == "too_large" else 422, code)
        assert answer["detail"]
    await assert_unharmed(http, node.node)


@pytest.mark.parametrize(("image", "code"), IMAGES)
@pytest.mark.parametrize("event", ["detect", "upload", "batch_detect"])
async def test_images_as_events(events, http, node, event, image, code):
    entry = {"format": "jpeg", "bytes": image}
    data = {"images": [entry]} if event == "batch_detect" else {"image": entry}
    answer = await events.call(event, data, timeout=10)
    assert answer["code"] == code
    assert answer["error"]
    await assert_unharmed(http, node.node)


@pytest.mark.parametrize(("image", "code"), IMAGES)
async def test_images_that_are_refused_are_counted(events, http, node, image, code):
    entry = {"format": "jpeg", "bytes": image}
    failed = node.node.get_counts()["detection"]["failed"]
    async with http.post("/detect", data=form("file", image)) as response:
        assert (await response.json())["code"] == code
    assert (await events.call("detect", {"image": entry}, timeout=10))["code"] == code
    assert (await events.call("batch_detect", {"images": [entry, entry]}, timeout=10))["code"] == code
    assert node.node.get_counts()["detection"]["failed"] == failed + 3


OPTIONS = [
    pytest.param({"autoupload": "nope"}, "autoupload", id="unknown autoupload"),
    pytest.param({"creation_date": "yesterday"}, "creation_date", id="not a date"),
    pytest.param({"timeout_s": "soon"}, "timeout_s", id="not a number of seconds"),
    pytest.param({"timeout_s": "-1"}, "timeout_s", id="negative seconds"),
    pytest.param({"timeout_s": "nan"}, "timeout_s", id="NaN seconds"),
]


@pytest.mark.parametrize(("options", "field"), OPTIONS)
async def test_options_over_rest(http, node, options, field):
    for spelled in (options, {name.replace("_", "-"): value for name, value in options.items()}):
        async with http.post("/detect", data=form("file", JPEG), headers=spelled) as response:
            assert response.status == 422
            assert field in (await response.json())["detail"]
    await assert_unharmed(http, node.node)


@pytest.mark.parametrize(("options", "field"), OPTIONS)
async def test_options_as_events(events, options, field):
    answer = await events.call("detect", {"image": RAW, **options}, timeout=10)
    assert answer["code"] == "invalid_request"
    assert field in answer["error"]


@pytest.mark.parametrize(
    ("data", "field"),
    [
        pytest.param(None, "image", id="nothing"),
        pytest.param("text", "image", id="text"),
        pytest.param([], "image", id="list"),
        pytest.param({}, "image", id="no image"),
        pytest.param({"image": None}, "image", id="null"),
        pytest.param({"image": b"raw"}, "image", id="bytes without format"),
        pytest.param({"image": {"format": "tiff", "bytes": b"x"}}, "format", id="unknown format"),
        pytest.param({"image": RAW | {"dtype": "object"}}, "dtype", id="dtype object"),
        pytest.param({"image": RAW | {"dtype": 5}}, "dtype", id="dtype is a number"),
        pytest.param({"image": RAW | {"dtype": "S1000000"}}, "dtype", id="dtype with a huge item size"),
        pytest.param({"image": RAW | {"shape": [2, 2]}}, "shape", id="shape does not fit the bytes"),
        pytest.param({"image": RAW | {"shape": [-2, -2, 3]}}, "shape", id="negative shape"),
        pytest.param({"image": RAW | {"shape": [2**40, 2**40]}}, "shape", id="shape that overflows"),
        pytest.param({"image": RAW | {"shape": [0, 0, 3], "bytes": b""}}, "shape", id="empty shape"),
        pytest.param({"image": RAW | {"shape": "2,2,3"}}, "shape", id="shape is text"),
        pytest.param({"image": {"bytes": "text", "dtype": "uint8", "shape": [4]}}, "bytes", id="bytes are text"),
        pytest.param({"image": RAW, "tags": "a,b"}, "tags", id="tags are text"),
        pytest.param({"image": RAW, "camera_id": ["left"]}, "camera_id", id="camera is a list"),
        pytest.param({"image": RAW, "source": []}, "source", id="source is a list"),
    ],
)
@pytest.mark.parametrize("event", ["detect", "upload"])
async def test_malformed_events(events, http, node, event, data, field):
    if event == "upload" and field in ("tags", "camera_id", "source"):
        data = (
            {"image": RAW, "metadata": {field: data[field]}} if field != "camera_id" else {"image": RAW, "metadata": 5}
        )
        field = "metadata" if field == "camera_id" else field
    answer = await events.call(event, data, timeout=10)
    assert field in answer["error"]
    assert answer["code"].startswith("invalid")
    await assert_unharmed(http, node.node)


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        pytest.param({"box_detections": [{"x": 1}]}, "box_detections.category_name", id="missing key"),
        pytest.param({"box_detections": "all"}, "box_detections", id="text for a list"),
        pytest.param({"created": "yesterday"}, "created", id="not a date"),
        pytest.param({"creation_date": "yesterday"}, "created", id="not a date in RoSys' key"),
        pytest.param({"state": 5}, "state", id="state is a number"),
        pytest.param(
            {"point_detections": [{"category_name": "a", "x": "1", "y": 2, "model_name": "", "confidence": 1}]},
            "point_detections.x",
            id="coordinate is text",
        ),
    ],
)
async def test_malformed_metadata(events, http, node, metadata, field):
    answer = await events.call("upload", {"image": RAW, "metadata": metadata}, timeout=10)
    assert field in answer["error"]
    await assert_unharmed(http, node.node)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("PUT", "/model_version", "abc", 400, id="model version"),
        pytest.param("PUT", "/model_version", "", 400, id="empty model version"),
        pytest.param("PUT", "/operation_mode", "nonsense", 422, id="operation mode"),
        pytest.param("PUT", "/outbox_mode", "nonsense", 422, id="outbox mode"),
        pytest.param("PUT", "/debug_logging", "nonsense", 400, id="debug logging"),
        pytest.param("PUT", "/socketio", "nonsense", 400, id="connection"),
        pytest.param("PUT", "/socketio", b"\xff\xfe", 422, id="not UTF-8"),
        pytest.param("PUT", "/outbox_mode", "x" * 20_000, 413, id="a long word"),
        pytest.param("POST", "/detect", None, 422, id="no form"),
        pytest.param("POST", "/upload", None, 422, id="no form for an upload"),
        pytest.param("POST", "/detect", {"wrong": "part"}, 422, id="wrong part"),
        pytest.param("GET", "/detect", None, 405, id="wrong method"),
        pytest.param("GET", "/nothing", None, 404, id="unknown path"),
        pytest.param("POST", "/reset", None, 404, id="back door that is closed"),
    ],
)
async def test_malformed_requests(http, node, method, path, body, status):
    async with http.request(method, path, data=body) as response:
        answer = await response.json()
        assert (response.status, set(answer)) == (status, {"detail", "code"})
        assert answer["detail"]
    await assert_unharmed(http, node.node)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/detect"),
        ("POST", "/upload"),
        ("POST", "/outbox/retry"),
        ("PUT", "/outbox_mode"),
        ("PUT", "/socketio"),
    ],
)
async def test_a_sender_that_goes_away_in_the_middle_is_no_error_of_ours(http, node, method, path, caplog):
    def refused() -> int:
        return sum(recorder.outcomes.get("invalid_request", 0) for recorder in recorders.values())

    recorders, address = node.node.traffic.recorders, URL(node.url)
    before = refused()
    _, writer = await asyncio.open_connection(address.host, address.port)
    head = f"{method} {path} HTTP/1.1\r\nHost: node\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    writer.write(f"{head}Content-Length: 100\r\n\r\nabc".encode())
    await writer.drain()
    await until(lambda: any(recorder.in_progress for recorder in recorders.values()))
    writer.close()
    await until(lambda: not any(recorder.in_progress for recorder in recorders.values()))
    assert refused() == before + 1
    assert [record.message for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []
    await assert_unharmed(http, node.node)


async def test_bodies_above_the_limit(http, node):
    data = aiohttp.FormData()
    data.add_field("file", BytesIO(bytes(2_000_000)), filename="large.jpg")
    async with http.post("/detect", data=data) as response:
        answer = await response.json()
        assert (response.status, answer["code"]) == (413, "too_large")
        assert "MAX_REQUEST_BYTES" in answer["detail"]
    await assert_unharmed(http, node.node)


@pytest.mark.parametrize(
    ("event", "argument", "text"),
    [
        pytest.param("set_model_version_mode", "abc", "Invalid version number", id="version"),
        pytest.param("set_model_version_mode", 5, "one word", id="version is a number"),
        pytest.param("set_outbox_mode", "nonsense", "'nonsense' is not a valid OutboxMode", id="outbox mode"),
        pytest.param("set_outbox_mode", {"mode": "stopped"}, "one word", id="outbox mode is an object"),
    ],
)
async def test_malformed_mode_events(events, event, argument, text):
    answer = await events.call(event, argument, timeout=10)
    assert text in answer["error"]


async def test_a_logic_that_raises_is_named_on_both_transports(http, events, node):
    async with http.post("/detect", data=form("file", THIRTEEN)) as response:
        answer = await response.json()
    assert (response.status, answer) == (500, {"detail": "thirteen brings bad luck", "code": "detection_failed"})
    reply = await events.call("detect", {"image": {"format": "jpeg", "bytes": THIRTEEN}}, timeout=10)
    assert reply == {"error": "thirteen brings bad luck", "code": "detection_failed"}
    await assert_unharmed(http, node.node)


async def test_too_many_arguments_are_a_named_error(events):
    answer = await events.call("detect", ({"image": RAW}, 2, 3), timeout=10)
    assert answer["code"] == "invalid_request"


async def test_without_a_model_both_transports_say_so(tmp_path: Path):
    async with (
        running_node(tmp_path, has_model=False) as running,
        aiohttp.ClientSession(running.url) as session,
        connected(running.url) as client,
    ):
        async with session.post("/detect", data=form("file", JPEG)) as response:
            assert (response.status, (await response.json())["detail"]) == (503, "detector not yet initialized")
            assert int(response.headers["Retry-After"]) >= 1
        answer = await client.call("detect", {"image": RAW}, timeout=10)
        assert answer["error"] == "detector not yet initialized"
        assert await client.call("info", timeout=10) == {"status": "No model loaded"}
        async with session.get("/readyz") as response:
            assert response.status == 503
            assert (await response.json())["missing"]["model"].startswith("No model loaded")


async def test_a_rule_that_fails_is_seen(tmp_path: Path):
    async with (
        running_node(tmp_path, rules=[Undecided()]) as running,
        aiohttp.ClientSession(running.url) as session,
    ):
        async with session.post("/detect", data=form("file", JPEG)) as response:
            assert response.status == 200
        await until(lambda: is_counted(session, "Undecided"))


class Undecided:
    def causes(self, seen: Seen) -> set[str]:
        raise ValueError("who knows")


async def is_counted(session: aiohttp.ClientSession, rule: str) -> bool:
    async with session.get("/status") as response:
        return bool((await response.json())["relevance"]["failed"] == {rule: 1})


async def assert_unharmed(http: aiohttp.ClientSession, node: DetectorNode) -> None:
    """The node answers afterwards as before, and kept nothing of the bad request."""
    async with http.post("/detect", data=form("file", JPEG), headers={"autoupload": "disabled"}) as response:
        answer: dict[str, Any] = await response.json()
        assert (response.status, len(answer["box_detections"])) == (200, 1)
    assert node.outbox.status().items == 0
    assert node.inference.pending == 0
