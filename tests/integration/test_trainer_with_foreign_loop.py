"""A trainer at a loop of 0.27: a training from its beginning to the model, with all that may go wrong on the way."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.data_classes import TrainingStateData
from learning_loop_node.runtime.clock import SystemClock
from learning_loop_node.settings import TrainerSettings
from learning_loop_node.trainer.executor import Executor
from mock_nodes.mock_trainer.logic import MockTrainer
from tests.polling import until
from tests.serving import served
from tests.trainers import make_trainer, running_trainer
from tests.training_loop import lost, refused, training_loop

ORDER = [
    "data_downloading", "data_downloaded", "train_model_downloading", "train_model_downloaded", "running",
    "training_finished", "confusion_matrix_syncing", "confusion_matrix_synced", "train_model_uploading",
    "train_model_uploaded", "detecting", "detected", "detection_uploading", "ready_for_cleanup", "idle",
]  # fmt: skip
AFTER_TRAINING = ORDER[ORDER.index("training_finished") : ORDER.index("idle")]


async def test_a_training_from_its_beginning_to_the_model(tmp_path: Path):
    async with training_loop() as loop, running_trainer(tmp_path, loop.host):
        loop.add_images(3, test_count=0, prefix="new", state="inbox")
        base_model = loop.add_base_model()
        answer = await loop.begin(7, base_model_uuid=base_model)
        assert answer == {"success": True, "error_msg": None, "payload": None}
        await until(lambda: "detecting" in loop.states)
        await loop.until_idle()

        assert [state for state in ORDER if state in loop.states] == [
            state for state in loop.states[1:] if state in ORDER
        ]
        assert {"running", "train_model_uploading", "detecting"} <= set(loop.states)
        assert loop.uploads == ["7/mocked", "7/mocked_2"]
        model = loop.models[loop.model_of_training["7"]]
        assert sorted(model.formats["mocked"]) == ["model.json", "model_2.txt", "model_2.weights"]
        assert json.loads(model.formats["mocked"]["model.json"])["categories"][0]["name"] == "face"
        assert loop.metrics[-1]["best_epoch"] == 2
        assert (loop.metrics[-1]["train_image_count"], loop.metrics[-1]["test_image_count"]) == (3, 1)
        assert sorted(entry["image_id"] for entry in loop.detections) == sorted(loop.images)
        assert loop.errors == {}
        assert loop.complaints == []
        assert unfinished(tmp_path) == []


# name: (hyperparameters, key of the error, what it says, whether there is a model)
FAILURES: dict[str, tuple[dict[str, Any], str, str, bool]] = {
    "the program crashes": ({"fail": "crash"}, "run_training", "RuntimeError: the training crashes", False),
    "the program is killed": ({"fail": "killed"}, "run_training", "killed (signal 9)", False),
    "no GPU": ({"fail": "no_gpu"}, "run_training", "graphics card not found", False),
    "no model": ({"fail": "no_model"}, "upload_model", "the training made no model", False),
    "a model file is missing": ({"fail": "missing_file"}, "upload_model", "is missing after the training", False),
    "the detection fails": ({"fail": "detect"}, "detecting", "does not detect, as it was told", True),
    "the program cannot be started": (
        {"fail": "start"},
        "run_training",
        "given up after 3 tries: `_start_training_from_scratch` raised RuntimeError: the training does not start",
        False,
    ),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_what_cannot_go_on_ends_with_its_error_at_the_loop(name: str, tmp_path: Path):
    hyperparameters, key, text, has_model = FAILURES[name]
    async with training_loop() as loop, running_trainer(tmp_path, loop.host) as trainer:
        trainer.logic.clock._times_faster = 1000
        await loop.begin(hyperparameters={"epochs": 1, "seconds": 0, "fail_at": 1} | hyperparameters)
        await until(lambda: "ready_for_cleanup" in loop.states)
        await loop.until_idle()
        last = next(status for status in loop.statuses if status["state"] == "ready_for_cleanup")
        assert text in last["errors"][key]
        assert bool(loop.uploads) == has_model
        assert loop.detections == []

        await loop.begin(2)
        await until(lambda: "2/mocked_2" in loop.uploads)
        await loop.until_idle()
        assert loop.statuses[-1]["errors"] == {}


async def test_a_training_that_fails_after_good_epochs_ends_with_its_best_model(tmp_path: Path):
    async with training_loop() as loop, running_trainer(tmp_path, loop.host):
        await loop.begin(hyperparameters={"epochs": 5, "seconds": 0, "fail": "crash", "fail_at": 3})
        await until(lambda: "detecting" in loop.states)
        await loop.until_idle()
        assert loop.uploads == ["1/mocked", "1/mocked_2"]
        assert "model_2.weights" in loop.models[loop.model_of_training["1"]].formats["mocked"]
        assert len(loop.detections) == len(loop.images)
        later = [status["errors"] for status in loop.statuses if status["state"] in AFTER_TRAINING]
        assert later
        for errors in later:
            assert errors["run_training"].startswith("the best model so far is used; given up after 3 tries: ")
            assert "RuntimeError: the training crashes" in errors["run_training"]
        assert loop.statuses[-1]["errors"] == {}


async def test_a_program_that_cannot_resume_is_not_started_again_when_it_has_a_model(tmp_path: Path):
    class Forgetful(MockTrainer):
        def _can_resume(self) -> bool:
            return False

    async with training_loop() as loop, running_trainer(tmp_path, loop.host, Forgetful()):
        loop.takes_logs = True
        await loop.begin(hyperparameters={"epochs": 5, "seconds": 0.1, "fail": "crash", "fail_at": 3})
        await until(lambda: "detecting" in loop.states)
        await loop.until_idle()
        assert loop.uploads == ["1/mocked", "1/mocked_2"]
        assert loop.errors["run_training"].startswith("the best model so far is used; the training program ended with")
        assert loop.logs[-1].count("training from epoch") == 1


# name: (hyperparameters, key of the error, what it says)
PASSING: dict[str, tuple[dict[str, Any], str, str]] = {
    "the program crashes once": ({"fail": "crash"}, "run_training", "ended with status 1"),
    "the GPU has no memory": ({"fail": "out_of_memory"}, "run_training", "graphics card is out of memory"),
    "the disk is full": ({"fail": "disk_full"}, "run_training", "no space on the disk"),
    "the program is killed": ({"fail": "killed"}, "run_training", "which the system does when memory runs out"),
}


@pytest.mark.parametrize("name", PASSING)
async def test_a_training_goes_on_when_the_cause_is_gone(name: str, tmp_path: Path):
    hyperparameters, key, text = PASSING[name]
    async with training_loop() as loop, running_trainer(tmp_path, loop.host):
        await loop.begin(hyperparameters={"epochs": 3, "seconds": 0, "fail_at": 2, "fail_times": 1} | hyperparameters)
        await until(lambda: key in loop.errors)
        await loop.until_state("detecting")
        await loop.until_idle()
        assert text in loop.errors[key]
        assert loop.uploads == ["1/mocked", "1/mocked_2"]
        assert "model_3.weights" in loop.models[loop.model_of_training["1"]].formats["mocked"]


async def test_nothing_to_learn_from(tmp_path: Path):
    async with training_loop(image_count=0) as loop, running_trainer(tmp_path, loop.host):
        await loop.begin()
        await until(lambda: "prepare" in loop.errors)
        await loop.until_idle()
        assert "a training needs images in the state complete" in loop.errors["prepare"]


async def test_corrupt_images_are_left_out_and_counted(tmp_path: Path):
    async with training_loop() as loop, running_trainer(tmp_path, loop.host) as trainer:
        loop.images["i-1"] = (b"\xff\xd8 this is no image", loop.images["i-1"][1])
        loop.images["i-2"] = (loop.images["i-2"][0][:300], loop.images["i-2"][1])
        await loop.begin(hyperparameters={"epochs": 1, "seconds": 0.5})
        await loop.until_state("running")
        training = trainer.logic.training
        assert (training.skipped_image_count, sorted(training.image_ids())) == (2, ["i-0", "i-3"])


async def test_a_category_without_annotation_is_named(tmp_path: Path):
    async with training_loop() as loop, running_trainer(tmp_path, loop.host):
        other = {"id": "c-2", "name": "eye", "type": "box"}
        await loop.begin(categories=[{"id": "c-1", "name": "face", "type": "box"}, other])
        await loop.until_state("detecting")
        assert loop.errors["categories"] == "the training images have no annotation of eye"


async def test_categories_that_were_not_chosen_neither_come_nor_are_counted(tmp_path: Path, caplog: Any):
    class Generous(MockTrainer):
        def _get_new_best_training_state(self) -> TrainingStateData | None:
            state = super()._get_new_best_training_state()
            if state is not None:
                state.confusion_matrix["c-9"] = {"tp": 1, "fp": 0, "fn": 0}
            return state

    async with training_loop() as loop, running_trainer(tmp_path, loop.host, Generous()) as trainer:
        for _, record in loop.images.values():
            record["box_annotations"].append({"x": 1, "y": 2, "width": 30, "height": 20, "category_id": "c-9"})
        await loop.begin(hyperparameters={"epochs": 3, "seconds": 0.3})
        await loop.until_state("running")
        boxes = [image["box_annotations"] for image in trainer.logic.training.image_data]
        assert [[box["category_id"] for box in entries] for entries in boxes] == [["c-1"]] * 4
        await loop.until_state("detecting")
        assert loop.errors["counts"] == (
            "counts of categories that the training does not have are left out: c-9; count by the ids of "
            "`training.categories`"
        )
        await loop.until_idle()
    assert len(loop.metrics) > 1
    assert all(told["confusion_matrix"].keys() == {"c-1"} for told in loop.metrics)
    assert caplog.text.count("counts of categories that the training does not have are left out: c-9") == 1


@pytest.mark.parametrize(
    ("details", "text"),
    [
        pytest.param({"hyperparameters": None}, "hyperparameters missing or not a dict", id="no hyperparameters"),
        pytest.param({"training_number": "1"}, "training_number missing or not a", id="a number as text"),
        pytest.param({"hyperparameters": {"resolution": 0}}, "resolution must be a number above 0", id="no pixels"),
        pytest.param({"hyperparameters": {"epochs": -1}}, "epochs must be a number above 0, not -1", id="no epochs"),
        pytest.param(
            {"hyperparameters": {"min_size": 3, "max_size": 2}}, "min_size 3 is above max_size 2", id="contradiction"
        ),
        pytest.param(
            {"hyperparameters": {"compute_validation_set": "yes"}}, "must be true or false", id="neither true nor false"
        ),
        pytest.param({"hyperparameters": {"fail": "begin"}}, "refused, as it was told to be", id="by the logic"),
    ],
)
async def test_a_training_that_cannot_be_done_is_refused(details: dict[str, Any], text: str, tmp_path: Path):
    async with training_loop() as loop, running_trainer(tmp_path, loop.host) as trainer:
        answer = await loop.begin(**details)
        assert not answer["success"]
        assert text in answer["error_msg"]
        assert not trainer.logic.training_active
        assert not trainer.logic.training_slot.held
        assert (await loop.begin())["success"]


async def test_one_training_at_a_time(tmp_path: Path):
    async with training_loop() as loop, running_trainer(tmp_path, loop.host) as trainer:
        await loop.begin(hyperparameters={"epochs": 1, "seconds": 5})
        answer = await loop.begin(2)
        assert answer["payload"] == "refused"
        assert "busy with training 1 of zauberzeug/demo" in answer["error_msg"]
        assert trainer.logic.training.training_number == 1


async def test_a_base_model_that_is_not_there_in_this_format(tmp_path: Path):
    async with training_loop() as loop, running_trainer(tmp_path, loop.host):
        await loop.begin(base_model_uuid=loop.add_base_model(model_format="other"))
        await until(lambda: "ready_for_cleanup" in loop.states)
        await loop.until_idle()
        assert "in format mocked" in loop.errors["download_model"]
        assert "given up after 3 tries" in loop.errors["download_model"]
        assert "running" not in loop.states


async def test_stop_keeps_what_there_is(tmp_path: Path):
    async with training_loop() as loop, running_trainer(tmp_path, loop.host):
        await loop.begin(hyperparameters={"epochs": 100, "seconds": 0.1})
        await until(lambda: bool(loop.metrics))
        assert await loop.call("stop_training") == {"success": True, "error_msg": None, "payload": None}
        await loop.until_state("detecting")
        await loop.until_idle()
        assert loop.uploads == ["1/mocked", "1/mocked_2"]
        assert len(loop.detections) == len(loop.images)
        assert loop.errors == {}


async def test_stop_without_a_model_says_so(tmp_path: Path):
    async with training_loop() as loop, running_trainer(tmp_path, loop.host):
        await loop.begin(hyperparameters={"epochs": 100, "seconds": 60})
        await loop.until_state("running")
        await loop.call("stop_training")
        await loop.until_idle()
        assert "made no model" in loop.errors["upload_model"]


@pytest.mark.parametrize("fail", ["", "hang"])
async def test_abort_discards(fail: str, tmp_path: Path):
    async with training_loop() as loop, running_trainer(tmp_path, loop.host) as trainer:
        await loop.begin(hyperparameters={"epochs": 100, "seconds": 0.1, "fail": fail, "fail_at": 1})
        await loop.until_state("running")
        await until(lambda: bool(trainer.logic._executor and trainer.logic._executor.get_log()))
        process_id = trainer.logic._executor._command.process_id
        assert (await loop.call("abort_training"))["success"]
        await loop.until_idle()
        assert loop.uploads == []
        assert "train_model_uploading" not in loop.states
        assert not runs(process_id)
        assert unfinished(tmp_path) == []


async def test_stop_where_nothing_runs_changes_nothing(tmp_path: Path):
    async with training_loop() as loop, running_trainer(tmp_path, loop.host):
        release = asyncio.Event()

        async def hold(_: object) -> None:
            await release.wait()

        loop.trouble("/data", hold)
        await loop.begin()
        await loop.until_state("data_downloading")
        await loop.call("stop_training")
        await loop.call("stop_training")
        release.set()
        await loop.until_state("detecting")
        assert loop.uploads == ["1/mocked", "1/mocked_2"]


@pytest.mark.parametrize("trouble", ["answer lost", "503", "refused"])
async def test_the_model_is_uploaded_once(trouble: str, tmp_path: Path):
    async with training_loop() as loop, running_trainer(tmp_path, loop.host):
        meets = {"answer lost": [lost(loop)], "503": [refused(503)] * 4, "refused": [refused(413, "too much")]}
        loop.trouble("/mocked/file", *meets[trouble])
        await loop.begin()
        await until(lambda: "train_model_uploading" in loop.states)
        await loop.until_idle()
        if trouble == "refused":
            assert loop.uploads == []
            assert "too much" in loop.errors["upload_model"]
        else:
            assert loop.count("trainings/1/models/latest/mocked/file") > 1
            assert loop.uploads == ["1/mocked", "1/mocked_2"]
            assert len(loop.detections) == len(loop.images)


async def test_detections_come_all_the_same_when_an_answer_is_lost(tmp_path: Path):
    async with training_loop() as loop, running_trainer(tmp_path, loop.host):
        loop.trouble("/detections", lost(loop), refused(500))
        await loop.begin()
        await until(lambda: "upload_detections" in loop.errors)
        await loop.until_idle()
        assert {entry["image_id"] for entry in loop.detections} == set(loop.images)


async def test_a_loop_that_is_away_does_not_keep_a_training_from_running(tmp_path: Path):
    async with training_loop() as loop, running_trainer(tmp_path, loop.host) as trainer:
        await loop.begin(hyperparameters={"epochs": 3, "seconds": 0.1})
        await loop.until_state("running")
        await loop.leave()
        await until(lambda: trainer.logic.errors.has_error_for("sync_confusion_matrix"))
        loop.come_back()
        await loop.until_state("detecting")
        await loop.until_idle()
        assert loop.metrics[-1]["best_epoch"] == 3
        assert loop.uploads == ["1/mocked", "1/mocked_2"]


async def test_the_loop_is_told_at_once_when_it_is_back(tmp_path: Path):
    """So that it can pass on what somebody wanted meanwhile, such as a stop."""

    class NeverClock(SystemClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.Event().wait()

    async with training_loop() as loop:
        node = make_trainer(tmp_path, loop.host)
        node._status_report._clock = NeverClock()  # nothing is told because it is time again
        async with served(node):
            await until(lambda: bool(loop.statuses))
            await loop.leave()
            loop.statuses.clear()
            loop.come_back()
            await until(lambda: bool(loop.statuses))


async def test_a_failure_is_told_when_the_loop_is_back(tmp_path: Path):
    async with training_loop() as loop:
        async with running_trainer(tmp_path, loop.host) as trainer:
            await loop.begin(hyperparameters={"epochs": 2, "seconds": 0.3, "fail": "crash", "fail_at": 1})
            await loop.until_state("running")
            await loop.leave()
            await until(lambda: trainer.logic.state == "ready_for_cleanup")
            await until(lambda: not trainer.logic.training_slot.held)
        loop.statuses.clear()
        loop.come_back()
        async with running_trainer(tmp_path, loop.host):
            await until(lambda: "run_training" in loop.errors)
            assert "the training crashes" in loop.errors["run_training"]
            await loop.until_idle()


async def test_the_log_says_where_another_try_begins_and_its_words_are_of_that_try(tmp_path: Path):
    async with training_loop() as loop, running_trainer(tmp_path, loop.host):
        loop.takes_logs = True
        await loop.begin(hyperparameters={"epochs": 3, "seconds": 0, "fail": "no_gpu", "fail_at": 2})
        await until(lambda: "detecting" in loop.states)
        await loop.until_idle()
        lines = loop.logs[-1].splitlines()
        begun = [line for line in lines if line.startswith(("---", "training from epoch"))]
        assert begun == [
            "training from epoch 1 to 3", "--- try 2 of 3 ---", "training from epoch 2 to 3", "--- try 3 of 3 ---",
            "training from epoch 2 to 3",
        ]  # fmt: skip
        assert len(loop.logs) == len(set(loop.logs))


async def test_what_an_earlier_try_has_said_is_not_held_against_the_next_one(tmp_path: Path):
    """It runs long enough to be looked at."""
    async with training_loop() as loop, running_trainer(tmp_path, loop.host):
        await loop.begin(hyperparameters={"epochs": 3, "seconds": 0.3, "fail": "out_of_memory", "fail_times": 1})
        await until(lambda: "detecting" in loop.states)
        await loop.until_idle()
        assert loop.errors.keys() == {"run_training"}
        assert "model_3.weights" in loop.models[loop.model_of_training["1"]].formats["mocked"]


async def test_a_program_that_is_silent_for_too_long_is_ended(tmp_path: Path):
    settings = TrainerSettings(silence_limit_s=20)
    async with training_loop() as loop, running_trainer(tmp_path, loop.host, trainer=settings):
        await loop.begin(hyperparameters={"epochs": 3, "seconds": 0, "fail": "hang", "fail_times": 1})
        await until(lambda: "detecting" in loop.states)
        await loop.until_idle()
        assert loop.errors["run_training"] == (
            "the training program has printed nothing for 20 s (TRAINING_SILENCE_LIMIT_S) and was ended"
        )
        assert "model_3.weights" in loop.models[loop.model_of_training["1"]].formats["mocked"]


async def test_a_program_that_is_not_there_is_named_at_once(tmp_path: Path):
    class Mistaken(MockTrainer):
        async def _start(self) -> None:
            self._executor = Executor(self.training.training_folder)
            await self._executor.start(["not_there_at_all", "--epochs", "3"])

    async with training_loop() as loop, running_trainer(tmp_path, loop.host, Mistaken()):
        await loop.begin()
        await until(lambda: "ready_for_cleanup" in loop.states)
        await loop.until_idle()
        assert loop.errors["run_training"].startswith("the program 'not_there_at_all' is not there: ")


@pytest.mark.parametrize("takes_logs", [True, False])
async def test_the_log_is_shown_where_the_loop_takes_it(takes_logs: bool, tmp_path: Path):
    async with training_loop() as loop, running_trainer(tmp_path, loop.host):
        loop.takes_logs = takes_logs
        await loop.begin(hyperparameters={"epochs": 2, "seconds": 0.3})
        await loop.until_state("detecting")
        await loop.until_idle()
        if takes_logs:
            assert loop.logs[-1].splitlines()[-1] == "epoch 2 of 2: done"
        else:
            assert loop.count("/trainings/1/log") == 1


def unfinished(folder: Path) -> list[Path]:
    return list(folder.glob("last_training__*.json"))


def runs(process_id: int) -> bool:
    return Path(f"/proc/{process_id}").exists()
