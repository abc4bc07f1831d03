"""Requests as existing clients send them, and the replies that they rely on (recorded from 0.27)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
import socketio

from learning_loop_node.data_classes import (
    ImageMetadata,
    ImagesMetadata,
    Point,
    PointDetection,
    SegmentationDetection,
    Shape,
)
from learning_loop_node.detector.detector_node import DetectorNode
from learning_loop_node.images import decode
from tests.builders import jpeg, make_box, make_settings
from tests.events import connected
from tests.nodes import RunningNode, running_node

JPEG = jpeg()


class Everything:
    """A logic that answers with one detection of each common kind, and always with the same object."""

    def __init__(self) -> None:
        self.answer = ImageMetadata(
            box_detections=[make_box(x=1, y=2, width=3, height=4, confidence=0.5)],
            point_detections=[PointDetection(category_name="dot", x=1.5, y=2.5, model_name="1.0", confidence=0.5)],
            segmentation_detections=[
                SegmentationDetection(
                    category_name="area",
                    shape=Shape(points=[Point(x=1, y=2), Point(x=3, y=4)]),
                    model_name="1.0",
                    confidence=0.5,
                )
            ],
            tags=["own"],
        )

    def evaluate(self, _image: np.ndarray) -> ImageMetadata:
        return self.answer

    def batch_evaluate(self, images: list[np.ndarray]) -> ImagesMetadata:
        return ImagesMetadata(items=[self.answer for _ in images])


class EverythingFactory:
    model_format = "mocked"

    async def build(self, _information: Any) -> Everything:
        return Everything()


DETECTIONS: dict[str, Any] = {
    "box_detections": [
        {
            "category_name": "face",
            "x": 1,
            "y": 2,
            "width": 3,
            "height": 4,
            "model_name": "1.0",
            "confidence": 0.5,
            "category_id": None,
        }
    ],
    "point_detections": [
        {"category_name": "dot", "x": 1.5, "y": 2.5, "model_name": "1.0", "confidence": 0.5, "category_id": None}
    ],
    "segmentation_detections": [
        {"category_name": "area", "shape": "1,2,3,4", "model_name": "1.0", "confidence": 0.5, "category_id": None}
    ],
    "classification_detections": [],
    "box_annotations": [],
    "point_annotations": [],
    "classification_annotation": None,
    "state": None,
}


@pytest_asyncio.fixture
async def node(tmp_path: Path) -> AsyncIterator[RunningNode]:
    async with running_node(tmp_path, EverythingFactory()) as running:
        yield running


@pytest_asyncio.fixture
async def http(node: RunningNode) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(node.url) as session:
        yield session


@pytest_asyncio.fixture(params=["websocket", "polling"])
async def events(node: RunningNode, request: pytest.FixtureRequest) -> AsyncIterator[socketio.AsyncClient]:
    async with connected(f"ws{node.url[4:]}", request.param) as client:
        yield client


def form(*contents: bytes, part: str = "file") -> aiohttp.FormData:
    data = aiohttp.FormData()
    for content in contents:
        data.add_field(part, content, filename="image.jpg", content_type="image/jpeg")
    return data


def stored(node: RunningNode, lane: str = "normal") -> list[dict[str, Any]]:
    folder = node.node.settings.node.data_folder / "outbox" / lane
    return [json.loads(file.read_bytes()) for file in sorted(folder.glob("*/image_*.json"))]


async def test_detect_over_rest(http, node):
    headers = {"camera-id": "left", "tags": "x, y", "source": "s", "autoupload": "all", "mac": "ignored"}
    async with http.post(
        "/detect", data=form(JPEG), headers=headers | {"creation-date": "2020-01-01T00:00:00"}
    ) as reply:
        assert (reply.status, reply.content_type) == (200, "application/json")
        answer = await reply.json()
    assert answer == DETECTIONS | {"tags": ["own", "x", "y"], "created": "2020-01-01T00:00:00", "source": "s"}
    assert stored(node) == [answer], "autoupload=all is safe on disk before the answer"
    image = next((node.node.settings.node.data_folder / "outbox/normal").glob("*/*.jpg"))
    assert image.read_bytes() == JPEG


async def test_headers_with_underscores_are_understood_too(http):
    async with http.post("/detect", data=form(JPEG), headers={"creation_date": "2020-01-01T00:00:00"}) as reply:
        assert (await reply.json())["created"] == "2020-01-01T00:00:00"


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([("mask", b"x"), ("file", JPEG)], id="another file before it"),
        pytest.param([("file", JPEG), ("mask", b"x")], id="another file behind it"),
        pytest.param([("file", b"x"), ("file", JPEG)], id="two of them, of which the last counts"),
    ],
)
async def test_other_files_of_the_form_do_not_matter(http, parts):
    data = aiohttp.FormData()
    for name, content in parts:
        data.add_field(name, content, filename="image.jpg")
    for number in range(30):
        data.add_field(f"text {number}", "x")
    async with http.post("/detect", data=data) as reply:
        assert reply.status == 200, await reply.text()


async def test_detect_as_event(events):
    image = {"format": "jpeg", "bytes": JPEG}
    options = {"camera_id": "left", "tags": ["x"], "source": "s", "autoupload": "disabled", "creation_date": None}
    answer = await events.call("detect", {"image": image, **options})
    assert answer == DETECTIONS | {"tags": ["own", "x"], "created": None, "source": "s"}


async def test_raw_images_as_event(events):
    pixels = decode(JPEG)
    raw = {"bytes": pixels.tobytes(), "dtype": str(pixels.dtype), "shape": pixels.shape}
    answer = await events.call("detect", {"image": raw, "autoupload": "disabled"})
    assert answer["box_detections"] == DETECTIONS["box_detections"]


async def test_batch_detect(events):
    assert await events.call("batch_detect", {"images": []}) == {"items": []}
    answer = await events.call("batch_detect", {"images": [{"format": "jpeg", "bytes": JPEG}] * 3, "tags": ["x"]})
    assert [item["tags"] for item in answer["items"]] == [["own", "x"]] * 3
    assert answer["items"][0] == DETECTIONS | {"tags": ["own", "x"], "created": None, "source": None}


@pytest.mark.parametrize("how", ["query", "headers"])
async def test_upload_over_rest(http, node, how):
    options = {"source": "s", "creation_date": "2020-01-01T00:00:00", "upload_priority": "true"}
    params, headers = (options, {}) if how == "query" else ({}, options)
    async with http.post(
        "/upload", data=form(JPEG, jpeg(seed=1), part="files"), params=params, headers=headers
    ) as reply:
        assert (reply.status, await reply.json()) == (200, [200, "OK"])
    assert [(entry["tags"], entry["source"], entry["created"]) for entry in stored(node, "priority")] == [
        (["picked_by_system"], "s", "2020-01-01T00:00:00")
    ] * 2


async def test_upload_as_rosys_sends_it(events, node):
    metadata = {
        "source": "robot",
        "tags": ["t"],
        "creation_date": "2020-01-01T00:00:00",
        "box_detections": [
            {
                "category_name": "face",
                "x": 1,
                "y": 2,
                "width": 3,
                "height": 4,
                "model_name": "",
                "confidence": 1,
                "uuid": "u",
            }
        ],
        "segmentation_detections": [
            {
                "category_name": "unknown",
                "shape": {"points": [{"x": 1.4, "y": 2.6}, {"x": 3.0, "y": 4.0}]},
                "model_name": "",
                "confidence": 0.9,
            }
        ],
        "box_annotations": [],
        "point_annotations": [],
        "classification_annotation": None,
    }
    answer = await events.call("upload", {"image": {"format": "jpeg", "bytes": JPEG}, "metadata": metadata})
    assert answer == {"status": "OK"}
    (entry,) = stored(node)
    assert (entry["created"], entry["source"], entry["tags"]) == (
        "2020-01-01T00:00:00",
        "robot",
        ["t", "picked_by_system"],
    )
    assert entry["box_detections"][0]["category_id"] == "id-of-face"
    assert entry["segmentation_detections"][0]["shape"] == "1,3,3,4"
    assert entry["segmentation_detections"][0]["category_id"] == ""


async def test_upload_without_metadata(events, node):
    pixels = decode(JPEG)
    raw = {"bytes": pixels.tobytes(), "dtype": "uint8", "shape": list(pixels.shape)}
    assert await events.call("upload", {"image": raw}) == {"status": "OK"}
    assert stored(node)[0]["tags"] == ["picked_by_system"]


async def test_about_and_versions(http, events, node):
    async with http.get("/about") as reply:
        about = await reply.json()
    assert set(about) == {"operation_mode", "state", "model_info", "target_model", "version_control"}
    assert (about["operation_mode"], about["state"], about["version_control"]) == ("idle", "online", "follow_loop")
    assert about["model_info"]["categories"][0]["name"] == "face"
    assert await events.call("about") == about
    assert await events.call("info") == about["model_info"]
    versions = {
        "current_version": "1.0",
        "target_version": "None",
        "loop_version": "None",
        "local_versions": ["1.0"],
        "version_control": "follow_loop",
    }
    async with http.get("/model_version") as reply:
        assert await reply.json() == versions
    assert await events.call("get_model_version") == versions


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/model_version", "pause"),
        ("/model_version", "follow_loop"),
        ("/operation_mode", "detecting"),
        ("/outbox_mode", "stopped"),
        ("/outbox_mode", "continuous_upload"),
    ],
)
async def test_modes_over_rest(http, path, word):
    async with http.put(path, data=word) as reply:
        assert (reply.status, await reply.text()) == (200, '"OK"')
    async with http.get(path) as reply:
        text = await reply.text()
    assert text == word if path != "/model_version" else json.loads(text)["version_control"] == word


async def test_modes_as_events(events):
    assert await events.call("set_outbox_mode", "stopped") == {"status": "OK"}
    assert await events.call("get_outbox_mode") == {"outbox_mode": "stopped"}
    assert await events.call("set_model_version_mode", "pause") == {"status": "OK"}
    assert (await events.call("get_model_version"))["version_control"] == "pause"


@pytest.mark.parametrize("path", ["/debug_logging", "/socketio"])
async def test_switches(http, path):
    for word in ("on", "off", "on", "off"):
        async with http.put(path, data=word) as reply:
            assert (reply.status, await reply.text()) == (200, f'"{word}"')


async def test_soft_reload_answers_at_once_and_builds_anew(events, node):
    await events.call("set_outbox_mode", "stopped")
    before = node.node.active_model.require().logic
    assert await events.call("soft_reload", timeout=5) == {"status": "OK"}
    while node.node.active_model.require().logic is before:
        await asyncio.sleep(0.005)
    assert await events.call("get_outbox_mode") == {"outbox_mode": "continuous_upload"}


async def test_health(http):
    async with http.get("/healthz") as reply:
        assert (reply.status, (await reply.json())["status"]) == (200, "ok")
    async with http.get("/readyz") as reply:
        assert (reply.status, await reply.json()) == (200, {"status": "ready", "missing": {}})


async def test_the_api_is_described(http):
    async with http.get("/openapi.json") as reply:
        paths = (await reply.json())["paths"]
    assert {"/detect", "/upload", "/about", "/model_version", "/outbox_mode", "/healthz"} <= set(paths)
    assert paths["/detect"]["post"]["requestBody"]["content"]["multipart/form-data"]
    async with http.get("/docs") as reply:
        assert reply.status == 200


def test_every_answer_is_described(tmp_path):
    settings = make_settings(tmp_path)
    document = DetectorNode("test node", EverythingFactory(), use_backdoor_controls=True, settings=settings).openapi()
    rows = [(method, path, row) for path, rows in document["paths"].items() for method, row in rows.items()]
    assert ("post", "/reset") in [(method, path) for method, path, _ in rows]
    bare = [f"{method} {path}" for method, path, row in rows if not row["responses"]["200"].get("content")]
    assert bare == []
    assert document["info"]["version"] == version("learning-loop-node")
    assert "learning loop" in document["info"]["description"]
    headings = [tag["name"] for tag in document["tags"]]
    assert headings == ["images", "model", "outbox", "state", "maintenance"]
    assert {tag for _, _, row in rows for tag in row.get("tags", ["none"])} == set(headings)


async def test_reset_empties_the_data_folder(tmp_path):
    async with (
        running_node(tmp_path, use_backdoor_controls=True) as running,
        aiohttp.ClientSession(running.url) as session,
    ):
        async with session.post("/upload", data=form(JPEG, part="files")) as reply:
            assert reply.status == 200
        async with session.post("/reset") as reply:
            assert (reply.status, await reply.json()) == (200, True)
        async with session.post("/upload", data=form(JPEG, part="files")) as reply:
            assert reply.status == 200
        assert running.node.outbox.status().items == 1
