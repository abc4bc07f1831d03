"""The steps of a training: what is saved, how long and how often is waited, what ends it."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.data_classes import Context, Training
from learning_loop_node.enums import TrainerState
from learning_loop_node.errors import (
    ChildFailedError,
    CriticalError,
    DownloadError,
    InsufficientMemoryError,
    LoopRefusedError,
    LoopUnreachableError,
    NotFoundError,
    StorageFullError,
    TrainingRefusedError,
    UnfitTrainingError,
)
from learning_loop_node.trainer.steps import STEPS, step_at
from learning_loop_node.trainer.steps.step import Step
from learning_loop_node.trainer.trainer_logic_generic import TrainerLogicGeneric
from learning_loop_node.trainer.training_run import SHOWN_S, most_tries
from learning_loop_node.trainer.training_store import LastTrainingIO
from mock_nodes.mock_trainer.logic import MockTrainer
from tests.clock import ManualClock
from tests.polling import until
from tests.trainers import make_trainer

PREPARE = ("prepare", TrainerState.DataDownloading, TrainerState.DataDownloaded)
TRAIN = ("run_training", TrainerState.TrainingRunning, TrainerState.TrainingFinished)
COUNT = ("sync_confusion_matrix", TrainerState.ConfusionMatrixSyncing, TrainerState.ConfusionMatrixSynced)
PLACE = ("zauberzeug", "demo")
CONFIG: dict[str, Any] = {"categories": [], "hyperparameters": {}, "training_number": 1, "model_variant": "small"}


@pytest.fixture
def logic(tmp_path: Path) -> TrainerLogicGeneric:
    """With a training that has just been accepted, and time that is moved."""
    logic = make_trainer(tmp_path).trainer_logic
    logic._init_new_training(Context(organization="zauberzeug", project="demo"), CONFIG)
    logic.clock = ManualClock()
    return logic


def waits_of(logic: TrainerLogicGeneric) -> list[float]:
    """Without those for whoever watches."""
    assert isinstance(logic.clock, ManualClock)
    return [wait for wait in logic.clock.waits if wait != SHOWN_S]


async def failing() -> None:
    raise LoopUnreachableError("the loop is away")


async def fine() -> None:
    pass


async def test_waits_grow_with_each_failure_in_a_row_and_for_each_key_alone(logic: TrainerLogicGeneric):
    for _ in range(9):
        await logic._perform_state(*PREPARE, failing)
    assert waits_of(logic) == [5, 10, 20, 40, 80, 160, 300, 300]
    await logic._perform_state("another", *PREPARE[1:], fine)
    await logic._perform_state(*PREPARE, fine)
    await logic._perform_state(*PREPARE, failing)
    await logic._perform_state(*PREPARE, fine)
    assert waits_of(logic)[8:] == [300, 5]


async def test_only_where_it_rests_it_is_saved(logic: TrainerLogicGeneric):
    saved: list[str] = []

    class Noting(LastTrainingIO):
        def save(self, training: Training) -> None:
            saved.append(str(training.training_state))
            super().save(training)

    logic._last_training_io = Noting("some-id", logic.node.settings.node.data_folder)
    await logic._perform_state(*PREPARE, failing)
    assert saved == []
    await logic._perform_state(*PREPARE, fine)
    assert saved == ["data_downloaded"]


async def test_a_disk_that_is_full_counts_as_a_failure_of_the_step(logic: TrainerLogicGeneric):
    class Full(LastTrainingIO):
        def save(self, training: Training) -> None:
            raise StorageFullError("no room")

    logic._last_training_io = Full("some-id", logic.node.settings.node.data_folder)
    await logic._perform_state(*PREPARE, fine)
    assert (logic.training.training_state, logic.errors.errors) == ("initialized", {"prepare": "no room"})


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        pytest.param(CriticalError("never"), 1, id="critical"),
        pytest.param(ChildFailedError("status 1"), 3, id="the program failed"),
        pytest.param(NotFoundError("no such project"), 3, id="not there"),
        pytest.param(LoopRefusedError("no", status=422), 3, id="refused"),
        pytest.param(InsufficientMemoryError("no memory"), 10, id="no memory"),
        pytest.param(MemoryError("no memory"), 10, id="no memory of the user"),
        pytest.param(RuntimeError("CUDA out of memory"), 10, id="no memory of a library"),
        pytest.param(ConnectionError("no network"), 10, id="the network of the user"),
        pytest.param(LoopRefusedError("log in", status=401), None, id="no login"),
        pytest.param(LoopRefusedError("no right", status=403), None, id="no right"),
        pytest.param(LoopRefusedError("busy", status=503), None, id="the loop fails"),
        pytest.param(LoopUnreachableError("away"), None, id="the loop is away"),
        pytest.param(DownloadError("broke off"), None, id="a download"),
        pytest.param(StorageFullError("full"), None, id="the disk is full"),
    ],
)
async def test_how_often_a_step_is_tried(error: Exception, tries: int | None, logic: TrainerLogicGeneric):
    async def fail() -> None:
        raise error

    assert most_tries(error) == tries
    for _ in range(tries or 50):
        assert logic.training.training_state == "initialized"
        await logic._perform_state(*PREPARE, fail)
    expected = "initialized" if tries is None else "ready_for_cleanup"
    assert logic.training.training_state == expected
    assert str(error).strip("'") in logic.errors.errors["prepare"]
    failure = logic.active_training_io.load_failure()
    assert failure == (None if tries is None else ("prepare", logic.errors.errors["prepare"]))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (CriticalError("it diverged"), "the best model so far is used; it diverged"),
        (ChildFailedError("status 1"), "the best model so far is used; given up after 3 tries: status 1"),
    ],
)
async def test_a_training_that_fails_for_good_goes_on_with_the_model_it_has_made(
    error: Exception, text: str, logic: TrainerLogicGeneric
):
    async def fail() -> None:
        raise error

    make_model(logic)
    for _ in range(most_tries(error) or 0):
        await logic._perform_state(*TRAIN, fail)
    assert logic.training.training_state == "training_finished"
    assert logic.last_training_io.load().training_state == "training_finished"
    assert logic.active_training_io.load_failure() is None
    assert logic.errors.errors == {"run_training": text}
    await logic._perform_state("sync_confusion_matrix", *PREPARE[1:], fine)
    assert logic.errors.errors == {"run_training": text}


async def test_what_went_wrong_is_known_after_a_restart_and_gone_with_the_training(tmp_path: Path):
    logic = make_trainer(tmp_path).trainer_logic
    logic._init_new_training(Context(organization="zauberzeug", project="demo"), CONFIG)
    logic.training.training_state = "train_model_uploaded"
    logic.active_training_io.save_notice("run_training", "the best model so far is used; status 1")
    shown: list[dict[str, str]] = []

    async def note() -> None:
        shown.append(dict(logic.errors.errors))
        logic._training = None

    logic._training_loop = note  # type: ignore[method-assign]
    await logic._run()
    assert shown == [{"run_training": "the best model so far is used; status 1"}]

    logic._init_new_training(Context(organization="zauberzeug", project="demo"), CONFIG)
    await logic._run()
    assert shown[1] == {}


@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(UnfitTrainingError("no epochs"), "no epochs$", id="refused"),
        pytest.param(
            KeyError("epochs"),
            r"`_check_training` raised KeyError: 'epochs' \(test_training_run.py, line \d+\); "
            "the log of the trainer has more$",
            id="by mistake",
        ),
    ],
)
def test_what_a_check_raises_refuses_the_training(error: Exception, text: str, tmp_path: Path):
    class Checking(MockTrainer):
        def _check_training(self, training: Training) -> None:
            raise error

    logic = make_trainer(tmp_path, logic=Checking()).trainer_logic
    with pytest.raises(UnfitTrainingError, match=text):
        logic._init_new_training(Context(organization="zauberzeug", project="demo"), CONFIG)
    assert not logic.training_active


async def test_a_stop_that_comes_before_the_program_is_started_is_heard(tmp_path: Path):
    """The training is shown as running for a moment before anything is done."""
    logic = MockTrainer()
    make_trainer(tmp_path, logic=logic)
    logic._init_new_training(Context(organization="zauberzeug", project="demo"), CONFIG)
    logic.training.training_state = "running"
    await logic.stop()
    await logic._train()
    assert logic._executor is None
    assert not logic._stop_requested


def make_model(logic: TrainerLogicGeneric) -> None:
    folder = logic.training.training_folder_path
    (folder / "model_1.weights").write_text("weights")
    (folder / "epoch.json").write_text('{"epoch": 1, "model": "model_1.weights"}')


@pytest.mark.parametrize(
    ("texts", "step", "expected"),
    [
        pytest.param("aaa", PREPARE, "given up after 3 tries: ValueError a", id="the same"),
        pytest.param("aabaabaab", PREPARE, "try 9 of 10 failed: ValueError b", id="now this, now that"),
        pytest.param("aabaabaabb", PREPARE, "given up after 10 tries: ValueError b", id="too often all the same"),
        pytest.param("aaa", COUNT, "the best model so far is used; given up after 3 tries: ValueError a", id="metrics"),
        pytest.param("aaaa", ("upload_model", *COUNT[1:]), "ValueError a", id="a model is not given up"),
    ],
)
async def test_a_mistake_of_the_user_does_not_heal(
    texts: str, step: tuple[str, TrainerState, TrainerState], expected: str, logic: TrainerLogicGeneric
):
    make_model(logic)
    for text in texts:

        async def fail(text: str = text) -> None:
            raise ValueError(f"ValueError {text}")

        await logic._perform_state(*step, fail)
    assert logic.errors.errors == {step[0]: expected}
    is_over = "given up" in expected
    assert logic.training.training_state == (
        "initialized" if not is_over else "ready_for_cleanup" if step == PREPARE else "confusion_matrix_synced"
    )


@pytest.mark.parametrize("key", ["sync_confusion_matrix", "upload_model"])
def test_a_finished_model_is_not_given_up(key: str):
    assert most_tries(KeyError("path"), key) is None
    assert most_tries(LoopRefusedError("no", status=422), key) is None
    assert most_tries(CriticalError("no model"), key) == 1


@pytest.mark.parametrize(
    ("progress", "expected"), [(0.5, 0.5), (1, 1.0), (None, None), (float("nan"), None), ("half", None)]
)
async def test_progress(progress: Any, expected: float | None, tmp_path: Path):
    class Progressing(MockTrainer):
        training_progress = progress

    node = make_trainer(tmp_path, logic=Progressing())
    logic = node.trainer_logic
    assert logic.general_progress is None
    logic._init_new_training(Context(organization="zauberzeug", project="demo"), CONFIG)
    logic.training.training_state = "running"
    status = logic.generate_status_for_loop("id", "name")
    assert status.progress == expected
    said = "`training_progress` returned a str; it should be a number from 0 to 1, or None"
    assert status.errors == ({"progress": said} if progress == "half" else {})
    logic.training.training_state = "data_downloading"
    assert logic.generate_status_for_loop("id", "name").errors == {}
    assert logic.general_progress == 0.0


def test_a_refusal_behind_a_download_counts_as_one():
    error = DownloadError("model x: no such model")
    error.__cause__ = NotFoundError("no such model")
    error.__cause__.__cause__ = LoopRefusedError("no such model", status=404)
    assert most_tries(error) == 3


def test_each_step_begins_where_the_one_before_has_ended():
    for step, following in pairwise(STEPS):
        assert isinstance(step, Step)
        assert step.after == following.before


@pytest.mark.parametrize("state", TrainerState)
def test_there_is_a_step_for_each_state_that_can_be_on_the_disk(state: TrainerState):
    step = step_at(state)
    places = {step.before} | ({step.during} if isinstance(step, Step) else set())
    beginnings = {TrainerState.Idle, TrainerState.Blocked, TrainerState.WaitingForSlot, TrainerState.Preparing}
    assert state in (beginnings if step is STEPS[0] and state not in places else places)


async def test_a_training_that_begins_while_the_one_before_ends_has_a_run_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The loop offers the next one as soon as it hears that the trainer is idle, which is before the run has ended."""
    logic = make_trainer(tmp_path).trainer_logic
    logic.clock = ManualClock()
    ran: list[tuple[int, object]] = []
    second: list[asyncio.Task[None]] = []

    class OnlyStep:
        async def run(self, logic: TrainerLogicGeneric) -> None:
            number = logic.training.training_number
            ran.append((number, asyncio.current_task()))
            logic.last_training_io.delete()
            logic._forget_training()
            if number == 1:
                second.append(asyncio.create_task(logic.begin_training(*PLACE, CONFIG | {"training_number": 2})))
                await asyncio.sleep(0.05)  # long enough to be taken on

    monkeypatch.setattr("learning_loop_node.trainer.training_run.step_at", lambda _: OnlyStep())
    await logic.begin_training(*PLACE, CONFIG)
    await until(lambda: len(ran) > 1)
    await second[0]
    await logic._is_over.wait()
    (first_number, first_task), (second_number, second_task) = ran
    assert (first_number, second_number) == (1, 2)
    assert first_task is not second_task
    assert logic._training is None


async def test_of_two_trainings_that_begin_at_once_one_is_refused(tmp_path: Path):
    logic = make_trainer(tmp_path).trainer_logic
    begun = await asyncio.gather(
        *(logic.begin_training(*PLACE, CONFIG | {"training_number": number}) for number in (1, 2)),
        return_exceptions=True,
    )
    assert [type(one) for one in begun] == [type(None), TrainingRefusedError]
    await logic.abort()
