from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.errors import (
    ChildCrashedError,
    ChildFailedError,
    ChildOutOfMemoryError,
    ChildRaisedError,
    ChildTimedOutError,
    NotPicklableError,
)
from learning_loop_node.runtime.isolated import LOG, Limits, call_isolated
from tests.polling import until
from tests.unit.runtime import isolated_functions as functions

LIMITS = Limits(time_s=30, memory_bytes=500 * functions.MEGABYTE, time_setting="TIME", memory_setting="MEMORY")

PROGRAM = """
import asyncio, sys
from pathlib import Path
from learning_loop_node.runtime.isolated import Limits, call_isolated

print("loaded as", __name__, flush=True)

class Twice:
    def __init__(self, value):
        self.value = value
    def get(self):
        return [2 * self.value, sys.argv[1]]

def start():
    answer = call_isolated(Twice(21).get, folder=Path(sys.argv[1]), limits=Limits(time_s=30))
    print("answer", asyncio.run(answer))
"""
GUARD = "\nif __name__ == '__main__':\n    start()\n"
NO_GUARD = "\nstart()\n"


async def test_the_result_comes_from_another_process(tmp_path: Path):
    answer = await call_isolated(functions.add, 1, 2, folder=tmp_path / "call", limits=LIMITS)
    assert answer["sum"] == 3
    assert answer["process"] != os.getpid()
    assert (tmp_path / "call" / LOG).read_text() == "adding\n"


async def test_there_is_nothing_to_read_and_nobody_waits_for_it(tmp_path: Path):
    assert await call_isolated(functions.read_input, folder=tmp_path, limits=LIMITS) == ""


@pytest.mark.parametrize(
    ("function", "arguments", "error", "text"),
    [
        pytest.param(functions.fail, ["no"], ChildRaisedError, "fail raised ValueError: no", id="raises"),
        pytest.param(functions.leave, [3], ChildRaisedError, "leave raised SystemExit: 3", id="leaves"),
        pytest.param(functions.return_what_is_no_json, [], ChildRaisedError, "TypeError: .*set", id="no JSON"),
        pytest.param(
            functions.leave_without_a_word, [7], ChildFailedError, "status 7 and without a result", id="leaves at once"
        ),
        pytest.param(
            functions.allocate,
            [700 * functions.MEGABYTE],
            ChildOutOfMemoryError,
            "allocate ran out of memory: 500000000 bytes are its limit; let MEMORY be more",
            id="too much memory",
        ),
        pytest.param(functions.abort_like_a_library, [], ChildOutOfMemoryError, "memory", id="aborts for memory"),
        pytest.param(functions.end_by, [signal.SIGKILL], ChildOutOfMemoryError, "by the kernel", id="killed"),
        pytest.param(functions.print_without_end, [], ChildFailedError, "printed more than", id="never stops printing"),
        pytest.param(functions.read_nothing, [], ChildCrashedError, "ended by SIGSEGV", id="crashes"),
        pytest.param(functions.end_by, [signal.SIGTERM], ChildCrashedError, "ended by SIGTERM", id="terminated"),
    ],
)  # fmt: skip
async def test_what_happens_to_it_is_named(
    function: Callable[..., Any], arguments: list[Any], error: type[ChildFailedError], text: str, tmp_path: Path
):
    with pytest.raises(error, match=text):
        await call_isolated(function, *arguments, folder=tmp_path, limits=LIMITS)


async def test_what_it_printed_last_comes_with_the_error(tmp_path: Path):
    with pytest.raises(ChildRaisedError) as caught:
        await call_isolated(functions.fail, "no such layer", folder=tmp_path, limits=LIMITS)
    first, *_, last = caught.value.log_tail.splitlines()
    assert (first, last) == ("about to fail", "ValueError: no such layer")


async def test_without_a_limit_it_may_take_more(tmp_path: Path):
    size_bytes = 700 * functions.MEGABYTE
    assert await call_isolated(functions.allocate, size_bytes, folder=tmp_path, limits=Limits(time_s=30)) == size_bytes


async def test_what_takes_too_long_is_ended_with_its_children(tmp_path: Path):
    pids = tmp_path / "pids"
    with pytest.raises(ChildTimedOutError, match=r"have_a_child took longer than 1.5 s .* let TIME be more"):
        await call_isolated(
            functions.have_a_child, str(pids), folder=tmp_path, limits=Limits(time_s=1.5, time_setting="TIME")
        )
    await until(lambda: not any(map(is_alive, pids_in(pids))))


async def test_cancelling_ends_it_with_its_children(tmp_path: Path):
    pids = tmp_path / "pids"
    call = asyncio.create_task(call_isolated(functions.have_a_child, str(pids), folder=tmp_path, limits=LIMITS))
    await until(lambda: len(pids_in(pids)) == 2)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(lambda: not any(map(is_alive, pids_in(pids))))


async def test_the_end_of_the_one_who_called_is_its_end(tmp_path: Path):
    pids = tmp_path / "pids"
    code = (
        "import asyncio, pathlib; from learning_loop_node.runtime.isolated import Limits, call_isolated; "
        "from tests.unit.runtime.isolated_functions import have_a_child; "
        f"folder = pathlib.Path({str(tmp_path)!r}); "
        "asyncio.run(call_isolated(have_a_child, str(folder / 'pids'), folder=folder, limits=Limits(time_s=60)))"
    )
    caller = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    await until(lambda: len(pids_in(pids)) == 2)
    caller.kill()
    await caller.wait()
    await until(lambda: not any(map(is_alive, pids_in(pids))))


async def test_what_cannot_be_handed_over_is_named(tmp_path: Path):
    thing = functions.WithNetwork()
    with thing.session, pytest.raises(NotPicklableError, match=r"'session' of WithNetwork .* open what belongs"):
        await call_isolated(thing.run, folder=tmp_path, limits=LIMITS)
    with pytest.raises(NotPicklableError, match="top level of a file"):
        await call_isolated(lambda: 1, folder=tmp_path, limits=LIMITS)


@pytest.mark.parametrize("how", ["file", "module"])
def test_a_class_of_the_program_itself(how: str, tmp_path: Path):
    (tmp_path / "program.py").write_text(PROGRAM + GUARD)
    arguments = ["program.py"] if how == "file" else ["-m", "program"]
    output = run(*arguments, "call", folder=tmp_path)
    assert output == "loaded as __main__\nanswer [42, 'call']\n"
    assert (tmp_path / "call" / LOG).read_text() == "loaded as __mp_main__\n"


def test_a_program_that_starts_itself_again_is_told_of(tmp_path: Path):
    (tmp_path / "program.py").write_text(PROGRAM + NO_GUARD)
    output = run("program.py", "call", folder=tmp_path)
    assert "ChildRaisedError" in output
    assert "let it start its node below `if __name__ == '__main__':` only" in output


def test_what_was_typed_in_is_told_of(tmp_path: Path):
    output = run("-c", PROGRAM + GUARD, "call", folder=tmp_path)
    assert "NotPicklableError: what was typed in or given with -c" in output


def run(*arguments: str, folder: Path) -> str:
    """What a Python program prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def pids_in(file: Path) -> list[int]:
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that is dead but not yet waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
