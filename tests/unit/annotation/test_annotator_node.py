"""An annotator node whose loop is an object of the test."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.annotation import AnnotatorLogic, AnnotatorNode
from learning_loop_node.data_classes import Context, Point, SegmentationAnnotation, Shape, ToolOutput, UserInput
from learning_loop_node.errors import (
    DeadlineError,
    InvalidDataError,
    InvalidRequestError,
    LoopRefusedError,
    LoopUnreachableError,
    NotFoundError,
    ToolFailedError,
    ToolTimedOutError,
)
from learning_loop_node.settings import AnnotatorSettings
from tests.builders import jpeg, make_settings
from tests.clock import ManualClock

HERE = {"x": 3, "y": 4}


class Tool(AnnotatorLogic):
    """Notes in the history what it is asked; the event type says what else it does."""

    def __init__(self) -> None:
        self.left: list[str] = []
        self.release = asyncio.Event()

    async def handle_user_input(self, user_input: UserInput, history: dict[str, Any]) -> ToolOutput:
        data = user_input.data
        history.setdefault("seen", []).append(str(data.event_type))
        match data.event_type:
            case "raise":
                raise ValueError("this tool knows no such button")
            case "refuse":
                raise InvalidRequestError("event_type: this tool knows the left button only")
            case "hang":
                await asyncio.Event().wait()
            case "wait":
                await self.release.wait()
            case "nothing":
                return None  # type: ignore[return-value]
            case "finish":
                outline = Shape(points=[Point(x=0, y=0), Point(x=9, y=0), Point(x=9, y=9)])
                annotation = SegmentationAnnotation(
                    id="done", shape=outline, image_id=data.image_uuid, category_id=data.category.id
                )
                return ToolOutput(svg="<path/>", annotation=annotation)
        return ToolOutput(svg=" ".join(history["seen"]))

    def logout_user(self, sid: str) -> bool:
        if sid == "raises":
            raise ValueError("whom?")
        self.left.append(sid)
        return sid != "stays"


@dataclass
class Connection:
    """Acknowledges what the test says, and notes the calls; an exception is raised."""

    answers: list[Any] = field(default_factory=list)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    is_connected: bool = True
    is_given_up: bool = False

    async def call(self, *call: Any, timeout_s: float) -> Any:
        self.calls.append(call)
        answer = self.answers.pop(0) if self.answers else {"success": True}
        if isinstance(answer, Exception):
            raise answer
        return answer

    call_checked = call

    def give_up(self) -> None:
        self.is_given_up = True


class Node(AnnotatorNode):
    """Has its images from nowhere."""

    tool: Tool

    async def _fetch_image(self, context: Context, uuid: str) -> bytes:
        if uuid == "missing":
            raise NotFoundError("there is no image missing in zauberzeug/demo")
        return jpeg()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return make_node(tmp_path)


def make_node(tmp_path: Path, **limits: Any) -> Node:
    node = Node("scissors", Tool(), settings=make_settings(tmp_path, annotator=AnnotatorSettings(**limits)))
    node.connection = Connection()  # type: ignore[assignment]
    return node


def given(event_type: str = "mouse_move", *, who: str = "ada", image: str = "image", **more: Any) -> dict[str, Any]:
    category = {"id": "id-of-face", "name": "face", "type": "segmentation"}
    context = {"organization": "zauberzeug", "project": "demo"}
    data = {"coordinate": HERE, "event_type": event_type, "context": context, "image_uuid": image, "category": category}
    return {"frontend_id": who, "data": data | more}


async def ask(node: AnnotatorNode, *arguments: Any, **options: Any) -> str:
    return await node._handle_user_input(given(*arguments, **options))


async def test_each_person_has_a_history(node, tmp_path):
    assert await ask(node) == "mouse_move"
    assert await ask(node, "key_down") == "mouse_move key_down"
    assert await ask(node, who="bob") == "mouse_move"
    assert node.histories["ada"] == node.get_history("ada") == {"seen": ["mouse_move", "key_down"]}
    assert (tmp_path / "zauberzeug" / "demo" / "images" / "image.jpg").read_bytes() == jpeg()
    assert node.image_file(Context(organization="zauberzeug", project="demo"), "image").exists()


async def test_escape_begins_anew_without_the_tool(node):
    await ask(node)
    assert await ask(node, "key_up", key_up="Escape", image="missing") == ""
    assert node.histories["ada"] == {}
    assert await ask(node, "key_up", key_up="Enter") == "key_up"


async def test_what_the_tool_has_finished_goes_to_the_loop(node):
    assert await ask(node, "finish") == "<path/>"
    corners = [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 9, "y": 9}]
    annotation = {"id": "done", "shape": {"points": corners}, "image_id": "image", "category_id": "id-of-face"}
    assert node.connection.calls == [("update_segmentation_annotation", "zauberzeug", "demo", annotation)]


@pytest.mark.parametrize("answer", [None, True, "ok", {"success": True}, {}], ids=repr)
async def test_whatever_a_loop_says_to_that_is_fine(node, answer):
    node.connection.answers = [answer]
    assert await ask(node, "finish") == "<path/>"


async def test_unless_it_says_that_it_does_not_store_it(node):
    node.connection.answers = [{"success": False, "error_msg": "there is no category id-of-face"}]
    with pytest.raises(LoopRefusedError, match="does not store the annotation: there is no category id-of-face"):
        await ask(node, "finish")
    assert node.histories["ada"] == {"seen": ["finish"]}


@pytest.mark.parametrize(
    ("corners", "text"), [([], "has 0 corners, and needs at least 3$"), ([HERE], "has 1 corner, and needs at least 3$")]
)
async def test_an_outline_with_too_few_corners_is_named(node, corners, text):
    node.connection.answers = [{"success": False, "error_msg": "argument 3: shape.points must have at least 3 items"}]
    points = [Point(**corner) for corner in corners]
    annotation = SegmentationAnnotation(id="x", shape=Shape(points=points), image_id="image", category_id="c")
    with pytest.raises(LoopRefusedError, match=f"does not store the annotation: its outline {text}"):
        await node._store(Context(organization="zauberzeug", project="demo"), annotation)


async def test_an_annotation_outlives_a_lost_connection(node):
    node.loop_http.clock = ManualClock()
    node.connection.answers = [LoopUnreachableError("lost"), LoopUnreachableError("not yet"), {"success": True}]
    assert await ask(node, "finish") == "<path/>"
    assert len({str(call) for call in node.connection.calls}) == 1
    assert len(node.connection.calls) == 3


async def test_but_not_for_ever(node):
    node.loop_http.clock = ManualClock()
    node.connection.answers = [LoopUnreachableError("lost")] * 1000
    with pytest.raises(LoopUnreachableError):
        await ask(node, "finish")


@pytest.mark.parametrize(
    ("event_type", "error", "text"),
    [
        (
            "raise",
            ToolFailedError,
            r"failed: ValueError: this tool knows no such button \(test_annotator_node.py, line \d+\)$",
        ),
        ("refuse", InvalidRequestError, "event_type: this tool knows the left button only"),
        ("nothing", ToolFailedError, "must return a ToolOutput with svg, not NoneType"),
        ("hang", ToolTimedOutError, r"gave no answer within 0.05 s \(ANNOTATION_TOOL_HANG_S"),
    ],
)
async def test_a_failure_of_the_tool_has_a_name_and_begins_anew(tmp_path, event_type, error, text):
    node = make_node(tmp_path, tool_hang_s=0.05)
    await ask(node)
    with pytest.raises(error, match=text):
        await ask(node, event_type)
    assert node.histories["ada"] == {}
    assert "tool" in node.status.errors
    assert await ask(node) == "mouse_move"
    assert node.status.errors == {}


async def test_a_hanging_tool_keeps_nobody_else_waiting(node):
    waiting = asyncio.ensure_future(ask(node, "wait"))
    after = asyncio.ensure_future(ask(node, "after"))
    assert await ask(node, who="bob") == "mouse_move"
    assert not waiting.done()
    node.tool.release.set()
    assert await waiting == "wait"
    assert await after == "wait after"


async def test_an_image_that_is_not_there_has_a_name(node):
    await ask(node)
    with pytest.raises(NotFoundError, match="no image missing"):
        await ask(node, image="missing")
    assert node.histories["ada"] == {}


@pytest.mark.parametrize(
    ("user_input", "text"),
    [
        ("nothing", "UserInput must be an object"),
        ({}, "frontend_id is missing"),
        (given(coordinate={"x": 1}), r"coordinate.y is missing"),
        (given(coordinate={"x": 1.5, "y": 1}), r"coordinate.x must be an integer"),
        (given(context={}), r"context.organization is missing"),
    ],
)
async def test_what_is_no_input_is_refused(node, user_input, text):
    with pytest.raises(InvalidDataError, match=text):
        await node._handle_user_input(user_input)


async def test_somebody_who_leaves_is_forgotten(node):
    await ask(node)
    await ask(node, who="stays")
    assert await node.log_out_user("ada") is True
    assert await node.log_out_user("stays") is False
    assert await node.log_out_user("a stranger") is True
    assert dict(node.histories) == {}
    with pytest.raises(ToolFailedError, match="ValueError: whom"):
        await node.log_out_user("raises")


async def test_room_for_so_many_people(tmp_path):
    node = make_node(tmp_path, max_users=2)
    waiting = asyncio.ensure_future(ask(node, "wait"))
    while "ada" not in node.histories:
        await asyncio.sleep(0.001)
    for who in ("bob", "eve", "raises", "dan"):
        await ask(node, who=who)
    assert list(node.histories) == ["ada", "dan"]
    assert node.tool.left == ["bob", "eve"]  # of the third one, the tool did not want to hear
    node.tool.release.set()
    assert await waiting == "wait"


async def test_the_idle_are_forgotten(tmp_path):
    node = make_node(tmp_path, idle_s=0.001)
    await ask(node)
    while not node.histories.idle():
        await asyncio.sleep(0.001)
    await node._forget_idle()
    assert dict(node.histories) == {}
    assert node.tool.left == ["ada"]


async def test_tells_the_loop_how_it_is(node):
    await node.send_status()
    [(event, status)] = node.connection.calls
    assert event == "update_annotation_node"
    assert status == {
        "id": node.uuid,
        "name": "scissors",
        "state": "online",
        "uptime": 0,
        "errors": {},
        "capabilities": ["segmentation"],
    }


@pytest.mark.parametrize("error", [LoopRefusedError("who are you?"), DeadlineError("no answer")], ids=repr)
async def test_connects_anew_if_the_loop_does_not_take_it(node, error):
    node.connection.answers = [error]
    with pytest.raises(type(error)):
        await node.send_status()
    assert node.connection.is_given_up


async def test_a_tool_without_history_does_not_end_in_a_riddle(node):
    def fail() -> dict[str, Any]:
        raise KeyError("corner")

    node.tool.create_empty_history = fail
    with pytest.raises(ToolFailedError, match="KeyError: 'corner'"):
        await ask(node)
    assert dict(node.histories) == {}
