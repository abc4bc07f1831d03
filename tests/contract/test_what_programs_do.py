"""What programs written for 0.18 to 0.27 do with a detector node, and may go on doing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MethodType
from typing import Any

import aiohttp
import numpy as np
import pytest
import socketio
from fastapi import APIRouter, FastAPI, Request, UploadFile

from learning_loop_node import GLOBALS, DetectorLogic, DetectorLogicFactory, DetectorNode
from learning_loop_node.data_classes import (
    BoxDetection,
    Context,
    ImageMetadata,
    ImagesMetadata,
    ModelInformation,
    Point,
    SegmentationDetection,
    Shape,
)
from learning_loop_node.data_exchanger import DataExchanger
from learning_loop_node.detector.inbox_filter.relevance_filter import RelevanceFilter
from learning_loop_node.detector.outbox import Outbox
from learning_loop_node.loop_communication import LoopCommunicator
from learning_loop_node.node import Node, NodeConnectionError
from tests.builders import jpeg, pixels
from tests.events import connected
from tests.nodes import put_model
from tests.serving import served

RAW = {"bytes": pixels(8, 6).tobytes(), "dtype": "uint8", "shape": [6, 8, 3]}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Programs are configured by their environment, and by the data folder that they set."""
    monkeypatch.setenv("LOOP_HOST", "127.0.0.1:9")
    monkeypatch.setenv("LOOP_ORGANIZATION", "zauberzeug")
    monkeypatch.setenv("LOOP_PROJECT", "demo")
    GLOBALS.data_folder = str(tmp_path)
    put_model(tmp_path)
    return tmp_path


def one_box(name: str = "face") -> ImageMetadata:
    box = BoxDetection(category_name=name, x=1, y=2, width=3, height=4, model_name="1.0", confidence=0.9)
    return ImageMetadata(box_detections=[box])


# Logics and factories of every shape


class Logic018(DetectorLogic):
    """As in 0.18: one object for every model."""

    def __init__(self) -> None:
        super().__init__("mocked")
        self.loaded: list[str] = []

    def init(self) -> None:
        assert self.model_info is not None
        assert Path(str(self.model_info.model_root_path), "model.json").exists()
        self.loaded.append(self.model_info.version)

    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        return one_box()

    def batch_evaluate(self, images: list[np.ndarray]) -> ImagesMetadata:
        return ImagesMetadata(items=[one_box() for _ in images])


class LogicWithoutSuper(DetectorLogic):
    def __init__(self, model_info: ModelInformation) -> None:
        self.categories = model_info.categories

    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        return one_box(self.categories[0].name)


class LogicOfNothing:
    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        return one_box()

    def batch_evaluate(self, images: list[np.ndarray]) -> ImagesMetadata:
        raise NotImplementedError


class SlottedLogic:
    __slots__ = ()

    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        return one_box()


class FactoryOfNothing:
    model_format = "mocked"

    async def build(self, model_info: ModelInformation) -> Any:
        return LogicOfNothing()


@dataclass(frozen=True, slots=True)
class FrozenFactory:
    model_format: str = "mocked"

    async def build(self, model_info: ModelInformation) -> Any:
        return SlottedLogic()


@dataclass(frozen=True)
class FrozenFactoryThatInherits(DetectorLogicFactory):
    """As yolov5_node has it: a property, and the constructor in a thread."""

    threshold: float = 0.5

    @property
    def model_format(self) -> str:  # type: ignore[override]
        return "mocked"

    async def build(self, model_info: ModelInformation) -> DetectorLogic:
        return await asyncio.to_thread(LogicWithoutSuper, model_info)


class AlwaysTheSameObject:
    model_format = "mocked"

    def __init__(self) -> None:
        self.result = one_box()

    async def build(self, model_info: ModelInformation) -> Any:
        return self

    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        return self.result


