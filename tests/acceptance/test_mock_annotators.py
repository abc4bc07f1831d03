"""The annotation tools in `mock_nodes` as processes of their own, started as their users start them."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from learning_loop_node.client.annotation_tools import ToolOnImage
from learning_loop_node.client.http import LoopHttp
from learning_loop_node.client.loop import LoopClient
from learning_loop_node.data_classes import Category, Context
from learning_loop_node.errors import LoopError, UnavailableError
from learning_loop_node.generator.scenes import compose, render
from learning_loop_node.images import encode_jpeg
from learning_loop_node.settings import LoopSettings, environment_for_child
from tests.acceptance.test_mock_nodes import MOCK_NODES, recipe
from tests.builders import jpeg
from tests.child import Child, python_child
from tests.loop import ORGANIZATION, PROJECT, RunningLoop, running_loop
from tests.polling import until
from tests.ports import free_ports
from tests.reader import LOOP_PORT, Reader

THING = Category(id="thing", name="thing", type="segmentation", color="#C04020")
SCENE = compose([THING], seed=1, width=640, height=480)
BOX = "mock_annotator"


@pytest.mark.parametrize(
    ("name", "port", "project"),
    [(BOX, "5006", "boxes"), ("segmentation_tool", "5007", "cuts")],
    ids=lambda value: value,
)
async def test_the_recipe_works_as_printed(name: str, port: str, project: str, tmp_path: Path):
    if name != BOX:
        pytest.importorskip("cv2", reason="needs OpenCV (extra [demo])")
    (tmp_path / "image.jpg").write_bytes(encode_jpeg(render(SCENE)))
    loop_port, node_port = map(str, free_ports(2))
    instead = {LOOP_PORT: loop_port, port: node_port, "/tmp/": f"{tmp_path}/", "image.jpg": f"{tmp_path}/image.jpg"}
    async with AsyncExitStack() as running:
        reader = Reader(tmp_path, instead, running, start=MOCK_NODES.parent)
        for block in recipe(MOCK_NODES / name / "main.py"):
            await reader.work_through(*block)
        http = await running.enter_async_context(LoopHttp(LoopSettings(host=f"127.0.0.1:{loop_port}")))
        loop = LoopClient(http, Context(organization="demo", project=project))
        await until(lambda: has_tools(loop))
        [tool] = await loop.annotation_tools.list()
        [image_id] = await loop.images.ids()
        await drag(loop.annotation_tools.tool(tool.id, image_id))
        if name != BOX:
            await loop.annotation_tools.tool(tool.id, image_id).input("key_down", key_down="Enter", category="thing")
        [annotation] = (await loop.images.get(image_id)).annotations
        assert annotation.origin == f"tool {name.replace('_', ' ')}"
        [truth] = SCENE.things
        points = annotation.geometry["shape"]["points"]
        assert abs(min(point["x"] for point in points) - truth.x) < 15
        assert abs(max(point["y"] for point in points) - truth.y - truth.height) < 15
        assert await reader.end() == {"node": 0, "loop": 0}


async def test_a_killed_tool_is_there_again_and_its_annotations_are(tmp_path: Path):
    async with running_loop(tmp_path) as loop, client_of(loop) as client:
        tool = await tool_over_image(loop, client)
        async with box_tool(loop, tmp_path) as node:
            await until(lambda: has_tools(client))
            await drag(tool)
            await tool.input("left_mouse_down", 1, 1, category="thing")
            node.send(signal.SIGKILL)
            assert await node.status(within_s=10) == -signal.SIGKILL
        await until(lambda: has_no_tools(client))
        with pytest.raises(UnavailableError, match="is not connected"):
            await tool.input("mouse_move", category="thing")
        async with box_tool(loop, tmp_path) as node:
            await until(lambda: has_tools(client))
            assert (await tool.input("mouse_move", 9, 9, category="thing")).svg == "", "what was not finished is lost"
            await drag(tool)
            node.send(signal.SIGTERM)
            assert await node.status(within_s=10) == 0, node.output
        [image] = await loop.list_images()
        assert len(image["segmentation_annotations"]) == 2
        assert "Traceback" not in node.output


async def test_the_loop_goes_away_and_comes_back(tmp_path: Path):
    [port] = free_ports(1)
    async with AsyncExitStack() as running:
        async with running_loop(tmp_path, port=port) as loop, client_of(loop) as client:
            tool = await tool_over_image(loop, client)
            node = await running.enter_async_context(box_tool(loop, tmp_path))
            await until(lambda: has_tools(client))
            await tool.input("left_mouse_down", 10, 10, category="thing")
        async with running_loop(tmp_path, port=port) as loop, client_of(loop) as client:
            await until(lambda: has_tools(client))
            [image_id] = await loop.image_ids()
            tool = client.annotation_tools.tool("00000000-1111-2222-3333-444444444444", image_id)
            await drag(tool)
            [image] = await loop.list_images()
            assert len(image["segmentation_annotations"]) == 1
            node.send(signal.SIGTERM)
            assert await node.status(within_s=10) == 0, node.output


async def drag(tool: ToolOnImage) -> None:
    """A box around the thing of the scene."""
    [thing] = SCENE.things
    await tool.input("left_mouse_down", thing.x - 10, thing.y - 10, category="thing")
    await tool.input("mouse_move", thing.x + 5, thing.y + 5, category="thing")
    await tool.input("left_mouse_up", thing.x + thing.width + 10, thing.y + thing.height + 10, category="thing")


async def tool_over_image(loop: RunningLoop, client: LoopClient) -> ToolOnImage:
    await loop.create_project([{"name": "thing", "type": "segmentation"}])
    [image] = await loop.post_images([jpeg(640, 480)])
    return client.annotation_tools.tool("00000000-1111-2222-3333-444444444444", image["id"])


@asynccontextmanager
async def client_of(loop: RunningLoop) -> AsyncIterator[LoopClient]:
    settings = LoopSettings(host=loop.host, username=loop.username, password=SecretStr(loop.password))
    async with LoopHttp(settings) as http:
        yield LoopClient(http, Context(organization=ORGANIZATION, project=PROJECT))


async def has_tools(loop: LoopClient) -> bool:
    try:
        return bool(await loop.annotation_tools.list())
    except LoopError:
        return False


async def has_no_tools(loop: LoopClient) -> bool:
    return not await has_tools(loop)


@asynccontextmanager
async def box_tool(loop: RunningLoop, folder: Path) -> AsyncIterator[Child]:
    environment: Any = environment_for_child(
        LOOP_HOST=loop.host,
        LOOP_USERNAME=loop.username,
        LOOP_PASSWORD=loop.password,
        DATA_FOLDER=str(folder / "node"),
    )
    async with python_child(
        *("-u", "main.py", "--host", "127.0.0.1", "--port", "0"),
        environment=environment,
        address=r"(http://127.0.0.1:\d+)",
        ready="Uvicorn running",
        folder=MOCK_NODES / BOX,
    ) as child:
        yield child
