"""A trainer that is killed in each state, and started again: it goes on there, and the loop has everything once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from learning_loop_node.settings import environment_for_child
from learning_loop_node.trainer.training_slot import FileTrainingSlot
from tests.child import CHECKOUT, Child, python_child
from tests.foreign_loop import PASSWORD, USERNAME
from tests.polling import until
from tests.training_loop import TrainingLoop, held, training_loop

MOCK_TRAINER = CHECKOUT / "mock_nodes" / "mock_trainer"

Hold = Callable[[TrainingLoop, asyncio.Event], None]


def hold_request(ending: str, *, after_its_work: bool = False) -> Hold:
    """Let a request of this state wait until the trainer is killed, before the loop has done its work or after."""

    def hold(loop: TrainingLoop, release: asyncio.Event) -> None:
        loop.trouble(ending, held(release, loop if after_its_work else None))

    return hold


def hold_metrics(loop: TrainingLoop, release: asyncio.Event) -> None:
    async def wait() -> dict[str, bool]:
        await release.wait()
        return {"success": True}

    loop.metrics_trouble = wait


def hold_nothing(loop: TrainingLoop, release: asyncio.Event) -> None:
    """The training itself takes long enough."""


# name: (the state in which the trainer is killed, what lets it be there long enough)
MOMENTS: dict[str, tuple[str, Hold]] = {
    "before the images": ("data_downloading", hold_request("/data")),
    "amid the images": ("data_downloading", hold_request("/i-2/main")),
    "the base model": ("train_model_downloading", hold_request("/mocked/file")),
    "the training": ("running", hold_nothing),
    "the metrics": ("confusion_matrix_syncing", hold_metrics),
    "before the model": ("train_model_uploading", hold_request("/latest/mocked/file")),
    "the model is there": ("train_model_uploading", hold_request("/latest/mocked/file", after_its_work=True)),
    "between two formats": ("train_model_uploading", hold_request("/latest/mocked_2/file")),
    "the detection": ("detecting", hold_request("/data", after_its_work=True)),
    "before the detections": ("detection_uploading", hold_request("/detections")),
    "the detections are there": ("detection_uploading", hold_request("/detections", after_its_work=True)),
}


AWAY_AT = ("amid the images", "the training", "the model is there", "the detections are there")
CASES = [
    *(pytest.param(moment, True, id=moment) for moment in MOMENTS),
    *(pytest.param(moment, False, id=f"{moment}, the loop away") for moment in AWAY_AT),
]


@pytest.mark.parametrize(("moment", "loop_is_there"), CASES)
async def test_killed(moment: str, loop_is_there: bool, tmp_path: Path):
    state, hold = MOMENTS[moment]
    release = asyncio.Event()
    async with training_loop() as loop:
        base_model = loop.add_base_model()
        async with trainer(tmp_path, loop) as child:
            await loop.until_idle()
            if moment != "the detection":
                hold(loop, release)
            parameters = {"epochs": 3, "seconds": 0.5 if state == "running" else 0.05}
            await loop.begin(hyperparameters=parameters, base_model_uuid=base_model)
            if moment == "the detection":
                await until(lambda: "running" in loop.states)
                hold(loop, release)
            await loop.until_state(state)
            if state == "running":
                await until(lambda: bool(program_ids(tmp_path)))
            if not loop_is_there:
                await loop.leave()
            child.send(signal.SIGKILL)
            await child.status(within_s=5)
        release.set()
        loop.metrics_trouble = None
        programs = program_ids(tmp_path) if state == "running" else []
        seen_before = len(loop.statuses)

        async with trainer(tmp_path, loop) as child:
            if not loop_is_there:
                await until(lambda: "goes on at" in child.output)
                loop.come_back()
            await until(lambda: len(loop.statuses) > seen_before)
            await until(lambda: "detection_uploading" in loop.states[-6:] or loop.state == "idle")
            await loop.until_idle()
            resumed_at = child.output.partition("goes on at ")[2].split()[0]

        assert resumed_at == RESTS[state]
        assert sorted(loop.uploads) == ["1/mocked", "1/mocked_2"]
        assert {entry["image_id"] for entry in loop.detections} == set(loop.images)
        assert [entry["best_epoch"] for entry in loop.metrics][-1] == 3
        assert len([entry for entry in loop.statuses if entry["state"] == "running"]) > 0
        assert not any(is_running(program) for program in programs)
        assert unfinished(tmp_path) == []
        assert loop.complaints == []


RESTS = {
    "data_downloading": "initialized",
    "train_model_downloading": "data_downloaded",
    "running": "train_model_downloaded",
    "confusion_matrix_syncing": "training_finished",
    "train_model_uploading": "confusion_matrix_synced",
    "detecting": "train_model_uploaded",
    "detection_uploading": "detected",
}
"""Where a training goes on that was interrupted in a state."""


async def test_asked_to_end_it_leaves_nothing_running_and_goes_on_later(tmp_path: Path):
    async with training_loop() as loop:
        async with trainer(tmp_path, loop) as child:
            await loop.begin(hyperparameters={"epochs": 3, "seconds": 0.5})
            await loop.until_state("running")
            await until(lambda: bool(program_ids(tmp_path)))
            programs = program_ids(tmp_path)
            child.send(signal.SIGTERM)
            assert await child.status(within_s=20) == 0
        assert not any(is_running(program) for program in programs)
        async with trainer(tmp_path, loop):
            await until(lambda: "1/mocked_2" in loop.uploads)
            await loop.until_idle()
        assert len(loop.detections) == len(loop.images)


async def test_the_program_of_a_killed_trainer_keeps_the_gpu_until_the_trainer_is_back(tmp_path: Path):
    """The program hangs, and does not end when asked; the trainer kills it before it waits for the slot itself."""
    slot = FileTrainingSlot(tmp_path / "slot")
    async with training_loop() as loop:
        async with trainer(tmp_path, loop, TRAINING_SLOT_LOCK=str(tmp_path / "slot")) as child:
            parameters = {"epochs": 2, "seconds": 0.05, "fail": "hang", "fail_at": 2, "fail_times": 1}
            await loop.begin(hyperparameters=parameters)
            await until(lambda: bool(program_ids(tmp_path)))
            programs = program_ids(tmp_path)
            child.send(signal.SIGKILL)
            await child.status(within_s=5)
        try:
            assert program_ids(tmp_path) == programs
            assert slot.taken_by_sibling
            async with trainer(tmp_path, loop, TRAINING_SLOT_LOCK=str(tmp_path / "slot")):
                await until(lambda: "1/mocked_2" in loop.uploads, within_s=60)
                await loop.until_idle()
                assert program_ids(tmp_path) == []
                await until(lambda: not slot.taken_by_sibling)
        finally:
            for program in filter(is_running, programs):
                os.kill(program, signal.SIGKILL)


@asynccontextmanager
async def trainer(folder: Path, loop: TrainingLoop, **variables: str) -> AsyncIterator[Child]:
    """The mock trainer as a process, in this data folder."""
    environment = (
        environment_for_child()
        | variables
        | {
            "DATA_FOLDER": str(folder / "data"),
            "LOOP_HOST": loop.host,
            "LOOP_USERNAME": USERNAME,
            "LOOP_PASSWORD": PASSWORD,
            "PYTHONUNBUFFERED": "1",
        }
    )
    async with python_child(
        *("main.py", "--host", "127.0.0.1", "--port", "0"),
        environment=environment,
        address=r"running on (http://\S+)",
        ready="running on",
        interpreter=sys.executable,
        folder=MOCK_TRAINER,
    ) as child:
        yield child


def program_ids(folder: Path) -> list[int]:
    """The training programs that run on this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if str(folder) in line and "training.py" in line:
                found.append(int(entry.name))
    return found


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def unfinished(folder: Path) -> list[Path]:
    return list((folder / "data").glob("last_training__*.json"))