SHAPES = {
    "a logic of 0.18": lambda: DetectorNode(name="test", detector=Logic018()),
    "a logic of 0.18, by position": lambda: DetectorNode("test", Logic018()),
    "a factory that inherits nothing, a logic that inherits nothing": lambda: DetectorNode("test", FactoryOfNothing()),
    "a frozen and slotted dataclass": lambda: DetectorNode(name="test", detector_factory=FrozenFactory()),
    "a frozen dataclass that inherits": lambda: DetectorNode(name="test", detector_factory=FrozenFactoryThatInherits()),
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_logics_and_factories_of_every_shape(shape):
    async with running(SHAPES[shape]()) as program:
        assert [box["category_name"] for box in (await program.detect())["box_detections"]] == ["face"]
        batch = await program.call("batch_detect", {"images": [RAW, RAW], "autoupload": "disabled"})
        assert [len(item["box_detections"]) for item in batch["items"]] == [1, 1]
        assert await program.call("batch_detect", {"images": []}) == {"items": []}


async def test_logic_of_0_18_knows_its_model_and_its_node():
    logic = Logic018()
    node = DetectorNode(name="test", detector=logic)
    assert node.detector_logic is logic
    assert logic.loaded == []
    async with running(node):
        assert logic.loaded == ["1.0"]
        assert logic.model_format == "mocked"


async def test_without_a_model_the_logic_is_not_called(tmp_path):
    GLOBALS.data_folder = str(tmp_path / "empty")
    async with running(DetectorNode(name="test", detector=Logic018())) as program:
        assert "error" in await program.call("detect", {"image": RAW})
        status, _ = await program.post_image("/detect", "file")
        assert status == 503


async def test_nothing_is_set_on_a_factory():
    factory = AlwaysTheSameObject()
    before = set(vars(factory))
    async with running(DetectorNode("test", factory)) as program:
        await program.detect()
    assert set(vars(factory)) == before


async def test_the_same_object_may_be_returned_every_time():
    factory = AlwaysTheSameObject()
    factory.result.segmentation_detections = [
        SegmentationDetection(
            category_name="face", shape=Shape(points=[Point(x=1, y=2)]), model_name="1.0", confidence=0.5
        )
    ]
    async with running(DetectorNode("test", factory)) as program:
        for _ in range(3):
            reply = await program.call("detect", {"image": RAW, "tags": ["mine"], "source": "camera"})
            assert reply["tags"] == ["mine"]
            assert reply["segmentation_detections"][0]["shape"] == "1,2"
    assert factory.result.tags == []
    assert factory.result.source is None
    assert isinstance(factory.result.segmentation_detections[0].shape, Shape)


# A node is a FastAPI application


async def test_a_node_is_an_application_and_the_app_of_its_requests():
    node = DetectorNode("test", FactoryOfNothing())
    assert isinstance(node, FastAPI)
    assert isinstance(node, Node)
    router = APIRouter()

    @router.get("/waiting")
    async def waiting(request: Request) -> int:
        return len(request.app.outbox.get_upload_folders())

    @node.get("/name")
    async def name(request: Request) -> dict[str, Any]:
        return {"name": request.app.name, "is_node": request.app is node}

    @node.middleware("http")
    async def mark(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["X-Mine"] = "yes"
        return response

    other = FastAPI()
    other.get("/inside")(lambda: "inside")
    node.include_router(router, prefix="/mine")
    node.mount("/other", other)
    async with running(node) as program:
        assert await program.get("/mine/waiting") == 0
        assert await program.get("/name") == {"name": "test", "is_node": True}
        assert await program.get("/other/inside") == "inside"
        async with program.session.get(f"{program.url}/about") as response:
            assert response.headers["X-Mine"] == "yes"
        assert {"/mine/waiting", "/detect"} <= set((await program.get("/openapi.json"))["paths"])


async def test_a_program_may_have_the_first_page():
    node = DetectorNode("test", FactoryOfNothing())
    async with running(node) as program, program.session.get(f"{program.url}/") as response:
        page = await response.text()
    assert all(f">{path}</a>" in page for path in ("/docs", "/status", "/readyz", "/about"))

    router = APIRouter()
    router.get("/")(lambda: "mine")
    own = DetectorNode("test", FactoryOfNothing())
    own.include_router(router)
    async with running(own) as program:
        assert await program.get("/") == "mine"


async def test_own_events_beside_those_of_the_node():
    node = DetectorNode("test", FactoryOfNothing())

    @node.sio.event  # type: ignore[untyped-decorator]
    async def greet(_sid: str, name: str) -> str:
        return f"hello {name}"

    async with running(node) as program:
        assert await program.call("greet", "Ada") == "hello Ada"
        assert (await program.call("about"))["operation_mode"] == "idle"


# Subclasses and patches


class WithHooks(DetectorNode):
    def __init__(self) -> None:
        super().__init__(name="test", detector_factory=FactoryOfNothing())
        self.calls: list[str] = []
        self.repeated = asyncio.Event()

    async def on_startup(self) -> None:
        await super().on_startup()
        self.calls.append("startup")

    async def on_repeat(self) -> None:
        await super().on_repeat()
        self.calls.append("repeat")
        self.repeated.set()
        raise ValueError("is logged and does not end the node")

    async def on_shutdown(self) -> None:
        self.calls.append("shutdown")
        await super().on_shutdown()

    def register_sio_events(self, sio_client: socketio.AsyncClient) -> None:
        super().register_sio_events(sio_client)


async def test_hooks_are_called(caplog):
    node = WithHooks()
    assert node.repeat_loop_cycle_sec == 5
    async with running(node) as program:
        await asyncio.wait_for(node.repeated.wait(), 5)
        assert await program.get("/operation_mode") == "idle"
    assert node.calls == ["startup", "repeat", "shutdown"]
    assert "on_repeat failed" in caplog.text


class Overriding(DetectorNode):
    async def get_detections(self, image: Any, tags: list[str], **options: Any) -> ImageMetadata:
        return await super().get_detections(image, [*tags, "overridden"], **options)

    async def get_batch_detections(self, images: Any, tags: list[str], **options: Any) -> ImagesMetadata:
        return await super().get_batch_detections(images, [*tags, "overridden"], **options)

    async def upload_images(self, **options: Any) -> None:
        self.uploaded = [*getattr(self, "uploaded", []), options]


def patched_node() -> DetectorNode:
    node = DetectorNode("test", FactoryOfNothing())
    for name in ("get_detections", "get_batch_detections", "upload_images"):
        original = getattr(node, name)

        async def patch(
            self: Any, *arguments: Any, _original: Any = original, _name: str = name, **options: Any
        ) -> Any:
            if _name == "upload_images":
                self.uploaded = [*getattr(self, "uploaded", []), options]
                return None
            return await _original(arguments[0], [*arguments[1], "overridden"], **options)

        setattr(node, name, MethodType(patch, node))
    return node


@pytest.mark.parametrize(
    "make", [lambda: Overriding("test", FactoryOfNothing()), patched_node], ids=["subclass", "patch"]
)
async def test_what_a_program_overrides_is_what_is_called(make):
    node = make()
    async with running(node) as program:
        assert (await program.detect())["tags"] == ["overridden"]
        status, reply = await program.post_image("/detect", "file")
        assert (status, reply["tags"]) == (200, ["overridden"])
        batch = await program.call("batch_detect", {"images": [RAW], "tags": ["a"]})
        assert batch["items"][0]["tags"] == ["a", "overridden"]
        assert await program.call("upload", {"image": RAW}) == {"status": "OK"}
        assert await program.post_image("/upload", "files") == (200, [200, "OK"])
        assert len(node.uploaded) == 2
        assert set(node.uploaded[0]) == {"images", "images_metadata", "upload_priority"}


async def test_methods_of_the_node_called_by_a_program():
    node = DetectorNode("test", FactoryOfNothing())
    async with running(node):
        for image in (jpeg(), pixels()):
            metadata = await node.get_detections(image, ["a"], camera_id="c", source="s", autoupload="disabled")
            assert (metadata.tags, metadata.source, metadata.created) == (["a"], "s", None)
        batch = await node.get_batch_detections([pixels(), pixels()], tags=[], autoupload="disabled")
        assert len(batch.items) == 2
        await node.upload_images(images=[jpeg(), pixels()])
        assert len(node.outbox.get_upload_folders()) == 2
        with pytest.raises(ValueError, match="2 images but 1 metadata"):
            await node.upload_images(images=[jpeg(), jpeg()], images_metadata=ImagesMetadata(items=[ImageMetadata()]))


async def test_attributes_that_programs_read():
    node = DetectorNode(name="test", detector_factory=FactoryOfNothing(), uuid="mine")
    async with running(node):
        assert (node.uuid, node.name, node.organization, node.project) == ("mine", "test", "zauberzeug", "demo")
        assert node.status.state == "online"
        assert node.operation_mode == "idle"
        assert node.version_control == "follow_loop"
        assert node.target_model is None or node.target_model.version
        active: Any = node._detector
        assert active.model_info.version == "1.0"
        assert isinstance(active.logic, LogicOfNothing)
        assert isinstance(node.data_exchanger, DataExchanger)
        assert node.data_exchanger.context == Context(organization="zauberzeug", project="demo")
        assert isinstance(node.loop_communicator, LoopCommunicator)
        assert isinstance(node.log, logging.Logger)
        async with node.detection_lock:
            pass


async def test_the_connection_to_the_loop_by_its_old_names(caplog):
    node = DetectorNode(name="test", detector_factory=FactoryOfNothing())
    assert not node.socket_connection_broken
    assert not node.CONNECTED_TO_LOOP.is_set()
    assert not node.DISCONNECTED_FROM_LOOP.is_set()
    async with running(node):
        assert node.repeat_task is not None
        assert not node.repeat_task.done()
        await node.reconnect_to_loop()
        assert "the loop does not answer, the node goes on without it" in caplog.text
        closed = node.loop_communicator
        await closed.shutdown()
        node.init_loop_communicator()
        assert node.loop_communicator is not closed
        assert node.data_exchanger.loop_communicator is node.loop_communicator
    assert node.repeat_task.cancelled()


async def test_who_needs_the_loop_is_told_that_it_is_away():
    node = Node("test")
    with pytest.raises(NodeConnectionError, match=r"127\.0\.0\.1:9 \(LOOP_HOST\)"):
        await node.reconnect_to_loop()
    await node.loop_http.aclose()


async def test_a_node_runs_without_a_server():
    node = WithHooks()
    await node._on_startup()
    await asyncio.wait_for(node.repeated.wait(), 5)
    assert (await node.get_detections(pixels(), [], autoupload="disabled")).box_detections
    await node._on_shutdown()
    assert node.calls == ["startup", "repeat", "shutdown"]


# Parts without a node


async def test_outbox_and_filter_without_a_node(tmp_path):
    outbox = Outbox()
    assert Path(outbox.path) == tmp_path / "outbox"
    assert (outbox.BATCH_SIZE, outbox.UPLOAD_INTERVAL_S, outbox.UPLOAD_TIMEOUT_S) == (20, 5, 30)
    try:
        await outbox.save(pixels(), one_box(), upload_priority=True)
        await outbox.save(jpeg())
        uncertain = one_box()
        uncertain.box_detections[0].confidence = 0.45
        causes = await RelevanceFilter(outbox).may_upload_detections(uncertain, "camera", jpeg())
        assert causes == ["uncertain"]
        assert uncertain.tags == ["uncertain"]
        assert len(outbox.get_upload_folders()) == 3
    finally:
        await outbox.aclose()


REQUESTS = [
    ("get", {"params": {"limit": 3}}, {"query": "limit=3"}),
    ("put", {"json": {"a": 1}}, {"body": '{"a":1}'}),
    ("post", {"data": {"a": "1"}}, {"body": "a=1"}),
    ("post", {"content": b"raw"}, {"body": "raw"}),
    ("post", {"headers": {"X-Mine": "yes"}}, {"header": "yes"}),
    ("post", {"files": [("files", ("a.txt", b"content"))]}, {"files": ["a.txt=content"]}),
    ("delete", {}, {}),
]


@pytest.mark.parametrize(("method", "options", "expected"), REQUESTS)
async def test_requests_to_the_loop(monkeypatch, method, options, expected):
    async with served(echo_server()) as url:
        monkeypatch.setenv("LOOP_HOST", url.removeprefix("http://"))
        communicator = LoopCommunicator()
        try:
            response = await getattr(communicator, method)("/echo", requires_login=False, **options)
            assert response.status_code == 200
            heard = response.json()
            assert heard["method"] == method.upper()
            assert {key: heard[key] for key in expected} == expected
            exchanger = DataExchanger(Context(organization="o", project="p"), communicator)
            assert exchanger.context.project == "p"
        finally:
            await communicator.shutdown()


async def test_files_by_path(monkeypatch, tmp_path):
    (tmp_path / "a.txt").write_text("content")
    async with served(echo_server()) as url:
        monkeypatch.setenv("LOOP_HOST", url.removeprefix("http://"))
        communicator = LoopCommunicator()
        try:
            response = await communicator.put("/echo", files=[str(tmp_path / "a.txt")], requires_login=False)
            assert response.json()["files"] == ["a.txt=content"]
            missing = await communicator.put("/echo", files=[str(tmp_path / "b.txt")], requires_login=False)
            assert missing.status_code == 404
        finally:
            await communicator.shutdown()


# Constructing and serving


def test_constructing_has_no_effect_outside_the_object(tmp_path):
    GLOBALS.data_folder = str(tmp_path / "not there yet")
    threads = threading.active_count()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    DetectorNode("test", FactoryOfNothing())
    DetectorNode("test", FactoryOfNothing())
    assert not (tmp_path / "not there yet").exists()
    assert threading.active_count() == threads
    assert {number: signal.getsignal(number) for number in handlers} == handlers


async def test_of_two_that_are_constructed_the_second_runs():
    first, second = (DetectorNode("test", FactoryOfNothing()) for _ in range(2))
    async with running(second) as program:
        assert await program.detect()
        assert second.uuid == first.uuid


async def test_a_node_can_be_served_twice():
    node = DetectorNode("test", FactoryOfNothing())
    for _ in range(2):
        async with running(node) as program:
            assert await program.detect()


PROGRAM = """
import sys
import numpy as np
import uvicorn
from learning_loop_node import DetectorLogic, DetectorNode
from learning_loop_node.data_classes import ImageMetadata
from learning_loop_node.helpers.entrypoint import node_parser, run_node

class Nothing(DetectorLogic):
    def __init__(self):
        super().__init__("mocked")
    def evaluate(self, image):
        return ImageMetadata()

class Crashing(DetectorNode):
    def services(self):
        return (*super().services(), self)
    async def run(self):
        raise RuntimeError("a bug")

node = DetectorNode(name="test", detector=Nothing())

if __name__ == "__main__":
    match sys.argv.pop(1):
        case "object": uvicorn.run(node, host="127.0.0.1", port=0)
        case "reload": uvicorn.run("main:node", host="127.0.0.1", port=0, reload=True, lifespan="on")
        case "crash": uvicorn.run(Crashing(name="test", detector=Nothing()), host="127.0.0.1", port=0)
        case "run_node": run_node("main:node", node_parser(description="test").parse_args())
"""


@pytest.mark.parametrize("way", ["object", "reload", "run_node"])
async def test_ways_to_serve(monkeypatch, tmp_path, way):
    async with served_as_process(monkeypatch, tmp_path, way) as (process, url, _):
        assert (await about(url))["model_info"]["version"] == "1.0"
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        assert "Traceback" not in output.decode()


async def test_a_service_that_crashes_ends_a_plain_server_with_status_1(monkeypatch, tmp_path):
    async with served_as_process(monkeypatch, tmp_path, "crash") as (process, _, said):
        async with asyncio.timeout(10):
            output, _ = await process.communicate()
        assert process.returncode == 1
        assert "crashed, ending the process" in said + output.decode()
        assert (said + output.decode()).count("Traceback") == 1


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_a_connected_client_does_not_keep_the_node(monkeypatch, tmp_path, transport):
    async with (
        served_as_process(monkeypatch, tmp_path, "object") as (process, url, _),
        connected(url, transport, reconnection=False) as client,
    ):
        await client.call("detect", {"image": RAW}, timeout=10)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):  # a long poll would take longer
            output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()


@asynccontextmanager
async def served_as_process(
    monkeypatch: pytest.MonkeyPatch, folder: Path, way: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str, str]]:
    """The program in a folder of its own, its address, and what it has said."""
    for name, value in {"DATA_FOLDER": str(folder), "NODE_PORT": "0", "NODE_HOST": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    (folder / "program").mkdir()
    (folder / "program" / "main.py").write_text(PROGRAM)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "main.py", way),
        cwd=folder / "program",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        url, said = await started(process)
        yield process, url, said
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with the child of the reloader
        await process.wait()


