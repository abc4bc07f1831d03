"""What programs written for 0.18 to 0.27 do with an annotator node, and may go on doing; the loop is a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import socketio
from fastapi import APIRouter, FastAPI, Request

from learning_loop_node import GLOBALS
from learning_loop_node.annotation.annotator_logic import AnnotatorLogic
from learning_loop_node.annotation.annotator_node import AnnotatorNode
from learning_loop_node.data_classes import (
    AnnotationNodeStatus,
    Context,
    Point,
    SegmentationAnnotation,
    Shape,
    ToolOutput,
    UserInput,
)
from learning_loop_node.data_classes.annotation_data import AnnotationData
from learning_loop_node.data_exchanger import DataExchanger
from learning_loop_node.enums import AnnotationEventType
from learning_loop_node.loop_communication import LoopCommunicator
from learning_loop_node.node import Node
from tests.builders import jpeg
from tests.loop import P, RunningLoop, running_loop
from tests.polling import until
from tests.serving import served

CONTEXT = Context(organization="zauberzeug", project="demo")


@pytest.fixture
async def loop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[RunningLoop]:
    """Programs are configured by their environment, and by the data folder that they set."""
    async with running_loop(tmp_path / "there") as running:
        await running.create_project([{"id": "leaf", "name": "leaf", "type": "segmentation"}])
        await running.post_images([jpeg()], metadata={"id": "image"})
        monkeypatch.setenv("LOOP_HOST", running.host)
        monkeypatch.setenv("LOOP_USERNAME", running.username)
        monkeypatch.setenv("LOOP_PASSWORD", running.password)
        GLOBALS.data_folder = str(tmp_path / "node")
        yield running


class Logic018(AnnotatorLogic):
    """As in 0.18: everything is given."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def init(self, node: Node) -> None:
        self.calls.append(f"init {node.name}")
        self._node = node

    async def handle_user_input(self, user_input: UserInput, history: dict[str, Any]) -> ToolOutput:
        self.calls.append(f"input {user_input.data.event_type}")
        assert isinstance(user_input.data, AnnotationData)
        history["count"] += 1
        if user_input.data.event_type == AnnotationEventType.LeftMouseUp:
            outline = Shape(points=[Point(x=0, y=0), Point(x=9, y=0), Point(x=9, y=9)])
            annotation = SegmentationAnnotation(
                id=f"drawn-{history['count']}",
                shape=outline,
                image_id=user_input.data.image_uuid,
                category_id=user_input.data.category.id,
            )
            return ToolOutput(svg="<path/>", annotation=annotation)
        return ToolOutput(svg=f"<text>{history['count']}</text>", annotation=None)

    def create_empty_history(self) -> dict[str, Any]:
        return {"count": 0}

    def logout_user(self, sid: str) -> bool:
        self.calls.append("logout")
        return True


class WithoutSuper(Logic018):
    """Has an `__init__` of its own, and nothing of ours."""

    def __init__(self) -> None:
        self.calls = []


