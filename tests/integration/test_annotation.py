"""People drive annotation tools through the loop: real nodes and pages, over real sockets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from learning_loop_node.annotation import AnnotatorLogic, AnnotatorNode
from learning_loop_node.client.annotation_tools import ToolOnImage
from learning_loop_node.client.http import LoopHttp
from learning_loop_node.client.loop import LoopClient
from learning_loop_node.data_classes import Context, SegmentationAnnotation, Shape, ToolOutput, UserInput
from learning_loop_node.errors import (
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    ToolFailedError,
    UnavailableError,
)
from learning_loop_node.loop_server.storage.tables import AnnotationRow
from learning_loop_node.settings import AnnotatorSettings, LoopSettings, NodeSettings, Settings
from tests.builders import jpeg
from tests.loop import ORGANIZATION, PROJECT, P, RunningLoop, running_loop
from tests.node_clients import NodeClient, node_client
from tests.polling import until
from tests.serving import served

PASSWORD = "long enough"
CATEGORIES = ({"name": "leaf", "type": "segmentation"}, {"name": "stem", "type": "segmentation"}, {"name": "pot"})
CORNERS = [{"x": 1, "y": 1}, {"x": 20, "y": 1}, {"x": 20, "y": 9}]


class Outliner(AnnotatorLogic):
    """Draws what the event type says; each person has one outline, with a corner for each click."""

    def __init__(self) -> None:
        self.left: list[str] = []
        self.hanging = asyncio.Event()

    def create_empty_history(self) -> dict[str, Any]:
        return {"id": str(uuid4()), "points": []}

    async def handle_user_input(self, user_input: UserInput, history: dict[str, Any]) -> ToolOutput:
        data = user_input.data
        match data.event_type:
            case "raise":
                raise ValueError("no such button")
            case "hang":
                self.hanging.set()
                await asyncio.Event().wait()
            case "left_mouse_down":
                history["points"].append(data.coordinate)
        svg = f"<polygon points='{' '.join(f'{point.x},{point.y}' for point in history['points'])}'/>"
        if data.event_type != "key_up":
            return ToolOutput(svg=svg)
        annotation = SegmentationAnnotation(
            id=history["id"],
            shape=Shape(points=history["points"]),
            image_id=data.image_uuid if data.key_up == "Enter" else str(data.key_up),
            category_id=data.category.id,
        )
        return ToolOutput(svg=svg, annotation=annotation)

    def logout_user(self, sid: str) -> bool:
        self.left.append(sid)
        return True


@pytest.fixture
async def loop(tmp_path: Path) -> AsyncIterator[RunningLoop]:
    async with running_loop(tmp_path) as running:
        await running.create_project(CATEGORIES)
        await running.post_images([jpeg()])
        yield running


@asynccontextmanager
async def tool_at(
    loop: RunningLoop, tmp_path: Path, *, name: str = "outliner", **limits: Any
) -> AsyncIterator[AnnotatorNode]:
    """A node with the login of the administrator, connected."""
    settings = Settings(
        loop=LoopSettings(host=loop.host, username=loop.username, password=SecretStr(loop.password)),
        node=NodeSettings(data_folder=tmp_path / name),
        annotator=AnnotatorSettings(**limits),
    )
    node = AnnotatorNode(name, Outliner(), uuid=f"id-of-{name}", settings=settings)
    async with served(node):
        await until(lambda: tools_of(loop, name))
        yield node


async def tools_of(loop: RunningLoop, name: str) -> bool:
    return name in [tool["name"] for tool in (await loop.json("GET", "/annotation_tools"))["annotation_tools"]]


@asynccontextmanager
async def client_of(loop: RunningLoop, name: str, role: str = "annotator") -> AsyncIterator[LoopClient]:
    """Somebody with this role in the organization."""
    user = {"name": name, "password": PASSWORD, "organizations": {ORGANIZATION: role}}
    await loop.json("POST", "/users", json=user)
    settings = LoopSettings(host=loop.host, username=name, password=SecretStr(PASSWORD))
    async with LoopHttp(settings) as http:
        yield LoopClient(http, Context(organization=ORGANIZATION, project=PROJECT))


async def annotations_in(loop: RunningLoop) -> list[dict[str, Any]]:
    [image] = await loop.list_images()
    return image["segmentation_annotations"]  # type: ignore[no-any-return]


@asynccontextmanager
async def drawing(loop: RunningLoop, tmp_path: Path, **limits: Any) -> AsyncIterator[tuple[AnnotatorNode, ToolOnImage]]:
    """A tool, and the same in the hands of an annotator called ada, over the only image."""
    async with tool_at(loop, tmp_path, **limits) as node, client_of(loop, "ada") as ada:
        [image_id] = await loop.image_ids()
        tool = ada.annotation_tools.tool(node.uuid, image_id)
        yield node, tool


async def test_without_tools_none_are_listed(loop: RunningLoop):
    assert await loop.json("GET", "/annotation_tools") == {"annotation_tools": []}
    async with client_of(loop, "ada") as ada:
        assert await ada.annotation_tools.list() == []
        [image_id] = await loop.image_ids()
        with pytest.raises(UnavailableError, match=r"the annotation tool scissors is not connected; .* none"):
            await ada.annotation_tools.tool("scissors", image_id).input("mouse_move", category="leaf")


async def test_a_tool_says_who_it_is(loop: RunningLoop, tmp_path: Path):
    async with tool_at(loop, tmp_path), client_of(loop, "ada") as ada:
        [tool] = await ada.annotation_tools.list()
        assert (tool.id, tool.name, tool.state, tool.errors, tool.user) == (
            "id-of-outliner",
            "outliner",
            "online",
            {},
            "admin",
        )
        assert tool.capabilities == ["segmentation"]


async def test_what_a_tool_draws_becomes_an_annotation_with_its_origin(loop: RunningLoop, tmp_path: Path):
    async with drawing(loop, tmp_path) as (_, tool):
        for corner in CORNERS:
            answer = await tool.input("left_mouse_down", corner["x"], corner["y"], category="leaf")
            assert answer.annotations == []
        assert answer.svg == "<polygon points='1,1 20,1 20,9'/>"
        done = await tool.input("key_up", key_up="Enter", category="leaf")
        [annotation] = await annotations_in(loop)
        assert done.annotations == [annotation["id"]]
        assert annotation["category_name"] == "leaf"
        assert annotation["shape"] == {"points": CORNERS}
        assert annotation["origin"] == "tool outliner"
        assert annotation["version"] == 1
        [image] = await loop.list_images()
        assert (image["version"], image["changed_by"]) == (2, "ada")


async def test_it_is_changed_in_place_and_nothing_is_done_twice(loop: RunningLoop, tmp_path: Path):
    async with drawing(loop, tmp_path) as (_, tool):
        for corner in CORNERS:
            await tool.input("left_mouse_down", corner["x"], corner["y"], category="leaf")
        for _ in range(2):
            await tool.input("key_up", key_up="Enter", category="leaf")
        [annotation] = await annotations_in(loop)
        assert annotation["version"] == 1
        await tool.input("left_mouse_down", 1, 9, category="stem")
        await tool.input("key_up", key_up="Enter", category="stem")
        [changed] = await annotations_in(loop)
        assert (changed["id"], changed["version"], changed["category_name"]) == (annotation["id"], 2, "stem")
        assert len(changed["shape"]["points"]) == 4


async def test_a_person_may_change_what_a_tool_has_drawn(loop: RunningLoop, tmp_path: Path):
    async with drawing(loop, tmp_path) as (_, tool):
        for corner in CORNERS:
            await tool.input("left_mouse_down", corner["x"], corner["y"], category="leaf")
        await tool.input("key_up", key_up="Enter", category="leaf")
        [annotation] = await annotations_in(loop)
        body = {"version": 1, "shape": {"points": CORNERS[::-1]}}
        changed = await loop.json("PATCH", f"{P}/annotations/{annotation['id']}", json=body)
        assert (changed["origin"], changed["changed_by"]) == ("tool outliner", "admin")


async def test_everybody_has_a_history_and_each_page_of_one_login(loop: RunningLoop, tmp_path: Path):
    async with drawing(loop, tmp_path) as (node, tool), client_of(loop, "bob") as bob:
        [image_id] = await loop.image_ids()
        others = (
            bob.annotation_tools.tool(node.uuid, image_id),
            bob.annotation_tools.tool(node.uuid, image_id, page="second"),
        )
        await tool.input("left_mouse_down", 1, 1, category="leaf")
        for other in others:
            assert (await other.input("left_mouse_down", 5, 5, category="leaf")).svg == "<polygon points='5,5'/>"
        assert (await tool.input("mouse_move", 9, 9, category="leaf")).svg == "<polygon points='1,1'/>"
        assert (await tool.input("key_up", key_up="Escape", category="leaf")).svg == ""
        assert (await tool.input("mouse_move", 9, 9, category="leaf")).svg == "<polygon points=''/>"
        assert (await others[0].input("mouse_move", category="leaf")).svg == "<polygon points='5,5'/>"
        assert len(node.histories) == 3


async def test_who_drew_what_while_several_draw(loop: RunningLoop, tmp_path: Path):
    async with AsyncExitStack() as stack:
        node, tool = await stack.enter_async_context(drawing(loop, tmp_path))
        bob = await stack.enter_async_context(client_of(loop, "bob"))
        [image_id] = await loop.image_ids()
        drawers = {"leaf": tool, "stem": bob.annotation_tools.tool(node.uuid, image_id)}

        async def draw(category: str) -> str:
            for corner in CORNERS:
                await drawers[category].input("left_mouse_down", corner["x"], corner["y"], category=category)
            [annotation_id] = (await drawers[category].input("key_up", key_up="Enter", category=category)).annotations
            return annotation_id

        ids = dict(zip(drawers, await asyncio.gather(*map(draw, drawers)), strict=True))
        assert {entry["category_name"]: entry["id"] for entry in await annotations_in(loop)} == ids
        for category, name in (("leaf", "ada"), ("stem", "bob")):
            assert await who_drew(loop, ids[category]) == (name, "tool outliner")


async def who_drew(loop: RunningLoop, annotation_id: str) -> tuple[str | None, str | None]:
    async with loop.app.state.loop.database.reading() as session:
        query = select(AnnotationRow).where(AnnotationRow.id == annotation_id)
        row = (await session.scalars(query)).one()
        return row.user, row.origin


@pytest.mark.parametrize(
    ("event", "error", "words"),
    [
        pytest.param("raise", ToolFailedError, "the tool outliner failed: ValueError: no such button", id="raises"),
        pytest.param("hang", ToolFailedError, "the tool outliner gave no answer within 0.1 s", id="hangs"),
    ],
)
async def test_a_tool_that_fails_is_named(loop, tmp_path, event, error, words):
    async with drawing(loop, tmp_path, tool_hang_s=0.1) as (_, tool):
        await tool.input("left_mouse_down", 1, 1, category="leaf")
        with pytest.raises(error, match=words):
            await tool.input(event, category="leaf")
        assert (await tool.input("mouse_move", category="leaf")).svg == "<polygon points=''/>"


async def test_a_tool_that_never_answers_is_named(loop: RunningLoop):
    [image_id] = await loop.image_ids()
    body = {"event_type": "mouse_move", "coordinate": {"x": 1, "y": 1}, "category_name": "leaf"}
    loop.app.state.loop.tool_inputs.answer_s = 0.1
    async with scripted_tool(loop) as tool:
        tool.answer("handle_user_input", lambda _input: asyncio.Event().wait())
        async with loop.admin.post(f"/api{P}/images/{image_id}/annotation_tools/old/input", json=body) as answer:
            assert answer.status == 504
            assert "did not answer handle_user_input within 0.1 s" in (await answer.json())["detail"]


@pytest.mark.parametrize("acknowledged", [None, True, "svg", {"success": True}, {"success": True, "payload": 7}])
async def test_a_tool_that_answers_nonsense_is_named(loop: RunningLoop, acknowledged: Any):
    [image_id] = await loop.image_ids()
    body = {"event_type": "mouse_move", "coordinate": {"x": 1.4, "y": 1}, "category_name": "leaf"}
    async with scripted_tool(loop) as tool:
        tool.answer("handle_user_input", lambda _input: acknowledged)
        async with loop.admin.post(f"/api{P}/images/{image_id}/annotation_tools/old/input", json=body) as answer:
            assert answer.status == 502
            assert "the tool old answered with something that is no SVG" in (await answer.json())["detail"]
        [(_, sent)] = tool.called
        assert sent["data"]["coordinate"] == {"x": 1, "y": 1}


async def test_a_tool_that_leaves_is_named(loop: RunningLoop):
    [image_id] = await loop.image_ids()
    body = {"event_type": "mouse_move", "coordinate": {"x": 1, "y": 1}, "category_name": "leaf"}
    async with scripted_tool(loop) as tool:
        tool.answer("handle_user_input", lambda _input: asyncio.Event().wait())
        path = f"/api{P}/images/{image_id}/annotation_tools/old/input"
        asked = asyncio.ensure_future(loop.admin.post(path, json=body))
        await until(lambda: bool(tool.called))
        await tool.client.disconnect()
        answer = await asked
        assert answer.status == 503
        assert "left before it answered" in (await answer.json())["detail"]


@asynccontextmanager
async def scripted_tool(loop: RunningLoop, session: aiohttp.ClientSession | None = None) -> AsyncIterator[NodeClient]:
    async with node_client(loop, "annotation_node", session=session) as tool:
        status = {"id": "old", "name": "old", "state": "online", "uptime": 0, "errors": {}}
        await tool.call("update_annotation_node", status | {"capabilities": ["segmentation"]})
        yield tool


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        pytest.param(
            {"category_name": "cloud"}, 422, "none with the name cloud; it has leaf, pot, stem", id="category"
        ),
        pytest.param({"category_name": "pot"}, 422, "marks a box, but the tool old is for segmentation", id="kind"),
        pytest.param({"category_name": None}, 422, "category_id or category_name must say", id="no category"),
        pytest.param({"coordinate": None}, 422, "coordinate", id="no place"),
        pytest.param({"coordinate": {"x": "a", "y": 1}}, 422, "coordinate.x", id="text for a place"),
        pytest.param({"epsilon": -1}, 422, "epsilon", id="epsilon"),
        pytest.param({"event_type": None}, 422, "event_type", id="no event"),
        pytest.param({"page": "a b"}, 422, "page", id="page"),
        pytest.param({"shift": True}, 422, "the field 'shift' is not known here", id="unknown field"),
        pytest.param({"image": "missing"}, 404, "there is no image missing", id="image"),
        pytest.param({"tool": "scissors"}, 503, r"scissors is not connected; .*old \(old\)", id="tool"),
    ],
)
async def test_wrong_input_is_named(loop: RunningLoop, change: dict[str, Any], status: int, words: str):
    [image_id] = await loop.image_ids()
    image_id, tool_id = change.pop("image", image_id), change.pop("tool", "old")
    body = {"event_type": "mouse_move", "coordinate": {"x": 1, "y": 1}, "category_name": "leaf"} | change
    async with scripted_tool(loop) as tool:
        tool.answer("handle_user_input", {"success": True, "error_msg": None, "payload": ""})
        path = f"/api{P}/images/{image_id}/annotation_tools/{tool_id}/input"
        async with loop.admin.post(path, json=body) as answer:
            assert answer.status == status
            assert re.search(words, (await answer.json())["detail"])
        assert tool.called == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"image_id": "missing"}, "there is no image missing", id="image"),
        pytest.param({"category_id": "cloud"}, "none with the id cloud", id="category"),
        pytest.param({"shape": {"points": CORNERS[:2]}}, "shape.points", id="two corners"),
        pytest.param({"shape": "1,1,2,2,3,3"}, "shape", id="text"),
        pytest.param({"id": "a/b"}, "id", id="id"),
    ],
)
async def test_what_cannot_be_stored_is_named_to_the_tool(loop: RunningLoop, change: dict[str, Any], words: str):
    [image_id] = await loop.image_ids()
    leaf, *_ = (await loop.json("GET", f"{P}/categories"))["categories"]
    annotation = {"id": "drawn", "image_id": image_id, "category_id": leaf["id"], "shape": {"points": CORNERS}}
    async with scripted_tool(loop) as tool:
        event = ("update_segmentation_annotation", ORGANIZATION, PROJECT)
        refused = await tool.call(*event, annotation | change)
        assert refused["success"] is False
        assert words in refused["error_msg"]
        assert await annotations_in(loop) == []
        assert (await tool.call(*event, annotation))["success"] is True
        [stored] = await annotations_in(loop)
        assert (stored["id"], stored["origin"]) == ("drawn", "tool old")
        unknown = await tool.call("update_segmentation_annotation", ORGANIZATION, "nowhere", annotation)
        assert "there is no project" in unknown["error_msg"]


async def test_a_refused_annotation_is_told_to_the_person(loop: RunningLoop, tmp_path: Path):
    async with drawing(loop, tmp_path) as (_, tool):
        for corner in CORNERS:
            await tool.input("left_mouse_down", corner["x"], corner["y"], category="leaf")
        with pytest.raises(ToolFailedError, match="does not store the annotation: there is no image elsewhere"):
            await tool.input("key_up", key_up="elsewhere", category="leaf")
        assert (await tool.input("key_up", key_up="Enter", category="leaf")).annotations


async def test_rights_of_the_project_hold(loop: RunningLoop, tmp_path: Path):
    async with tool_at(loop, tmp_path) as node, client_of(loop, "vera", "viewer") as vera:
        [image_id] = await loop.image_ids()
        with pytest.raises(ForbiddenError, match="vera may not change annotations"):
            await vera.annotation_tools.tool(node.uuid, image_id).input("mouse_move", category="leaf")
        await loop.json("POST", "/others/projects", json={"project_id": PROJECT, "categories": list(CATEGORIES)})
        async with client_of(loop, "ada") as ada:
            elsewhere = LoopClient(ada.http, Context(organization="others", project=PROJECT))
            with pytest.raises(NotFoundError, match="there is no project others/demo"):
                await elsewhere.annotation_tools.tool(node.uuid, image_id).input("mouse_move", category="leaf")


async def test_a_tool_of_others_is_no_tool_here(loop: RunningLoop):
    """Its login decides what it may see and change, whatever it calls itself."""
    await loop.json("POST", "/others/projects", json={"project_id": PROJECT})
    user = {"name": "mallory", "password": PASSWORD, "organizations": {"others": "owner"}}
    await loop.json("POST", "/users", json=user)
    [image_id] = await loop.image_ids()
    leaf, *_ = (await loop.json("GET", f"{P}/categories"))["categories"]
    body = {"event_type": "mouse_move", "coordinate": {"x": 1, "y": 1}, "category_name": "leaf"}
    async with aiohttp.ClientSession(loop.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as mallory:
        async with mallory.post("/api/login", data={"username": "mallory", "password": PASSWORD}) as answer:
            assert answer.status == 200
        async with scripted_tool(loop, mallory) as tool, client_of(loop, "ada") as ada:
            assert await ada.annotation_tools.list() == []
            path = f"/api{P}/images/{image_id}/annotation_tools/old/input"
            async with loop.admin.post(path, json=body) as answer:
                assert answer.status == 503
            annotation = {"id": "drawn", "image_id": image_id, "category_id": leaf["id"], "shape": {"points": CORNERS}}
            refused = await tool.call("update_segmentation_annotation", ORGANIZATION, PROJECT, annotation)
            assert refused["success"] is False
            assert refused["code"] == "not_found"
    assert await annotations_in(loop) == []


async def test_a_page_that_leaves_is_forgotten(loop: RunningLoop, tmp_path: Path):
    [image_id] = await loop.image_ids()
    async with tool_at(loop, tmp_path) as node:
        async with node_client(loop, None) as page:
            place = {"organization": ORGANIZATION, "project": PROJECT, "image_id": image_id, "tool_id": node.uuid}
            click = {"event_type": "left_mouse_down", "coordinate": {"x": 1, "y": 1}, "category_name": "leaf"}
            answer = await page.call("user_input", place | click)
            assert answer["payload"] == {"svg": "<polygon points='1,1'/>", "annotations": []}
            assert (await page.call("user_logout", node.uuid))["success"] is True
            assert len(node.tool.left) == 1
            refused = await page.call("user_input", place | click | {"image_id": "missing"})
            assert refused["code"] == "not_found"
            await page.call("user_input", place | click)
        await until(lambda: len(node.tool.left) == 2)
        assert node.tool.left[0] == node.tool.left[1]


async def test_which_page_logs_out_may_stand_in_query_or_body(loop: RunningLoop, tmp_path: Path):
    async with drawing(loop, tmp_path) as (node, tool):
        [image_id] = await loop.image_ids()
        path = f"{P}/images/{image_id}/annotation_tools/{node.uuid}/logout"
        other = ToolOnImage(tool.place, node.uuid, image_id, page="b")
        await tool.input("left_mouse_down", 1, 1, category="leaf")
        for body, query in (({"page": "b"}, ""), (None, "?page=b"), ({}, "?page=b")):
            await other.input("left_mouse_down", 2, 2, category="leaf")
            assert len(node.histories) == 2
            await tool.place.http.json("POST", path + query, json=body)
            assert len(node.histories) == 1, (body, query)
        with pytest.raises(InvalidRequestError, match="the field 'pagee' is not known here; did you mean 'page'"):
            await tool.place.http.json("POST", path, json={"pagee": "b"})


async def test_a_person_who_logs_out_is_forgotten(loop: RunningLoop, tmp_path: Path):
    async with drawing(loop, tmp_path) as (node, tool):
        assert await tool.log_out() is True, "there was nothing to forget"
        await tool.input("left_mouse_down", 1, 1, category="leaf")
        assert await tool.log_out() is True
        assert len(node.tool.left) == 1
        await tool.input("left_mouse_down", 1, 1, category="leaf")
        await tool.place.http.logout()
        await until(lambda: len(node.tool.left) == 2)


async def test_a_tool_that_comes_back_goes_on(loop: RunningLoop, tmp_path: Path):
    async with drawing(loop, tmp_path) as (node, tool):
        await tool.input("left_mouse_down", 1, 1, category="leaf")
        inside = loop.app.state.loop
        before = inside.nodes.by_id(node.uuid)
        await inside.connections.server.disconnect(before.sid)
        await until(lambda: inside.nodes.by_id(node.uuid) not in (None, before))
        assert (await tool.input("mouse_move", category="leaf")).svg == "<polygon points='1,1'/>"