async def started(process: asyncio.subprocess.Process) -> tuple[str, str]:
    """The address of a program, and all that it said until it was ready."""
    said, url = "", ""
    assert process.stdout is not None
    while not url or "Application startup complete" not in said:
        line = (await process.stdout.readline()).decode()
        assert line, said
        said += line
        if "running on http://" in line:
            url = "http://" + line.partition("http://")[2].split()[0]
    return url, said


async def about(url: str) -> Any:
    """The answer of a node; a server with `reload=True` names its port before it listens."""
    while True:
        with contextlib.suppress(aiohttp.ClientConnectorError):
            async with aiohttp.ClientSession() as session, session.get(f"{url}/about") as response:
                return await response.json()
        await asyncio.sleep(0.01)


@dataclass
class Program:
    """A client of a running node."""

    url: str
    session: aiohttp.ClientSession
    client: socketio.AsyncClient

    async def call(self, event: str, *data: Any) -> Any:
        return await self.client.call(event, *data, timeout=10)

    async def detect(self) -> Any:
        return await self.call("detect", {"image": RAW, "autoupload": "disabled"})

    async def get(self, path: str) -> Any:
        async with self.session.get(self.url + path) as response:
            assert response.status == 200
            return await (response.json() if response.content_type == "application/json" else response.text())

    async def post_image(self, path: str, part: str) -> tuple[int, Any]:
        form = aiohttp.FormData()
        form.add_field(part, jpeg(), filename="a.jpg", content_type="image/jpeg")
        async with self.session.post(self.url + path, data=form) as response:
            return response.status, await response.json()


@asynccontextmanager
async def running(node: DetectorNode) -> AsyncIterator[Program]:
    client = socketio.AsyncClient(reconnection=False)
    async with served(node) as url, aiohttp.ClientSession() as session:
        await client.connect(url, socketio_path="/ws/socket.io", transports=["websocket"])
        try:
            yield Program(url, session, client)
        finally:
            await client.disconnect()


def echo_server() -> FastAPI:
    app = FastAPI()

    @app.api_route("/api/echo", methods=["GET", "PUT", "POST", "DELETE"])
    async def echo(request: Request) -> dict[str, Any]:
        heard = {"method": request.method, "query": request.url.query, "header": request.headers.get("x-mine")}
        if request.headers.get("content-type", "").startswith("multipart/"):
            async with request.form() as form:
                files = [part for _, part in form.multi_items() if not isinstance(part, str)]
                return heard | {"files": [await as_text(part) for part in files]}
        return heard | {"body": (await request.body()).decode()}

    return app


async def as_text(part: UploadFile | Any) -> str:
    return f"{part.filename}={(await part.read()).decode()}"