class LogicOfNothing:
    """Inherits nothing."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    init = Logic018.init
    handle_user_input = Logic018.handle_user_input
    create_empty_history = Logic018.create_empty_history
    logout_user = Logic018.logout_user


@pytest.mark.parametrize("logic", [Logic018, WithoutSuper, LogicOfNothing])
async def test_logics_of_every_shape(loop: RunningLoop, logic: Any):
    tool = logic()
    node = AnnotatorNode("test tool", tool)
    assert tool.calls == ["init test tool"], "it knows its node as soon as that is made"
    assert node.tool is tool
    async with running(node, loop) as do:
        assert await do("mouse_move") == {"svg": "<text>1</text>", "annotations": []}
        assert await do("left_mouse_up") == {"svg": "<path/>", "annotations": ["drawn-2"]}
        assert await do("key_up", key_up="Escape") == {"svg": "", "annotations": []}
        assert await do("mouse_move") == {"svg": "<text>1</text>", "annotations": []}
    assert tool.calls[:4] == ["init test tool", "input mouse_move", "input left_mouse_up", "input mouse_move"]
    [image] = await loop.list_images()
    assert [entry["id"] for entry in image["segmentation_annotations"]] == ["drawn-2"]


async def test_attributes_that_programs_read(loop: RunningLoop, tmp_path: Path):
    node = AnnotatorNode(name="test tool", annotator_logic=Logic018(), uuid="mine")
    assert isinstance(node, FastAPI)
    assert isinstance(node, Node)
    assert (node.uuid, node.name, dict(node.histories)) == ("mine", "test tool", {})
    assert isinstance(node.status, AnnotationNodeStatus)
    assert node.status.capabilities == ["segmentation"]
    assert node.sio_headers["nodeType"] == "annotation_node"
    async with running(node, loop) as do:
        assert node.CONNECTED_TO_LOOP.is_set()
        assert isinstance(node.data_exchanger, DataExchanger)
        assert isinstance(node.loop_communicator, LoopCommunicator)
        assert isinstance(node.sio_client, socketio.AsyncClient)
        await do("mouse_move")
        [(frontend_id, history)] = node.histories.items()
        assert history == node.get_history(frontend_id) == {"count": 1}
        node.reset_history(frontend_id)
        assert node.histories[frontend_id] == {"count": 0}
        await node.download_image(CONTEXT, "image")
        assert (tmp_path / "node" / "zauberzeug" / "demo" / "images" / "image.jpg").read_bytes() == jpeg()
        await node.send_status()


class WithHooks(AnnotatorNode):
    def __init__(self) -> None:
        super().__init__("test tool", Logic018())
        self.hooks: list[str] = []
        self.repeated = asyncio.Event()
        self.attached = 0

    async def on_startup(self) -> None:
        await super().on_startup()
        self.hooks.append("startup")

    async def on_repeat(self) -> None:
        self.repeated.set()  # without `super()`, which programs forget

    async def on_shutdown(self) -> None:
        self.hooks.append("shutdown")

    def register_sio_events(self, sio_client: socketio.AsyncClient) -> None:
        self.attached += 1

        @sio_client.event  # type: ignore[untyped-decorator]
        async def greet(name: str) -> str:
            return f"hello {name}"

    async def download_image(self, context: Context, uuid: str) -> Any:
        self.hooks.append(f"image {uuid}")
        return await super().download_image(context, uuid)

    async def _handle_user_input(self, user_input_dict: dict[str, Any]) -> str:
        return f"<g>{await super()._handle_user_input(user_input_dict)}</g>"


async def test_subclasses(loop: RunningLoop):
    node = WithHooks()
    async with running(node, loop) as do:
        await asyncio.wait_for(node.repeated.wait(), 10)
        assert await do("mouse_move") == {"svg": "<g><text>1</text></g>", "annotations": []}
        found = loop.app.state.loop.nodes.by_id(node.uuid)
        assert await loop.app.state.loop.nodes.call(found, "greet", "Ada", timeout_s=5) == "hello Ada"
    assert node.hooks == ["startup", "image image", "shutdown"]
    assert node.attached == 1


async def test_a_node_is_an_application(loop: RunningLoop):
    node = AnnotatorNode("test tool", Logic018())
    router = APIRouter()

    @router.get("/people")
    async def people(request: Request) -> int:
        return len(request.app.histories)

    node.include_router(router)
    async with served(node) as url, aiohttp.ClientSession() as session:
        for path, expected in (("/people", 0), ("/healthz", None)):
            async with session.get(url + path) as answer:
                assert answer.status == 200
                assert expected is None or await answer.json() == expected
        for state in ("off", "on"):
            async with session.put(f"{url}/socketio", data=state) as answer:
                assert await answer.json() == state
        await until(lambda: node.connection.is_connected)


async def test_constructing_a_node_has_no_effect(loop: RunningLoop, tmp_path: Path):
    AnnotatorNode("test tool", Logic018())
    second = AnnotatorNode("test tool", Logic018())
    assert not (tmp_path / "node").exists()
    async with running(second, loop) as do:
        assert (await do("mouse_move"))["svg"] == "<text>1</text>"


@asynccontextmanager
async def running(node: AnnotatorNode, loop: RunningLoop) -> AsyncIterator[Any]:
    """A node that is connected, and a person with a mouse over the only image."""

    async def is_known() -> bool:
        return bool((await loop.json("GET", "/annotation_tools"))["annotation_tools"])

    async with served(node):
        await until(is_known)

        async def do(event: str, **more: Any) -> Any:
            body = {"event_type": event, "coordinate": {"x": 1, "y": 1}, "category_id": "leaf"} | more
            return await loop.json("POST", f"{P}/images/image/annotation_tools/{node.uuid}/input", json=body)

        yield do
