"""`learning-loop detector`: a node for an ONNX model without a program, with a file and with a loop."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("learning_loop_node.onnx_models.session", reason="needs extra [onnx]", exc_type=ImportError)
pytest.importorskip("onnx", reason="needs onnx (extra [quantization])")

from onnx import helper

from learning_loop_node.client.detector import DetectorClient
from learning_loop_node.data_classes import ImageMetadata
from learning_loop_node.settings import environment_for_child
from tests.child import Child, python_child
from tests.loop import ORGANIZATION, PROJECT, P, running_loop
from tests.onnx_graphs import colour_finder, picture
from tests.polling import until

COMMAND = ("-m", "learning_loop_node", "detector")
RED, GREEN = (8, 4, 16, 12), (40, 20, 12, 8)


def png(image: np.ndarray) -> bytes:
    content = BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


def entries_of(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


IMAGE = png(picture(64, 48, red=RED, green=GREEN))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model as somebody else's program exports it: with names in its metadata."""
    content = colour_finder("yolov8")
    helper.set_model_props(content, {"names": "{0: 'red', 1: 'green', 2: 'blue'}", "task": "detect"})
    file = tmp_path / "download" / "colours.onnx"
    file.parent.mkdir()
    file.write_bytes(content.SerializeToString())
    return file


@asynccontextmanager
async def command(*arguments: str | Path, **variables: str) -> AsyncIterator[Child]:
    running_on = r"running on (http://\S+)"
    async with python_child(
        *COMMAND,
        *map(str, arguments),
        "--port=0",
        environment=environment_for_child(**variables),
        address=running_on,
        ready=running_on,
    ) as child:
        yield child


def boxes(found: ImageMetadata) -> dict[str, tuple[int, int, int, int]]:
    return {box.category_name: (box.x, box.y, box.width, box.height) for box in found.box_detections}


async def test_one_command_serves_a_file_without_any_loop(model: Path, tmp_path: Path):
    async with command("--model", model, TMPDIR=str(tmp_path)) as child:
        assert "layout yolov8, 128×96 pixels, on CPUExecutionProvider" in child.output
        assert "it finds red, green, blue; without --data it keeps no images" in child.output
        async with DetectorClient(child.url) as client:
            found = await client.detect(IMAGE, autoupload="filtered")
            assert boxes(found) == {"red": RED, "green": GREEN}
            assert {box.model_name for box in found.box_detections} == {"0.0"}
            status = await client.status()
        assert (status["outbox"]["mode"], status["errors"], status["outbox"]["saved"]) == ("stopped", {}, 0)
        child.send(signal.SIGTERM)
        assert await child.status(within_s=10) == 0, child.output
    assert "Traceback" not in child.output
    assert "WARNING" not in child.output
    assert entries_of(tmp_path) == ["download"]


async def test_categories_and_keys_by_option_and_a_folder_that_stays(model: Path, tmp_path: Path):
    data = tmp_path / "data"
    options = ("--model", model, "--data", data, "--categories", "r:point,g,b", "--onnx", "letterbox=stretch")
    for _ in range(2):
        async with command(*options, ONNX_CONF_THRESHOLD="0.85") as child:
            async with DetectorClient(child.url) as client:
                found = await client.detect(IMAGE, autoupload="all")
            [point] = found.point_detections
            assert (point.category_name, point.x, point.y) == ("r", 16, 10)
            assert found.box_detections == []
            child.send(signal.SIGTERM)
            assert await child.status(within_s=10) == 0, child.output
    told = json.loads((data / "models" / "0.0" / "model.json").read_text())
    assert [(entry["name"], entry["type"]) for entry in told["categories"]] == [
        ("r", "point"),
        ("g", "box"),
        ("b", "box"),
    ]
    assert told["onnx"]["letterbox"] == "stretch"
    assert len(list((data / "outbox" / "normal").glob("*/*.json"))) >= 2


async def test_weights_beside_a_file_come_along(tmp_path: Path):
    import onnx

    folder = tmp_path / "model"
    folder.mkdir()
    onnx.save(
        colour_finder("yolov5"), folder / "model.onnx", save_as_external_data=True, location="weights.bin",
        size_threshold=200,
    )  # fmt: skip
    (folder / "model.json").write_text(json.dumps({"categories": [{"id": name, "name": name} for name in "rgb"]}))
    async with command("--model", folder, "--data", tmp_path / "data") as child, DetectorClient(child.url) as client:
        assert boxes(await client.detect(IMAGE)) == {"r": RED, "g": GREEN}
    assert entries_of(tmp_path / "data" / "models" / "0.0") == ["model.json", "model.onnx", "weights.bin"]


async def test_without_a_file_it_serves_what_the_loop_deploys(tmp_path: Path):
    def files(*names: str, **told: Any) -> dict[str, bytes]:
        entries = [{"name": name, "type": "box"} for name in names]
        content = {"categories": entries, "onnx": {"layout": "yolov8"}, **told}
        return {"model.onnx": colour_finder("yolov8").SerializeToString(), "model.json": json.dumps(content).encode()}

    async with running_loop(tmp_path / "loop") as loop:
        await loop.create_project(["a", "b", "c"])
        await loop.push_model(files("a", "b", "c"), model_format="onnx", deploy=True)
        variables = {"LOOP_HOST": loop.host, "LOOP_ORGANIZATION": ORGANIZATION, "LOOP_PROJECT": PROJECT}
        async with (
            command("--data", tmp_path / "data", **variables) as child,
            DetectorClient(child.url) as client,
        ):

            async def serves(version: str) -> bool:
                return bool((await client.status())["model_version"] == version)

            await until(lambda: serves("1.0"), within_s=30)
            found = await client.detect(IMAGE, autoupload="all")
            assert boxes(found) == {"a": RED, "b": GREEN}
            await loop.push_model(files("a", "b", "c", conf_threshold=0.85), model_format="onnx", deploy=True)
            await until(lambda: serves("1.1"), within_s=30)
            assert boxes(await client.detect(IMAGE)) == {"a": RED}

            async def has_come() -> bool:
                return len(await loop.image_ids()) == 1

            await until(has_come, within_s=30)
        [record] = await loop.list_images()
        assert record["state"] == "inbox"


async def test_a_file_of_ones_own_beside_a_loop(model: Path, tmp_path: Path):
    """It goes on serving the file, and its images go to the project."""
    async with running_loop(tmp_path / "loop") as loop:
        await loop.create_project(["red", "green", "blue"])
        await loop.push_model(deploy=True)
        variables = {"LOOP_HOST": loop.host, "LOOP_ORGANIZATION": ORGANIZATION, "LOOP_PROJECT": PROJECT}
        async with (
            command("--model", model, "--data", tmp_path / "data", **variables) as child,
            DetectorClient(child.url) as client,
        ):
            await client.detect(IMAGE, autoupload="all")

            async def has_come() -> bool:
                return len(await loop.image_ids()) == 1

            await until(has_come, within_s=30)
            assert (await client.status())["model_version"] == "0.0"
        [image_id] = await loop.image_ids()
        detections = (await loop.json("GET", f"{P}/images/{image_id}"))["box_detections"]
        assert {entry["category_name"] for entry in detections} == {"red", "green"}
