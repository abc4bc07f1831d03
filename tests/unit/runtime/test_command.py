from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from learning_loop_node.runtime.command import Command

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
OBEDIENT = (
    "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print('up'); time.sleep(60)"
)


async def test_a_program_that_ends_by_itself(tmp_path: Path):
    command = python("print('one'); print('two'); raise SystemExit(3)", tmp_path)
    assert not command.is_running
    assert command.log_tail() == ""
    await command.start()
    assert await command.wait() == 3
    assert not command.is_running
    assert command.exit_status == 3
    assert command.log_tail() == "one\ntwo"
    assert command.log_tail(1) == "two"


async def test_its_errors_are_in_the_log_and_a_second_start_adds_to_it(tmp_path: Path):
    command = python("import sys; print('bad', file=sys.stderr)", tmp_path)
    for _ in range(2):
        await command.start()
        await command.wait()
    assert command.log_tail() == "bad\nbad"


@pytest.mark.parametrize(
    ("code", "grace_s", "status"),
    [
        pytest.param(OBEDIENT, 30, 7, id="asked"),
        pytest.param(STUBBORN, 0.05, -signal.SIGKILL, id="killed"),
    ],
)
async def test_stopping(code: str, grace_s: float, status: int, tmp_path: Path):
    command = python(code, tmp_path)
    await command.start()
    await until_it_is_up(command)
    assert await command.stop(grace_s) == status
    assert await command.stop() == status


async def test_leaving_the_block_stops_it(tmp_path: Path):
    async with python("import time; time.sleep(60)", tmp_path) as command:
        assert command.is_running
        with pytest.raises(RuntimeError, match="already running"):
            await command.start()
    assert command.exit_status == -signal.SIGTERM


async def test_what_never_ran(tmp_path: Path):
    command = python("", tmp_path)
    assert await command.stop() is None
    with pytest.raises(RuntimeError, match="was not started"):
        await command.wait()


async def test_environment_and_folder(tmp_path: Path):
    code = "import os; print(os.environ['COLOR'], os.getcwd())"
    command = Command(
        "child",
        [sys.executable, "-c", code],
        log_file=tmp_path / "log",
        environment=dict(os.environ, COLOR="red"),
        folder=tmp_path,
    )
    await command.start()
    await command.wait()
    assert command.log_tail() == f"red {tmp_path}"


async def test_a_program_that_does_not_exist(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        await Command("child", [str(tmp_path / "nothing")], log_file=tmp_path / "log").start()


def python(code: str, folder: Path) -> Command:
    return Command("child", [sys.executable, "-u", "-c", code], log_file=folder / "log")


async def until_it_is_up(command: Command) -> None:
    while "up" not in command.log_tail():
        await asyncio.sleep(0.005)
