"""Annotator nodes of three releases, driven by a script that drags a mouse over an image of our loop."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from learning_loop_node.settings import environment_for_child
from tests.child import python_child
from tests.loop import ORGANIZATION, RunningLoop, running_loop
from tests.peers import need_peer
from tests.polling import until

pytestmark = pytest.mark.timeout(120)

PROGRAM = Path(__file__).parent / "programs" / "annotators" / "v18"
PROJECT = "outlines"
P = f"/{ORGANIZATION}/projects/{PROJECT}"
OURS = "ours"


@pytest.mark.parametrize("release", [*(pytest.param(name, marks=pytest.mark.peer) for name in ("v18", "v27")), OURS])
async def test_a_dragged_box_becomes_an_annotation(release: str, tmp_path: Path):
    interpreter: dict[str, Any] = {} if release == OURS else {"interpreter": need_peer(release)}
    async with running_loop(tmp_path) as loop:
        await loop.json(
            "POST",
            f"/{ORGANIZATION}/projects/generator",
            json={"project_name": PROJECT, "annotate": 1, "segmentation_categories": 1, "image_style": "plain"},
        )
        [image_id] = (await loop.json("GET", f"{P}/data"))["image_ids"]
        [category] = (await loop.json("GET", f"{P}/categories"))["categories"]
        running_on = r"running on (http://\S+)"
        async with python_child(
            "main.py",
            environment=environment_for_child(
                LOOP_HOST=loop.host,
                LOOP_USERNAME=loop.username,
                LOOP_PASSWORD=loop.password,
                DATA_FOLDER=str(tmp_path / "node"),
                NODE_NAME="box tool",
                PORT="0",
            ),
            address=running_on,
            ready=running_on,
            folder=PROGRAM,
            **interpreter,
        ) as child:
            tool_id = await tool_of(loop)
            tool = f"{P}/images/{image_id}/annotation_tools/{tool_id}"

            async def do(event: str, x: int, y: int, **others: Any) -> aiohttp.ClientResponse:
                body = {"event_type": event, "coordinate": {"x": x, "y": y}, "category_id": category["id"]} | others
                return await loop.admin.post(f"/api{tool}/input", json=body)

            answer = await do("left_mouse_down", 10, 20)
            assert answer.status == 200, f"{await answer.text()}\n{child.output}"
            assert (await answer.json())["svg"] == '<circle cx="10" cy="20" r="3"/>'
            assert "<rect" in (await (await do("mouse_move", 40, 30)).json())["svg"]
            done = await (await do("left_mouse_up", 50, 60)).json()
            assert done["svg"] == '<rect x="10" y="20" width="40" height="40"/>'

            [image] = (await loop.json("GET", f"{P}/images?ids={image_id}"))["images"]
            [annotation] = image["segmentation_annotations"]
            assert annotation["category_id"] == category["id"]
            corners = [(point["x"], point["y"]) for point in annotation["shape"]["points"]]
            assert corners == [(10, 20), (50, 20), (50, 60), (10, 60)]
            assert annotation["origin"] == "tool box tool"

            refused = await do("right_mouse_down", 1, 1)
            assert refused.status >= 400
            assert "this tool knows no right button" in (await refused.json())["detail"]
            assert (await (await do("key_up", 1, 1, key_up="Escape")).json())["svg"] == ""
            assert (await loop.admin.post(f"/api{tool}/logout")).status == 200
            child.send(signal.SIGTERM)
            status = await child.status(within_s=30)
            assert release != OURS or status == 0, child.output


async def tool_of(loop: RunningLoop) -> str:
    """The id of the tool, once it is connected."""
    found: list[str] = []

    async def is_there() -> bool:
        tools = (await loop.json("GET", "/annotation_tools"))["annotation_tools"]
        found[:] = [entry["id"] for entry in tools if entry["name"] == "box tool"]
        await asyncio.sleep(0.05)
        return bool(found)

    await until(is_there, within_s=30)
    return found[0]
