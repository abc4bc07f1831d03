"""The training program and everything that it starts."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from learning_loop_node.errors import ChildFailedError, ProgramMissingError
from learning_loop_node.trainer.executor import Executor
from tests.polling import until

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
WITH_CHILD = (
    "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
    "print(child.pid, flush=True); {}"
)


@pytest.fixture
def executor(tmp_path: Path) -> Executor:
    return Executor(str(tmp_path / "training"))


async def test_nothing_was_started(executor: Executor):
    assert not executor.is_running()
    assert executor.get_log() == ""
    assert executor.get_log_by_lines() == []
    assert await executor.wait() is None
    assert await executor.stop_and_wait() is None
    executor.terminate()
    executor.close_log()


def test_its_folder_is_made(executor: Executor):
    assert Path(executor.path).is_dir()


async def test_a_program_runs_in_the_folder_with_our_environment_and_more(
    executor: Executor, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OURS", "stays")
    await executor.start('/bin/sh -c "echo $OURS $MORE; pwd; echo trouble >&2; exit 3"', env={"MORE": "comes"})
    assert await executor.wait() == executor.return_code == 3
    assert not executor.is_running()
    assert executor.get_log_by_lines() == ["stays comes\n", f"{executor.path}\n", "trouble\n"]
    assert executor.get_log_by_lines(tail=1) == ["trouble\n"]
    assert executor.get_log_by_lines(tail=0) == []


async def test_the_log_of_a_second_program_follows_that_of_the_first(executor: Executor):
    for word in ("one", "two"):
        await executor.start(f"echo {word}")
        await executor.wait()
    assert executor.get_log() == "one\ntwo\n"


async def test_what_the_present_program_has_printed(executor: Executor):
    assert executor.get_own_log_by_lines() == []
    for word in ("one", "two"):
        await executor.start(f"echo {word}")
        await executor.wait()
    assert executor.get_own_log_by_lines() == executor.get_own_log_by_lines(tail=5) == ["two\n"]
    assert executor.get_own_log_by_lines(tail=0) == []


async def test_a_list_of_arguments_needs_no_quotes(executor: Executor, tmp_path: Path):
    program = tmp_path / "my programs" / "it's.sh"
    program.parent.mkdir()
    program.write_text('echo "$1|$2"')
    await executor.start(["/bin/sh", program, "a b", ""])
    assert await executor.wait() == 0
    assert executor.get_log() == "a b|\n"


@pytest.mark.parametrize("command", ["", "  ", []])
async def test_no_program_at_all(executor: Executor, command: str | list[str]):
    with pytest.raises(ChildFailedError, match="the command is empty"):
        await executor.start(command)


async def test_one_program_at_a_time(executor: Executor):
    await executor.start("sleep 60")
    with pytest.raises(ChildFailedError, match="running"):
        await executor.start("sleep 60")
    assert await executor.stop_and_wait() == -signal.SIGTERM


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("not_there_at_all --epochs 3", "'not_there_at_all' is not there: nothing on the PATH has this name"),
        ("bin/not_there", "bin/not_there does not exist; correct its path"),
        (["/not there", "x"], "/not there does not exist; correct its path"),
        ("./odd", "'./odd' cannot be started: the interpreter in its first line is not there"),
    ],
)
async def test_a_program_that_does_not_exist(executor: Executor, command: str | list[str], text: str):
    make_program(executor, "odd", "#!/not/there\n", mode=0o700)
    with pytest.raises(FileNotFoundError, match=re.escape(text)) as raised:
        await executor.start(command)
    assert isinstance(raised.value, ProgramMissingError)
    assert not executor.is_running()


async def test_a_program_that_nobody_may_start(executor: Executor):
    make_program(executor, "plain.txt", "no program", mode=0o600)
    with pytest.raises(ChildFailedError, match=r"'./plain.txt' cannot be started: it, or its folder, may not be used"):
        await executor.start("./plain.txt")


async def test_one_that_does_not_end_when_asked_is_killed(executor: Executor):
    await executor.start(f'{sys.executable} -c "{STUBBORN}"')
    await until(lambda: "up" in executor.get_log())
    assert await executor.stop_and_wait(grace_s=0.2) == -signal.SIGKILL


@pytest.mark.parametrize("how", ["stopped", "terminated", "ended by itself"])
async def test_what_the_program_has_started_ends_with_it(executor: Executor, how: str):
    rest = "sys.exit(0)" if how == "ended by itself" else "time.sleep(60)"
    await executor.start(f'{sys.executable} -c "{WITH_CHILD.format(rest)}"')
    await until(lambda: executor.get_log().endswith("\n"))
    child = int(executor.get_log())
    match how:
        case "stopped":
            await executor.stop_and_wait()
        case "terminated":
            executor.terminate()
    await executor.wait()
    await until(lambda: not runs(child))


async def test_a_program_that_outlived_us_is_ended_before_the_next_one(executor: Executor):
    await executor.start("sleep 60")
    left_over = executor._command.process_id if executor._command else None
    assert left_over is not None
    after_a_crash = Executor(executor.path)
    await after_a_crash.start("echo next")
    await after_a_crash.wait()
    assert await executor.wait() == -signal.SIGTERM
    assert not runs(left_over)


async def test_one_of_which_no_note_was_taken_is_ended_too(executor: Executor):
    """The node was killed before it could, or the program has ended, but not what it has started."""
    await executor.start(f'{sys.executable} -c "{WITH_CHILD.format("time.sleep(60)")}"')
    await until(lambda: executor.get_log().endswith("\n"))
    child, leader = int(executor.get_log()), executor._command.process_id if executor._command else None
    assert leader is not None
    os.kill(leader, signal.SIGKILL)
    await until(lambda: not runs(leader))
    assert runs(child)
    await Executor(executor.path, "another.log").end_left_over()
    assert runs(child)
    await Executor(executor.path).end_left_over()
    assert not runs(child)


@pytest.mark.parametrize(
    "note",
    [
        pytest.param("", id="empty"),
        pytest.param("x", id="no number"),
        pytest.param("1 an-earlier-boot 77", id="of an earlier boot"),
        pytest.param(f"{os.getpid()} None", id="our own, begun at no time"),
    ],
)
async def test_a_note_that_does_not_fit_harms_nobody(executor: Executor, note: str):
    (Path(executor.path) / ".last_training.process").write_text(note)
    await executor.start("echo fine")
    assert await executor.wait() == 0


async def test_cancelling_the_wait_leaves_the_program_alone(executor: Executor):
    await executor.start("sleep 60")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(executor.wait(), 0.05)
    assert executor.is_running()
    await executor.stop_and_wait()


def make_program(executor: Executor, name: str, content: str, *, mode: int) -> None:
    file = Path(executor.path, name)
    file.write_text(content)
    file.chmod(mode)


def runs(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
