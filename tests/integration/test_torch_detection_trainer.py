"""The trainer that comes along, and the loop, both real: from labelled images to a model that detects."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import onnx
import pytest

from learning_loop_node.onnx_models.model import OnnxModel
from learning_loop_node.trainer.backends.torch_detection.logic import TorchDetectionLogic
from tests.loop import P, RunningLoop, running_loop
from tests.polling import until
from tests.trainers import running_trainer
from tests.unit.trainer.backends.torch_detection.pictures import BLUE, DOT, RED, draw

pytestmark = pytest.mark.timeout(400)
WITHIN_S = 180.0
QUICK = {"epochs": 25, "batch_size": 4, "resolution": 64, "mosaic": 0, "cutout": 0, "zoom": 0, "threads": 1}


@pytest.fixture
async def loop(tmp_path: Path) -> AsyncIterator[RunningLoop]:
    async with running_loop(tmp_path) as running:
        categories = [{"name": "red", "type": "box"}, {"name": "dot", "type": "point", "point_size": 6}]
        await running.create_project(categories)
        for number in range(12):
            record = draw(tmp_path, number, "train" if number < 8 else "test", [RED, BLUE, DOT])
            [box, _], [point] = record["box_annotations"], record["point_annotations"]
            metadata = {
                "state": "complete", "set": record["set"],
                "box_annotations": [with_name(box, "red")], "point_annotations": [with_name(point, "dot")],
            }  # fmt: skip
            await running.post_images([(tmp_path / f"i-{number}.jpg").read_bytes()], metadata=metadata)
        yield running


async def test_two_trainings_of_which_the_second_goes_on_from_the_first(loop: RunningLoop, tmp_path: Path):
    async with trainer_of(loop, tmp_path):
        first = await becomes(loop, await train(loop), "finished")
        assert first["model"]["formats"] == ["onnx", "torch_detection"]
        assert first["errors"] == {}
        second = await becomes(loop, await train(loop, base_model="1.0"), "finished")
        assert second["model"]["version"] == "1.1"

    log = (await loop.json("GET", f"{P}/trainings/1/log"))["text"]
    assert "epoch 25 of 25: loss" in log
    assert "says what the model says in PyTorch" in log
    assert "the base model gives" in (await loop.json("GET", f"{P}/trainings/2/log"))["text"]

    folder = await downloaded(loop, first["model"]["id"], tmp_path / "model")
    said = json.loads((folder / "model.json").read_bytes())
    assert [category["name"] for category in said["categories"]] == ["red", "dot"]
    assert 0 < said["conf_threshold"] < 1
    assert said["onnx"]["layout"] == "yolov8"
    assert OnnxModel.open(folder).input_size == (64, 64)
    assert not onnx.load(folder / "model.onnx", load_external_data=False).graph.initializer[0].external_data

    images = await loop.list_images()
    found = [box for image in images for box in image["box_detections"] + image["point_detections"]]
    assert {box["category_name"] for box in found} == {"red", "dot"}
    assert {box["model_name"] for box in found} == {"1.0", "1.1"}


async def test_stopped_before_its_end(loop: RunningLoop, tmp_path: Path):
    async with trainer_of(loop, tmp_path):
        number = await train(loop, hyperparameters=QUICK | {"epochs": 10_000, "patience": 0})

        async def has_metrics() -> bool:
            return bool((await loop.json("GET", f"{P}/trainings/{number}/metrics"))["epochs"])

        await until(has_metrics, within_s=WITHIN_S)
        await loop.json("POST", f"{P}/trainings/{number}/stop")
        stopped = await becomes(loop, number, "finished")
    assert stopped["model"]["version"] == "1.0"
    folder = await downloaded(loop, stopped["model"]["id"], tmp_path / "model")
    assert OnnxModel.open(folder).categories


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        pytest.param({"hyperparameters": {"seed": "many"}}, "seed must be a whole number", id="a word"),
        pytest.param({"hyperparameters": {"learning_rate": 7}}, "learning_rate must be a number from", id="too much"),
        pytest.param({"hyperparameters": {"resolution": 100}}, "resolution must be a multiple of 32", id="odd size"),
    ],
)
async def test_refused(loop: RunningLoop, tmp_path: Path, wanted: dict[str, Any], text: str):
    async with trainer_of(loop, tmp_path):
        failed = await becomes(loop, await train(loop, **wanted), "failed")
    assert text in failed["error"]


def trainer_of(loop: RunningLoop, folder: Path) -> Any:
    return running_trainer(
        folder / "trainer", loop.host, TorchDetectionLogic(), username=loop.username, password=loop.password
    )


async def train(loop: RunningLoop, **changes: Any) -> int:
    body = {"model_variant": "nano", "hyperparameters": QUICK} | changes
    return (await loop.json("POST", f"{P}/trainings", json=body))["number"]  # type: ignore[no-any-return]


async def becomes(loop: RunningLoop, number: int, state: str) -> dict[str, Any]:
    """The training, as soon as it is in this state."""

    async def one() -> dict[str, Any]:
        return await loop.json("GET", f"{P}/trainings/{number}")  # type: ignore[no-any-return]

    async def has_ended() -> bool:
        return (await one())["state"] in ("finished", "failed", "aborted")

    await until(has_ended, within_s=WITHIN_S)
    training = await one()
    assert training["state"] == state, training["error"]
    return training


async def downloaded(loop: RunningLoop, model_id: str, folder: Path) -> Path:
    async with loop.admin.get(f"/api{P}/models/{model_id}/onnx/file") as answer:
        assert answer.status == 200
        zipfile.ZipFile(io.BytesIO(await answer.read())).extractall(folder)
    return folder


def with_name(annotation: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in annotation.items() if key != "category_id"} | {"category_name": name}
