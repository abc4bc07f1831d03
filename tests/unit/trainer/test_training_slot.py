"""The slot that is a locked file, between real processes."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from learning_loop_node.errors import RefusedError, SettingError, TrainingSlotTakenError
from learning_loop_node.trainer.training_slot import (
    AlwaysFreeSlot,
    FileTrainingSlot,
    TrainingSlot,
    training_slot_from_env,
)
from tests.clock import ManualClock
from tests.polling import until

PROGRAM = """
import os, sys
from learning_loop_node.trainer.training_slot import FileTrainingSlot
slot = FileTrainingSlot(sys.argv[1])
slot.claim("training #7 of there/it")
{}
print("held" if slot.held else "lost", flush=True)
sys.stdin.readline()
"""
CHECKOUT = Path(__file__).parents[3]
TEXT = f"pid {os.getpid()} on {socket.gethostname()}, training #1 of a/b"


@asynccontextmanager
async def holder_of(file: Path, then: str = "", says: str = "held") -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that has the slot, and then does something."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM.format(then), str(file)),
        cwd=CHECKOUT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert await asyncio.wait_for(process.stdout.readline(), 30) == f"{says}\n".encode()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_sibling_is_refused_and_told_who_has_it(tmp_path):
    slot = FileTrainingSlot(tmp_path / "slot")
    async with holder_of(tmp_path / "slot") as process:
        assert slot.taken_by_sibling
        with pytest.raises(TrainingSlotTakenError, match="the training slot is held by pid") as caught:
            slot.claim("training #1 of a/b")
        holder = f"pid {process.pid} on {socket.gethostname()}, training #7 of there/it"
        assert caught.value.holder == holder
        assert isinstance(caught.value, RefusedError)
        assert caught.value.payload == "refused"
        assert (tmp_path / "slot").read_text() == holder
        assert not slot.held


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_the_end_of_its_holder_frees_it(tmp_path, how):
    slot = FileTrainingSlot(tmp_path / "slot")
    async with holder_of(tmp_path / "slot") as process:
        process.send_signal(how)
        await process.wait()
    assert (tmp_path / "slot").read_text() != ""
    assert not slot.taken_by_sibling
    slot.claim("training #1 of a/b")
    assert (tmp_path / "slot").read_text() == TEXT
    slot.release()
    assert (tmp_path / "slot").read_text() == ""


FORKED = """
child = os.fork()
if not child:
    for descriptor in range(3):
        os.close(descriptor)
    while True:
        os.kill(os.getpid(), 19)
open(sys.argv[1] + ".child", "w").write(str(child))
"""
STARTED = """
import subprocess
nowhere = subprocess.DEVNULL
child = subprocess.Popen(["sleep", "600"], close_fds=False, stdin=nowhere, stdout=nowhere, stderr=nowhere)
open(sys.argv[1] + ".child", "w").write(str(child.pid))
"""


@pytest.mark.parametrize("then", [FORKED, STARTED], ids=["forked", "started"])
async def test_a_child_does_not_keep_it_when_its_parent_is_killed(tmp_path, then):
    slot = FileTrainingSlot(tmp_path / "slot")
    async with holder_of(tmp_path / "slot", then) as process:
        child = int((tmp_path / "slot.child").read_text())
        try:
            assert slot.taken_by_sibling
            process.kill()
            await process.wait()
            os.kill(child, 0)
            await until(lambda: not slot.taken_by_sibling, within_s=10)
            slot.claim("training #1 of a/b")
            slot.release()
        finally:
            os.kill(child, signal.SIGKILL)


PROGRAM_STARTED = """
import asyncio
from learning_loop_node.trainer.executor import Executor
from learning_loop_node.trainer.training_slot import SLOT_OF_TRAINING
async def start():
    SLOT_OF_TRAINING.set(slot)
    executor = Executor(sys.argv[1] + ".training")
    await executor.start(["sleep", "600"])
    open(sys.argv[1] + ".child", "w").write(str(executor._command.process_id))
    {}
