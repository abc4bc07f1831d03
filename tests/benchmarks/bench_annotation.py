"""How long somebody who annotates waits for a tool: from an input, through our loop and a node, to the SVG."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import socketio

from learning_loop_node.data_classes import Category
from learning_loop_node.data_classes.codec import to_json
from learning_loop_node.generator.scenes import Thing, compose, render
from learning_loop_node.images import encode_jpeg
from learning_loop_node.settings import environment_for_child
from tests.child import python_child

from .figures import Figure, Goal, Who
from .real_loop import real_loop
from .turns import Bench

ROOT = Path(__file__).parents[2]
BOX_TOOL = ROOT / "tests" / "integration" / "programs" / "annotators" / "v18"
SEGMENTATION_TOOL = ROOT / "mock_nodes" / "segmentation_tool"
FULL_HD = (1920, 1080)
IMAGE = "00000000-0000-4000-8000-000000000001"
LEAF = Category(id="leaf", name="leaf", type="segmentation", color="#C04020")
P = "/api/bench/projects/bench"
INPUTS, QUICK_INPUTS = 300, 30
PEOPLE = 8
STROKES, QUICK_STROKES = 12, 2
NOTE = "The image is at the node already. Loop, node and client share the machine's processors."
CROWD_NOTE = "Each sends the next input as soon as the answer is there, so that the machine has no rest. " + NOTE

Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Place:
    """A loop with one image, in which there is one thing."""

    session: aiohttp.ClientSession
    url: str
    thing: Thing


async def measure(bench: Bench) -> list[Figure]:
    async with _place(bench) as place:
        one, many = {}, {}
        for who in bench.servers.nodes:
            async with _tool(bench, place, who, BOX_TOOL, "box tool") as tool_id:
                count = QUICK_INPUTS if bench.is_quick else INPUTS
                one[who] = [await _drag(_over_rest(place, tool_id), count) for _ in range(bench.turns(5))]
                many[who] = [await _many_drag(place, tool_id, count // 3) for _ in range(bench.turns(5))]
        has_opencv = Path(sys.executable)  # which is more than users of a node have to install
        async with _tool(bench, place, Who.OURS, SEGMENTATION_TOOL, "segmentation tool", has_opencv) as tool_id:
            strokes = await _strokes(place, tool_id, QUICK_STROKES if bench.is_quick else STROKES)
    waits = Goal(value=50, is_limit=True)
    what = "user input to SVG through the loop, mock tool, p95"
    return [
        Figure(what=f"{what}, one person over REST", unit="ms", values=one, goal=waits, note=NOTE),
        Figure(
            what=f"{what}, {PEOPLE} people at once over Socket.IO", unit="ms", values=many, goal=Goal(), note=CROWD_NOTE
        ),
        Figure(
            what="GrabCut tool: one stroke in a 1080p image, p95",
            unit="ms",
            values={Who.OURS: [strokes]},
            goal=Goal(value=1000, is_limit=True),
        ),
    ]


@asynccontextmanager
async def _place(bench: Bench) -> AsyncIterator[Place]:
    scene = compose([LEAF], seed=1, width=FULL_HD[0], height=FULL_HD[1])
    image = encode_jpeg(render(scene))
    async with real_loop(bench.servers.folder_for("loop of tools")) as session:
        body = {"project_id": "bench", "categories": [{"id": LEAF.id, "name": LEAF.name, "type": LEAF.type}]}
        async with session.post("/api/bench/projects", json=body) as answer:
            assert answer.status == 200, await answer.text()
            url = str(answer.url.origin())
        form = aiohttp.FormData()
        form.add_field("files", to_json({"id": IMAGE}), filename="image.json", content_type="application/json")
        form.add_field("files", image, filename="image.jpg", content_type="image/jpeg")
        async with session.post(f"{P}/images", data=form) as answer:
            assert answer.status == 200, await answer.text()
        yield Place(session, url, scene.things[0])


@asynccontextmanager
async def _tool(
    bench: Bench, place: Place, who: Who, program: Path, name: str, interpreter: Path | None = None
) -> AsyncIterator[str]:
    """A node with this tool, connected; its id."""
    environment = environment_for_child(
        LOOP_HOST=place.url.removeprefix("http://"),
        DATA_FOLDER=str(bench.servers.folder_for(f"{name} {who}")),
        NODE_NAME=name,
        NODE_HOST="127.0.0.1",
        NODE_PORT="0",
        PORT="0",
    )
    running = r"running on (http://\S+)"
    async with python_child(
        "main.py",
        environment=environment,
        address=running,
        ready=running,
        folder=program,
        interpreter=interpreter or bench.servers.interpreter(who),
    ):
        while True:
            async with place.session.get("/api/annotation_tools") as answer:
                found = [tool["id"] for tool in (await answer.json())["annotation_tools"] if tool["name"] == name]
            if found:
                break
            await asyncio.sleep(0.05)
        yield found[0]


def _over_rest(place: Place, tool_id: str) -> Ask:
    async def ask(given: dict[str, Any]) -> dict[str, Any]:
        path = f"{P}/images/{IMAGE}/annotation_tools/{tool_id}/input"
        async with place.session.post(path, json=given) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()  # type: ignore[no-any-return]

    return ask


@asynccontextmanager
async def _over_socket(place: Place, tool_id: str) -> AsyncIterator[Ask]:
    client = socketio.AsyncClient(reconnection=False)
    where = {"organization": "bench", "project": "bench", "image_id": IMAGE, "tool_id": tool_id}

    async def ask(given: dict[str, Any]) -> dict[str, Any]:
        answer = await client.call("user_input", where | given, timeout=60)
        assert answer["success"], answer
        return answer["payload"]  # type: ignore[no-any-return]

    await client.connect(place.url, socketio_path="/ws/socket.io", transports=["websocket"])
    try:
        yield ask
    finally:
        await client.disconnect()


async def _drag(ask: Ask, count: int) -> float:
    """Move the mouse so often, with the button pressed; the p95 of the waits in ms."""
    await ask(_input("left_mouse_down", 10, 10))
    waits_ms = []
    for number in range(count):
        begin = time.perf_counter()
        answer = await ask(_input("mouse_move", 20 + number, 30))
        waits_ms.append(1000 * (time.perf_counter() - begin))
        assert "<rect" in answer["svg"]
    await ask(_input("key_up", 0, 0, key_up="Escape"))
    return _p95(waits_ms)


async def _many_drag(place: Place, tool_id: str, count: int) -> float:
    async with AsyncExitStack() as stack:
        asks = [await stack.enter_async_context(_over_socket(place, tool_id)) for _ in range(PEOPLE)]
        return max(await asyncio.gather(*(_drag(ask, count) for ask in asks)))


async def _strokes(place: Place, tool_id: str, count: int) -> float:
    """Drag a box around the thing, and correct it so often; the p95 of the waits in ms."""
    ask, thing = _over_rest(place, tool_id), place.thing
    await ask(_input("left_mouse_down", thing.x - 12, thing.y - 12))
    answer = await ask(_input("left_mouse_up", thing.x + thing.width + 12, thing.y + thing.height + 12))
    waits_ms = []
    for number in range(count):
        x, y = (round(value) for value in thing.center)
        await ask(_input("left_mouse_down", x - 20, y + 3 * number))
        begin = time.perf_counter()
        answer = await ask(_input("left_mouse_up", x + 20, y + 3 * number))
        waits_ms.append(1000 * (time.perf_counter() - begin))
        assert "<polygon" in answer["svg"]
    print(f"strokes in ms: {', '.join(f'{wait:.0f}' for wait in waits_ms)}", file=sys.stderr)
    return _p95(waits_ms)


def _input(event: str, x: int, y: int, **more: Any) -> dict[str, Any]:
    return {"event_type": event, "coordinate": {"x": x, "y": y}, "category_id": LEAF.id} | more


def _p95(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]
