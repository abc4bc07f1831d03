"""A trainer node and the loop, both real: from what somebody asks for to a numbered model, or to what is wrong."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.data_classes import ModelInformation
from learning_loop_node.errors import StorageFullError
from learning_loop_node.trainer.trainer_logic_generic import TrainerLogicGeneric
from learning_loop_node.trainer.training_store import LastTrainingIO
from mock_nodes.mock_trainer.logic import MockTrainer
from tests.builders import jpeg
from tests.loop import P, RunningLoop, files_form, running_loop
from tests.polling import until
from tests.trainers import RunningTrainer, running_trainer

FACE = {"category_name": "face", "x": 1, "y": 2, "width": 30, "height": 20}
QUICK = {"epochs": 2, "seconds": 0.05}


@pytest.fixture
async def loop(tmp_path: Path) -> AsyncIterator[RunningLoop]:
    async with running_loop(tmp_path) as running:
        await label_images(running)
        yield running


async def label_images(loop: RunningLoop) -> None:
    """Make a project with what a training needs, and one image more."""
    await loop.create_project(["face"])
    for number, name in enumerate(("train", "train", "train", "test")):
        metadata = {"state": "complete", "set": name, "box_annotations": [FACE]}
        await loop.post_images([jpeg(seed=number)], metadata=metadata)
    await loop.post_images([jpeg(seed=9)])


@asynccontextmanager
async def trainer_of(
    loop: RunningLoop, folder: Path, logic: TrainerLogicGeneric | None = None
) -> AsyncIterator[RunningTrainer]:
    options = {"username": loop.username, "password": loop.password}
    async with running_trainer(folder / "trainer", loop.host, logic, **options) as trainer:
        yield trainer


async def train(loop: RunningLoop, **changes: Any) -> int:
    body = {"model_variant": "small", "hyperparameters": QUICK} | changes
    return (await loop.json("POST", f"{P}/trainings", json=body))["number"]  # type: ignore[no-any-return]


async def one(loop: RunningLoop, number: int) -> dict[str, Any]:
    return await loop.json("GET", f"{P}/trainings/{number}")  # type: ignore[no-any-return]


async def becomes(loop: RunningLoop, number: int, state: str, **fields: Any) -> dict[str, Any]:
    """The training, as soon as it is in this state and has these values."""

    async def is_so() -> bool:
        training = await one(loop, number)
        return training["state"] == state and all(training[key] == value for key, value in fields.items())

    await until(is_so)
    return await one(loop, number)


async def test_three_trainings_make_three_numbered_models(loop: RunningLoop, tmp_path: Path):
    async with trainer_of(loop, tmp_path) as trainer:
        first = await becomes(loop, await train(loop), "finished")
        assert (first["model"]["version"], first["model"]["formats"]) == ("1.0", ["mocked", "mocked_2"])
        assert (first["train_image_count"], first["test_image_count"], first["best_epoch"]) == (3, 1, 2)
        assert first["errors"] == {}

        second = await becomes(loop, await train(loop, base_model="1.0"), "finished")
        assert second["model"]["version"] == "1.1"
        third = await becomes(loop, await train(loop), "finished")
        assert third["model"]["version"] == "2.0"
        await until(lambda: trainer.logic.state == "idle")

    log = await loop.json("GET", f"{P}/trainings/1/log")
    assert log["text"].splitlines()[-1] == "epoch 2 of 2: done"
    assert log["size_bytes"] == len(log["text"])
    epochs = (await loop.json("GET", f"{P}/trainings/1/metrics"))["epochs"]
    assert epochs[-1]["epoch"] == 2
    detected = [image["box_detections"] for image in await loop.list_images()]
    assert [{entry["model_name"] for entry in found} for found in detected] == [{"1.0", "1.1", "2.0"}] * 5
    assert all(len(found) == 3 for found in detected)


# name: (hyperparameters, key of the error, what it says)
FAILURES: dict[str, tuple[dict[str, Any], str, str]] = {
    "refused by the trainer": ({"fail": "no such way"}, "", "the hyperparameter fail must be one of"),
    "the program crashes": ({"fail": "crash"}, "run_training", "RuntimeError: the training crashes"),
    "the program is killed": ({"fail": "killed"}, "run_training", "killed (signal 9)"),
    "no GPU": ({"fail": "no_gpu"}, "run_training", "graphics card not found"),
    "no model": ({"fail": "no_model"}, "upload_model", "the training made no model"),
    "a model file is missing": ({"fail": "missing_file"}, "upload_model", "is missing after the training"),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_what_is_wrong_stands_at_the_training_and_a_retry_works(name: str, loop: RunningLoop, tmp_path: Path):
    """The cause is gone: the trainer that runs then does not know how to fail."""

    class Repaired(MockTrainer):
        _fail = ""

        def _check_training(self, training: Any) -> None:
            pass

    hyperparameters, key, text = FAILURES[name]
    wanted = {"epochs": 1, "seconds": 0, "fail_at": 1} | hyperparameters
    async with trainer_of(loop, tmp_path) as trainer:
        trainer.logic.clock._times_faster = 1000
        number = await train(loop, hyperparameters=wanted)
        failed = await becomes(loop, number, "failed")
        assert text in failed["error"]
        assert text in failed["errors"].get(key, text)
        assert failed["model"] is None
    models = await loop.json("GET", f"{P}/models")
    assert models["models"] == []

    async with trainer_of(loop, tmp_path, Repaired()):
        again = await loop.json("POST", f"{P}/trainings/{number}/retry")
        assert again["retry_of"] == number
        finished = await becomes(loop, again["number"], "finished")
        assert finished["model"]["version"] == "1.0"


@pytest.mark.parametrize(
    ("formats", "text"),
    [(["tflite"], "the format tflite"), (["tflite", "onnx"], "the formats tflite, onnx")],
)
async def test_a_base_model_in_other_formats_ends_the_training_at_once(
    formats: list[str], text: str, loop: RunningLoop, tmp_path: Path
):
    model = await loop.push_model(model_format=formats[0])
    for another in formats[1:]:
        form = files_form([("file_1.txt", b"the same")])
        await loop.json("PUT", f"{P}/models/{model['id']}/{another}/file", data=form)
    async with trainer_of(loop, tmp_path):
        failed = await becomes(loop, await train(loop, base_model="1.0"), "failed")
    assert failed["errors"]["download_model"] == (
        f"the base model 1.0 has {text}; this trainer needs mocked: train without a base model, or "
        "choose one that has mocked"
    )


async def test_what_went_wrong_on_the_way_stands_beside_the_finished_training(loop: RunningLoop, tmp_path: Path):
    async with trainer_of(loop, tmp_path):
        number = await train(loop, hyperparameters={"epochs": 3, "seconds": 0.05, "fail": "crash", "fail_at": 2})
        finished = await becomes(loop, number, "finished")
    assert (finished["model"]["version"], finished["error"]) == ("1.0", None)
    assert finished["notice"].startswith("run_training: the best model so far is used; given up after 3 tries: ")


class ReturningNothing(MockTrainer):
    async def _detect(self, model_information: ModelInformation, images: list[str], model_folder: str) -> Any:
        return []


class ReturningDicts(MockTrainer):
    async def _detect(self, model_information: ModelInformation, images: list[str], model_folder: str) -> Any:
        return {image: [] for image in images}


class CountingWrongly(MockTrainer):
    def _get_new_best_training_state(self) -> Any:
        return {"confusion_matrix": {}}


class Mistaken(MockTrainer):
    async def _resume(self) -> None:
        raise AttributeError("nope")

    _start_training_from_scratch = _resume


@pytest.mark.parametrize(
    ("logic", "notice"),
    [
        pytest.param(
            ReturningNothing(),
            "detections: `_detect` returned 0 Detections for 5 images, which counts as nothing found in any of them; "
            "if that is so, let it return one for each image, with nothing in it",
            id="nothing detected",
        ),
        pytest.param(
            CountingWrongly(),
            "sync_confusion_matrix: the best model so far is used; `_get_new_best_training_state` returned a dict; it "
            "should be a TrainingStateData, or None",
            id="no counts",
        ),
        pytest.param(
            ReturningDicts(),
            "detecting: `_detect` returned a dict; it should be a list of Detections",
            id="detections of a wrong type",
        ),
    ],
)
async def test_what_hooks_return_is_told_with_the_model(
    logic: MockTrainer, notice: str, loop: RunningLoop, tmp_path: Path
):
    async with trainer_of(loop, tmp_path, logic):
        finished = await becomes(loop, await train(loop), "finished")
    assert (finished["model"]["version"], finished["notice"]) == ("1.0", notice)


async def test_a_mistake_that_comes_again_and_again_ends_a_training_soon(loop: RunningLoop, tmp_path: Path):
    async with trainer_of(loop, tmp_path, Mistaken()):
        failed = await becomes(loop, await train(loop), "failed")
    text = r"run_training: given up after 3 tries: `_resume` raised AttributeError: nope \(.*, line \d+\)"
    assert re.fullmatch(text, failed["error"])


async def test_stopped_and_aborted(loop: RunningLoop, tmp_path: Path):
    long = {"epochs": 100, "seconds": 0.1}
    async with trainer_of(loop, tmp_path):
        number = await train(loop, hyperparameters=long)
        await until(lambda: has_metrics(loop, number))
        await loop.json("POST", f"{P}/trainings/{number}/stop")
        stopped = await becomes(loop, number, "finished")
        assert stopped["model"]["version"] == "1.0"

        number = await train(loop, hyperparameters=long)
        await until(lambda: has_metrics(loop, number))
        await loop.json("POST", f"{P}/trainings/{number}/abort")
        aborted = await becomes(loop, number, "aborted")
        assert aborted["model"] is None
        assert (await becomes(loop, await train(loop), "finished"))["model"]["version"] == "2.0"


async def test_a_loop_that_is_restarted_amid_a_training(tmp_path: Path):
    async with AsyncExitStack() as stack:
        async with running_loop(tmp_path) as loop:
            port = int(loop.host.rpartition(":")[2])
            await label_images(loop)
            trainer = await stack.enter_async_context(trainer_of(loop, tmp_path))
            await train(loop, hyperparameters={"epochs": 4, "seconds": 0.3})
            await becomes(loop, 1, "running", trainer_state="running")
        await until(lambda: not trainer.node.connection.is_connected)
        async with running_loop(tmp_path, port=port) as again:
            finished = await becomes(again, 1, "finished")
            assert (finished["model"]["version"], finished["best_epoch"]) == ("1.0", 4)
            await until(lambda: trainer.logic.state == "idle")
            await stack.aclose()


async def test_a_full_disk_is_named_and_when_there_is_room_it_goes_on(loop: RunningLoop, tmp_path: Path):
    class FullDisk(LastTrainingIO):
        is_full = True

        def save(self, training: Any) -> None:
            if self.is_full and training.training_state != "initialized":
                raise StorageFullError(f"{self.file} cannot be written: No space left on device")
            super().save(training)

    async with trainer_of(loop, tmp_path) as trainer:
        disk = FullDisk(trainer.node.uuid, trainer.node.settings.node.data_folder)
        trainer.logic._last_training_io = disk
        number = await train(loop)
        await until(lambda: trainer.logic.errors.has_error_for("prepare"))

        async def is_shown() -> bool:
            return "No space left" in (await one(loop, number))["errors"].get("prepare", "")

        await until(is_shown)
        disk.is_full = False
        finished = await becomes(loop, number, "finished")
        assert finished["errors"] == {}


async def has_metrics(loop: RunningLoop, number: int) -> bool:
    return bool((await loop.json("GET", f"{P}/trainings/{number}/metrics"))["epochs"])
