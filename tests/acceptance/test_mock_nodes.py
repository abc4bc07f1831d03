"""The examples in `mock_nodes`, started as their users start them."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.client.detector import DetectorClient
from learning_loop_node.data_classes import ImageMetadata
from learning_loop_node.data_classes.codec import from_dict
from learning_loop_node.errors import UnavailableError
from learning_loop_node.images import encode_jpeg
from learning_loop_node.runtime.command import Command
from learning_loop_node.settings import environment_for_child
from tests.builders import jpeg
from tests.loop import RunningLoop, running_loop
from tests.ports import free_ports
from tests.reader import LOOP_PORT, NODE_PORT, Reader

MOCK_NODES = Path(__file__).parents[2] / "mock_nodes"

CATEGORIES = [
    {"id": kind, "name": f"bright {kind}", "type": kind} for kind in ("box", "point", "segmentation", "classification")
]


async def test_the_shortest_detector(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project(CATEGORIES)
        await loop.push_model({"weights.bin": b"none"}, model_format="mocked", deploy=True)
        async with node(loop, "mock_detector", tmp_path) as client:
            found = await client.detect(jpeg(), camera_id="front", autoupload="all")
            images = await until_stored(loop)
    assert kinds_of(found) == ["bright box", "bright point", "bright segmentation", "bright classification"]
    assert [image["sha256"] for image in images] == [sha256(jpeg()).hexdigest()]


async def test_the_photo_detector(tmp_path: Path):
    pytest.importorskip("cv2", reason="needs OpenCV (extra [demo])")
    data = pytest.importorskip("skimage", reason="needs scikit-image (extra [demo])").data
    from learning_loop_node.demo import models

    archive = models.pack(models.FINE)
    async with running_loop(tmp_path) as loop:
        await loop.create_project(models.CATEGORIES)
        await loop.push_model({"model.zip": archive}, model_format=models.MODEL_FORMAT, deploy=True)
        async with node(loop, "photo_detector", tmp_path) as client:
            found = await client.detect(data.astronaut())
    assert {"face", "eye"} == set(kinds_of(found))
    assert found.tags == ["model-1.0"]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        pytest.param("mock_detector", ["spot"], id="mock_detector"),
        pytest.param("photo_detector", ["eye", "eye", "face"], id="photo_detector"),
    ],
)
async def test_the_recipe_works_as_printed(name: str, kinds: list[str], tmp_path: Path):
    if name == "photo_detector":
        pytest.importorskip("cv2", reason="needs OpenCV (extra [demo])")
    data = pytest.importorskip("skimage", reason="needs scikit-image (extra [demo])").data
    (tmp_path / "image.jpg").write_bytes(encode_jpeg(data.astronaut()))
    loop_port, node_port = map(str, free_ports(2))
    instead = {
        LOOP_PORT: loop_port,
        NODE_PORT: node_port,
        "/tmp/": f"{tmp_path}/",
        "image.jpg": f"{tmp_path}/image.jpg",
    }
    async with AsyncExitStack() as running:
        reader = Reader(tmp_path, instead, running, start=MOCK_NODES.parent)
        outputs = [await reader.work_through(*block) for block in recipe(MOCK_NODES / name / "main.py")]
        found = from_dict(ImageMetadata, json.loads(outputs[-1]))
        assert sorted(kinds_of(found)) == kinds
        assert await reader.end() == {"node": 0, "loop": 0}


def recipe(program: Path) -> list[tuple[str, str, str]]:
    """The indented lines of a docstring as blocks; the servers go to the background."""
    printed = ast.get_docstring(ast.parse(program.read_text())) or ""
    lines = "\n".join(re.findall(r"^    (.*)$", printed, re.MULTILINE)).replace("\\\n", "")
    blocks = []
    for line in lines.splitlines():
        match line.split()[:2]:
            case ["learning-loop", "serve"]:
                blocks.append(("background", "loop", line))
            case ["python", "main.py"]:
                blocks.append(("background", "node", line))
            case _:
                blocks.append(("shell", "", f"{line}\n"))
    return blocks


@asynccontextmanager
async def node(loop: RunningLoop, name: str, folder: Path) -> AsyncIterator[DetectorClient]:
    """The example as a process with a model; it must end with status 0 when it is told to."""
    [port] = free_ports(1)
    command = Command(
        name,
        [sys.executable, "main.py", "--host", "127.0.0.1", "--port", str(port)],
        log_file=folder / f"{name}.log",
        folder=MOCK_NODES / name,
        environment=environment_for_child(
            LOOP_HOST=loop.host, LOOP_ORGANIZATION="zauberzeug", LOOP_PROJECT="demo", DATA_FOLDER=str(folder / name)
        ),
    )
    async with command, DetectorClient(f"http://127.0.0.1:{port}") as client:
        await until_ready(client, command)
        yield client
    assert command.exit_status == 0, command.log_tail()


async def until_ready(client: DetectorClient, command: Command) -> None:
    while True:
        try:
            await client.readiness()
            return
        except UnavailableError:
            assert command.is_running, command.log_tail()
            await asyncio.sleep(0.05)


async def until_stored(loop: RunningLoop) -> list[dict[str, str]]:
    while not (images := await loop.list_images()):
        await asyncio.sleep(0.02)
    return images


def kinds_of(found: ImageMetadata) -> list[str]:
    detections: list[Any] = [
        *found.box_detections,
        *found.point_detections,
        *found.segmentation_detections,
        *found.classification_detections,
    ]
    return [detection.category_name for detection in detections]
