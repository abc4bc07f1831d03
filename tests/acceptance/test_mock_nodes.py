"""The examples in `mock_nodes`, started as their users start them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.client.detector import DetectorClient
from learning_loop_node.data_classes import ImageMetadata
from learning_loop_node.demo.stage import free_ports
from learning_loop_node.errors import UnavailableError
from learning_loop_node.runtime.command import Command
from learning_loop_node.settings import environment_for_child
from tests.builders import jpeg
from tests.loop import RunningLoop, running_loop

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