asyncio.run(start())
"""


async def test_a_training_program_keeps_it_when_the_node_is_killed_until_it_ends(tmp_path):
    slot = FileTrainingSlot(tmp_path / "slot")
    async with holder_of(tmp_path / "slot", PROGRAM_STARTED.format("")) as process:
        program = int((tmp_path / "slot.child").read_text())
        try:
            process.kill()
            await process.wait()
            assert slot.taken_by_sibling
            with pytest.raises(TrainingSlotTakenError, match=f"held by pid {process.pid} on"):
                slot.claim("training #1 of a/b")
        finally:
            os.kill(program, signal.SIGKILL)
        await until(lambda: not slot.taken_by_sibling, within_s=10)


async def test_once_released_it_is_free_whatever_still_runs(tmp_path):
    then = PROGRAM_STARTED.format("slot.release()")
    async with holder_of(tmp_path / "slot", then, says="lost"):
        program = int((tmp_path / "slot.child").read_text())
        try:
            assert not FileTrainingSlot(tmp_path / "slot").taken_by_sibling
        finally:
            os.kill(program, signal.SIGKILL)


async def test_the_end_of_a_forked_child_leaves_the_lock_with_its_parent(tmp_path):
    ended = "child = os.fork()\nif not child:\n    slot.release(); os._exit(0)\nos.waitpid(child, 0)"
    async with holder_of(tmp_path / "slot", ended):
        assert FileTrainingSlot(tmp_path / "slot").taken_by_sibling


async def test_it_is_waited_for(tmp_path, caplog):
    caplog.set_level("INFO")
    first, second = FileTrainingSlot(tmp_path / "slot"), FileTrainingSlot(tmp_path / "slot")
    first.claim("training #1 of a/b")

    class Clock(ManualClock):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            if len(self.waits) == 3:
                first.release()

    second.clock = clock = Clock()
    await second.wait_for("training #2 of a/b")
    assert second.held
    assert clock.waits == [1, 1, 1]
    assert len(re.findall("waiting until the training slot is free", caplog.text)) == 1
    second.release()


def test_who_only_looks_is_not_taken_for_a_holder():
    """The first try met somebody who looked, and nobody has it: it is tried again."""
    slot = Busy(times=2)
    slot.claim("training #1 of a/b")
    assert slot.holder == TEXT
    with pytest.raises(TrainingSlotTakenError):
        Busy(times=3).claim("training #1 of a/b")


def test_a_slot_whose_file_was_deleted_is_found_out(tmp_path):
    """Its holder keeps a file that nobody else sees; who claims it has one of its own, for all that come later."""
    gone, claimed = FileTrainingSlot(tmp_path / "slot"), FileTrainingSlot(tmp_path / "slot")
    gone.claim("training #1 of a/b")
    (tmp_path / "slot").unlink()
    claimed.claim("training #2 of a/b")
    gone.release()
    assert gone.taken_by_sibling
    claimed.release()


def test_everybody_may_lock_the_file_whatever_the_umask(tmp_path):
    umask = os.umask(0o077)
    try:
        FileTrainingSlot(tmp_path / "slot").claim("training #1 of a/b")
    finally:
        os.umask(umask)
    assert (tmp_path / "slot").stat().st_mode & 0o777 == 0o666


def test_of_a_holder_that_wrote_nothing_we_know_only_that_there_is_one(tmp_path):
    (tmp_path / "slot").touch()
    command = ["flock", "--exclusive", str(tmp_path / "slot"), "sh", "-c", "echo held; read line"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(TrainingSlotTakenError, match="held by another process"):
            FileTrainingSlot(tmp_path / "slot").claim("training #1 of a/b")
        other.communicate(b"\n", timeout=10)
    assert not FileTrainingSlot(tmp_path / "slot").taken_by_sibling


@pytest.mark.parametrize("place", ["", "missing/slot", "file/slot"])
def test_a_place_that_cannot_be_locked(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match="TRAINING_SLOT_LOCK must name a file"):
        FileTrainingSlot(tmp_path / place).claim("training #1 of a/b")


@pytest.mark.parametrize(
    ("value", "expected"), [(None, AlwaysFreeSlot), ("", AlwaysFreeSlot), ("slot", FileTrainingSlot)]
)
def test_the_environment_says_which_one(tmp_path, monkeypatch, value, expected):
    monkeypatch.delenv("TRAINING_SLOT_LOCK", raising=False)
    if value is not None:
        monkeypatch.setenv("TRAINING_SLOT_LOCK", value and str(tmp_path / value))
    assert type(training_slot_from_env()) is expected


def test_a_folder_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINING_SLOT_LOCK", str(tmp_path / "missing" / "slot"))
    with pytest.raises(FileNotFoundError, match=r"TRAINING_SLOT_LOCK=.*create it, or mount it"):
        training_slot_from_env()


class Busy(TrainingSlot):
    """Somebody looks at it just when it is claimed."""

    def __init__(self, times: int) -> None:
        self._times = times
        self.holder = ""

    @property
    def held(self) -> bool:
        return bool(self.holder)

    def release(self) -> None:
        self.holder = ""

    def _acquire(self, holder: str) -> None:
        if self._times:
            self._times -= 1
            raise TrainingSlotTakenError("another process")
        self.holder = holder

    def _sibling_holder(self) -> str | None:
        return None
