"""Bad input for the loop: each a 4xx that names what is wrong, and nothing of it is stored."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
from PIL import Image
from yarl import URL

from tests.builders import jpeg
from tests.loop import ORGANIZATION, P, RunningLoop, files_form, images_form, running_loop


def box(**changes: Any) -> dict[str, Any]:
    box = {"category_name": "a", "x": 1, "y": 2, "width": 3, "height": 4, "model_name": "1", "confidence": 0.5}
    return {"box_detections": [box | changes]}


def pair(metadata: Any, image: bytes | None = None) -> aiohttp.FormData:
    text = metadata if isinstance(metadata, bytes) else json.dumps(metadata).encode()
    return files_form([("i.json", text), ("i.jpg", image or jpeg())])


def raw(body: bytes, content_type: str = "multipart/form-data; boundary=b") -> dict[str, Any]:
    return {"data": body, "headers": {"Content-Type": content_type}}


pytestmark = pytest.mark.asyncio(loop_scope="module")

PART = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
PNG = io.BytesIO()
Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(PNG, "PNG")

IMAGES = [
    pytest.param({"data": pair(box(x="1"))}, ["i.json", "box_detections.0.x"], id="text for a number"),
    pytest.param({"data": pair(box(x=True))}, ["box_detections.0.x"], id="a boolean for a number"),
    pytest.param({"data": pair(box(confidence=None))}, ["box_detections.0.confidence"], id="null for a number"),
    pytest.param({"data": pair(box(confidence=float("nan")))}, ["confidence"], id="not a number"),
    pytest.param({"data": pair(box(width=float("inf")))}, ["width"], id="infinity"),
    pytest.param({"data": pair(box(confidence=10**400))}, ["confidence"], id="more than a float holds"),
    pytest.param({"data": pair(box(category_name=5))}, ["category_name"], id="a category that is no text"),
    pytest.param({"data": pair({"box_detections": {}})}, ["box_detections"], id="an object for a list"),
    pytest.param({"data": pair({"box_detections": [{}]})}, ["category_name"], id="an empty box"),
    pytest.param({"data": pair({"state": "done"})}, ["state", "inbox"], id="unknown state"),
    pytest.param({"data": pair({"tags": "a"})}, ["tags"], id="tags that are no list"),
    pytest.param({"data": pair({"created": 5})}, ["created"], id="a date that is no text"),
    pytest.param({"data": pair({"tags": ["a" * 300]})}, ["tags.0"], id="endless tag"),
    pytest.param({"data": pair([])}, ["i.json"], id="a list for metadata"),
    pytest.param({"data": pair(b"{")}, ["i.json", "JSON"], id="broken JSON"),
    pytest.param({"data": pair(b"\xff\xfe")}, ["i.json"], id="JSON that is no UTF-8"),
    pytest.param({"data": pair(b"")}, ["i.json"], id="empty JSON"),
    pytest.param({"data": pair(b"[" * 100_000)}, ["i.json"], id="deeply nested JSON"),
    pytest.param({"data": pair({}, b"no image")}, ["i.jpg"], id="text for an image"),
    pytest.param({"data": pair({}, b"\xff\xd8\xff")}, ["i.jpg"], id="three bytes of a JPEG"),
    pytest.param({"data": pair({}, jpeg()[:-200])}, ["i.jpg"], id="truncated JPEG"),
    pytest.param({"data": pair({}, PNG.getvalue()[:-30])}, ["i.jpg"], id="truncated PNG"),
    pytest.param({"data": files_form([("i.jpg", b"")])}, ["i.jpg"], id="empty image"),
    pytest.param({"data": files_form([("i.json", b"{}")])}, ["i.json", "no image"], id="JSON without image"),
    pytest.param({"data": files_form([("a.json", b"{}"), ("b.jpg", jpeg())])}, ["a.json"], id="names that differ"),
    pytest.param({"data": files_form([])}, ["files"], id="no parts"),
    pytest.param({"data": images_form([jpeg(), b"x"])}, ["000001.jpg"], id="one of two is bad"),
    pytest.param({"data": images_form([jpeg()], keys=["a b"])}, ["Idempotency-Key"], id="key with a blank"),
    pytest.param({"data": images_form([jpeg()], keys=["k" * 300])}, ["Idempotency-Key"], id="endless key"),
    pytest.param(
        {"data": images_form([jpeg(), jpeg(seed=1)], keys=["a", "a"])}, ["Idempotency-Key"], id="one key, two images"
    ),
    pytest.param({"data": images_form([jpeg(200, 200)])}, ["MAX_IMAGE_PIXELS", ".jpg"], id="too many pixels"),
    pytest.param({"data": images_form([bytes(300_000)])}, ["fewer"], id="too many bytes"),
    pytest.param({"json": {}}, ["form"], id="JSON for a form"),
    pytest.param({}, ["form"], id="nothing for a form"),
    pytest.param(raw(b"", "multipart/form-data"), ["boundary"], id="no boundary"),
    pytest.param(raw(b"", "multipart/form-data; boundary=" + "b" * 500), ["boundary"], id="endless boundary"),
    pytest.param(raw(b"rubbish"), ["form"], id="rubbish for a form"),
    pytest.param(raw(PART + jpeg()), ["ends"], id="a form that ends in the middle"),
    pytest.param(raw(b""), ["ends"], id="an empty form"),
    pytest.param(raw(b"--b\r\nX: y\r\n\r\nz\r\n--b--\r\n"), ["no name"], id="a part without name"),
    pytest.param(raw(PART.replace(b"files", b"file") + b"\r\n--b--\r\n"), ["'file'"], id="a part of another name"),
    pytest.param(raw(b"--b\r\n" + b"X: " + b"y" * 100_000), ["form"], id="endless header"),
    pytest.param(raw((PART + b"x\r\n") * 1001 + b"--b--\r\n"), ["1000"], id="too many parts"),
]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def loop(tmp_path_factory: pytest.TempPathFactory):
    """One for all: what is refused leaves nothing behind, and the next case would show if it did."""
    limits = {"max_pixels": 10_000, "max_request_bytes": 250_000}
    async with running_loop(tmp_path_factory.mktemp("bad_input"), **limits) as running:
        await running.create_project()
        yield running


@pytest.mark.parametrize(("request_", "words"), IMAGES)
async def test_bad_images_store_nothing(loop: RunningLoop, request_: dict[str, Any], words: list[str]):
    await refused(loop, "POST", f"{P}/images", request_, 422, words)
    assert await loop.image_ids() == []
    assert not list((loop.app.state.loop.folder / "incoming").iterdir())


def zipped(name: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, b"1")
    return content.getvalue()


def model(*files: tuple[str, bytes], **fields: str) -> dict[str, Any]:
    form = files_form(files)
    for name, value in fields.items():
        form.add_field(name, value)
    return {"data": form}


PROJECTS = f"/{ORGANIZATION}/projects"
UNKNOWN = "00000000-0000-0000-0000-000000000000"
NOWHERE = f"/{ORGANIZATION}/projects/some_bad_project"
OTHERS = [
    ("POST", f"{P}/models/mocked", model(), 422, ["files"]),
    ("POST", f"{P}/models/mocked", {"json": {}}, 422, ["form"]),
    ("POST", f"{P}/models/a%20b", model(("a", b"1")), 422, ["format", "a b"]),
    ("POST", f"{P}/models/mocked?version=1.a", model(("a", b"1")), 422, ["version", "1.a"]),
    ("POST", f"{P}/models/mocked?version=01", model(("a", b"1")), 422, ["version"]),
    ("POST", f"{P}/models/mocked?version=", model(("a", b"1")), 422, ["version"]),
    ("POST", f"{P}/models/mocked", model(("a.zip", b"1")), 422, ["a.zip"]),
    ("POST", f"{P}/models/mocked", model(("a.zip", zipped("../a"))), 422, ["a.zip", "../a"]),
    ("POST", f"{P}/models/mocked", model(("a", b"1"), ("a", b"2")), 422, ["two files a"]),
    ("POST", f"{P}/models/mocked", model(("a.zip", zipped("x/a")), ("a", b"2")), 422, ["two files a"]),
    ("POST", f"{P}/models/mocked", model(("a" * 300, b"1")), 422, ["file name"]),
    ("POST", f"{P}/models/mocked", model(("..", b"1")), 422, ["file name"]),
    ("POST", f"{P}/models/mocked", model(("model.json", b"{")), 422, ["model.json"]),
    ("POST", f"{P}/models/mocked", model(("model.json", b"[]")), 422, ["model.json"]),
    ("POST", f"{P}/models/mocked", model(("model.json", b'{"a": NaN}')), 422, ["model.json"]),
    ("POST", f"{P}/models/mocked", model(("model.json", b'{"a": "\\ud800"}')), 422, ["model.json"]),
    ("POST", f"{P}/models/mocked", model(("model.json", b'{"a":' + b"[" * 100_000)), 422, ["model.json"]),
    ("POST", f"{P}/models/mocked", model(("model.json", b'{"a": 1e400}')), 422, ["model.json"]),
    (
        "POST",
        f"{P}/models/mocked",
        model(("model.json", b'{"a":' + b"[" * 1020 + b"]" * 1020 + b"}")),
        422,
        ["model.json"],
    ),
    ("POST", f"{P}/models/mocked", model(("a", b"1"), categories='["\\ud800"]'), 422, ["categories"]),
    ("POST", f"{P}/models/mocked", model(("model.json", b'{"categories": 5}')), 422, ["categories"]),
    ("POST", f"{P}/models/mocked", model(("model.json", b'{"categories": [{}]}')), 422, ["categories", "name"]),
    ("POST", f"{P}/models/mocked", model(("a", b"1"), categories="x"), 422, ["categories"]),
    ("POST", f"{P}/models/mocked", model(("a", b"1"), other="x"), 422, ["'other'"]),
    ("POST", f"{P}/models/mocked", model(("a", bytes(300_000))), 413, ["250000"]),
    ("POST", f"{NOWHERE}/models/mocked", model(("a", b"1")), 404, ["some_bad_project"]),
    ("PUT", f"{P}/models/{UNKNOWN}/mocked/file", model(("a", b"1")), 404, [UNKNOWN]),
    ("GET", f"{P}/models/{UNKNOWN}/mocked/file", {}, 404, [UNKNOWN]),
    ("GET", f"{P}/models/12345678-bobo/mocked/file", {}, 404, ["12345678-bobo"]),
    ("GET", f"{P}/models/..%2f..%2fx/mocked/file", {}, 404, []),
    ("GET", f"{NOWHERE}/models/{UNKNOWN}/mocked/file", {}, 404, ["some_bad_project"]),
    ("GET", f"{NOWHERE}/models", {}, 404, ["some_bad_project"]),
    ("PUT", f"{P}/deployment/target", {"json": {}}, 422, ["version", "model_uuid"]),
    ("PUT", f"{P}/deployment/target", {"json": {"version": 1.0}}, 422, ["version"]),
    ("PUT", f"{P}/deployment/target", {"json": {"version": "7.7"}}, 404, ["7.7"]),
    ("PUT", f"{P}/deployment/target", {"json": {"model_uuid": UNKNOWN}}, 404, [UNKNOWN]),
    ("PUT", f"{P}/deployment/target", {"data": b"{"}, 422, ["body"]),
    ("GET", f"{P}/deployment/target", {}, 404, ["target"]),
    ("GET", f"{NOWHERE}/deployment/target", {}, 404, ["some_bad_project"]),
    ("POST", f"{NOWHERE}/images", {"data": images_form([jpeg()])}, 404, ["zauberzeug/some_bad_project"]),
    ("GET", f"{NOWHERE}/data", {}, 404, ["some_bad_project"]),
    ("GET", f"{P}/data?state=done", {}, 422, ["state", "inbox"]),
    ("GET", f"{P}/images?limit=0", {}, 422, ["limit"]),
    ("GET", f"{P}/images?limit=1001", {}, 422, ["limit"]),
    ("GET", f"{P}/images?state=lost", {}, 422, ["state"]),
    ("GET", f"{P}/images?statee=inbox", {}, 422, ["statee"]),
    ("GET", f"{P}/images?cursor=x", {}, 422, ["cursor", "next"]),
    ("GET", f"{P}/images?cursor=WzEsMl0", {}, 422, ["cursor"]),
    ("GET", f"{P}/images?cursor=WyJjaGFuZ2VkIiwyLCIyMDI2LTAxLTAxVDAwOjAwOjAwKzAwOjAwIl0", {}, 422, ["cursor"]),
    (
        "GET",
        f"{P}/images?sort=changed&cursor=WyJjaGFuZ2VkIiwyLCIwMDAxLTAxLTAxVDAwOjAwOjAwKzIzOjU5Il0",
        {},
        422,
        ["cursor"],
    ),
    ("GET", f"{P}/images?created_since=yesterday", {}, 422, ["created_since"]),
    ("GET", f"{P}/images?created_since=2026-02-01&created_until=2026-01-01", {}, 422, ["created_since"]),
    ("GET", f"{P}/images?confidence_min=0.5&confidence_max=0.4", {}, 422, ["confidence_min"]),
    ("GET", f"{P}/images?confidence_min=nan", {}, 422, ["confidence_min"]),
    ("GET", f"{P}/images?ids={'a,' * 1001}", {}, 422, ["ids", "1000"]),
    ("GET", f"{P}/images/{UNKNOWN}", {}, 404, [UNKNOWN]),
    ("GET", f"{P}/images/{UNKNOWN}/main", {}, 404, [UNKNOWN]),
    ("POST", f"{P}/detectors", {"json": {"uuid": "a", "name": "b"}}, 422, ["state"]),
    ("POST", f"{P}/detectors", {"json": []}, 422, ["body"]),
    ("POST", f"{P}/detectors", {"data": b'{"uuid": "a", "name": "b", "state": "c", "uptime": NaN}'}, 422, []),
    ("POST", f"{P}/detectors", {"json": {"uuid": "a", "name": "b", "state": "c", "uptime": "x"}}, 422, ["uptime"]),
    ("POST", f"{P}/detectors", {"json": {"uuid": "a", "name": "b", "state": "c", "y": "x" * 70_000}}, 422, ["status"]),
    ("POST", f"{P}/detectors", {"data": io.BytesIO(bytes(2_000_000))}, 413, ["1048576"]),
    ("POST", f"{NOWHERE}/detectors", {"json": {"uuid": "a", "name": "b", "state": "c"}}, 404, ["some_bad_project"]),
    ("POST", PROJECTS, {"json": {}}, 422, ["project_id"]),
    ("POST", PROJECTS, {"json": {"project_id": "a/b"}}, 422, ["project_id", "a/b"]),
    ("POST", PROJECTS, {"json": {"project_id": ".."}}, 422, ["project_id"]),
    ("POST", PROJECTS, {"json": {"project_id": "a" * 65}}, 422, ["project_id", "64"]),
    ("POST", PROJECTS, {"json": {"project_id": "generator"}}, 422, ["project_id", "reserved"]),
    ("POST", "/a%20b/projects", {"json": {"project_id": "x"}}, 422, ["organization"]),
    ("POST", PROJECTS, {"json": {"project_id": "x", "categories": ["a", "a"]}}, 422, ["categories", "'a'"]),
    ("POST", PROJECTS, {"json": {"project_id": "x", "categories": [{"name": ""}]}}, 422, ["name"]),
    ("POST", PROJECTS, {"json": {"project_id": "x", "categories": [{"name": "a", "type": "b"}]}}, 422, ["type"]),
    ("POST", PROJECTS, {"json": {"project_id": "x", "categories": [{"name": "a", "color": "b"}]}}, 422, ["color"]),
    ("POST", PROJECTS, {"data": "x", "headers": {"Content-Type": "text/plain"}}, 422, ["body"]),
    ("POST", "/login", {"data": io.BytesIO(b"username=a&password=" + b"x" * 1_048_600)}, 413, ["1048576"]),
    ("GET", "/nothing/here", {}, 404, []),
    ("DELETE", "/projects", {}, 405, []),
]


@pytest.mark.parametrize(
    ("method", "path", "request_", "status", "words"),
    OTHERS,
    ids=[f"{method} {path.replace(P, 'P')[:40]} {number}" for number, (method, path, *_) in enumerate(OTHERS)],
)
async def test_other_bad_requests(
    loop: RunningLoop, method: str, path: str, request_: dict[str, Any], status: int, words: list[str]
):
    await refused(loop, method, path, request_, status, words)


async def test_several_wrong_requests_leave_the_loop_as_it_was(loop: RunningLoop):
    await refused(loop, "POST", f"{P}/models/mocked", {"data": files_form([("model.json", b"[]")])}, 422, [])
    assert (await loop.push_model())["version"] == "1.0"
    assert len((await loop.json("GET", f"{P}/models"))["models"]) == 1


@pytest.mark.parametrize("path", [f"{P}/detectors", "/login", "/token", "/nothing/here"])
@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=b"])
async def test_a_chunked_body_without_end_is_cut_off(loop: RunningLoop, path: str, content_type: str):
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(65536)

    async with loop.nobody.post(f"/api{path}", data=endless(), headers={"Content-Type": content_type}) as answer:
        assert answer.status == 413


async def refused(
    loop: RunningLoop, method: str, path: str, request_: dict[str, Any], status: int, words: list[str]
) -> None:
    url = URL(f"{loop.url}/api{path}", encoded=True)
    async with loop.admin.request(method, url, **request_) as answer:
        body = await answer.json()
        assert answer.status == status, body
    assert sorted(body) == ["code", "detail"]
    for word in words:
        assert word in body["detail"], body
