"""Items of another process: in order, one ahead, with its errors, and gone when nobody wants more."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.errors import ChildCrashedError, ChildFailedError, NotPicklableError
from learning_loop_node.runtime.iterator_process import iterator_cpu_bound
from tests.polling import until

from . import iterators

CHECKOUT = Path(__file__).parents[3]
PROGRAM = """
import asyncio, sys
from pathlib import Path
from learning_loop_node.trainer.subprocess import iterator_cpu_bound
from tests.unit.runtime.iterators import busy

async def main():
    async with iterator_cpu_bound(busy, Path(sys.argv[1])) as items:
        async for _ in items:
            pass

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.parametrize(("end", "expected"), [(0, []), (1, [0]), (5, [0, 2, 4])])
async def test_items_come_in_order(end: int, expected: list[int]):
    async with iterator_cpu_bound(iterators.count, end, step=2) as items:
        assert [item async for item in items] == expected


async def test_large_items_come_whole():
    wanted = [0, 3_000_000, 1]
    async with iterator_cpu_bound(iterators.sizes, *wanted) as items:
        assert [len(item) async for item in items] == wanted


async def test_one_item_is_made_ahead_and_leaving_ends_the_process(tmp_path: Path):
    async with iterator_cpu_bound(iterators.count_with_traces, tmp_path) as items:
        async for item in items:
            await until((tmp_path / f"item {item + 1}").exists)
            assert not (tmp_path / f"item {item + 2}").exists()
            if item == 3:
                break
        process_id = int((tmp_path / "pid").read_text())
        os.kill(process_id, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)


async def test_an_error_in_the_block_ends_the_process_and_stays_the_error(tmp_path: Path):
    async def fail() -> None:
        async with iterator_cpu_bound(iterators.count_with_traces, tmp_path) as items:
            async for item in items:
                assert item / 0

    with pytest.raises(ZeroDivisionError):
        await fail()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_who_waits_for_an_item_can_be_cancelled(tmp_path: Path):
    task = asyncio.create_task(all_items(iterators.busy, tmp_path))
    await until(lambda: bool((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize("error", [ValueError("no such number"), ConnectionError("lost"), EOFError("early")])
async def test_what_the_iterator_raises_is_raised_here(error: Exception):
    with pytest.raises(type(error), match=str(error)) as caught:
        await all_items(iterators.raising, error)
    assert "in raising" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("function", "error", "text"),
    [
        (iterators.raising_own, ChildFailedError, "raising_own failed: .*OwnError: 1 and 2"),
        (iterators.killed, ChildCrashedError, "the process of killed was killed, perhaps since memory ran out"),
        (iterators.ending, ChildCrashedError, "the process of ending ended with status 3 before its last item"),
        (iterators.not_to_be_sent, Exception, "lambda"),
    ],
)
async def test_what_else_may_happen_to_the_process(function, error: type[Exception], text: str):
    with pytest.raises(error, match=re.compile(text, re.DOTALL)):
        await all_items(function)


async def test_what_cannot_be_handed_over():
    with pytest.raises(NotPicklableError, match="a function at the top of a module"):
        await all_items(lambda: iter([1]))


async def test_nothing_goes_on_when_the_parent_is_killed(tmp_path: Path):
    (tmp_path / "program.py").write_text(PROGRAM)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(tmp_path / "program.py"), str(tmp_path)),
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
    )
    try:
        await until(lambda: bool((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    finally:
        process.kill()
        await process.wait()
    child = int((tmp_path / "pid").read_text())
    try:
        await until(lambda: not is_running(child))
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


async def all_items(function: Callable[..., Iterator[Any]], *arguments: Any) -> list[Any]:
    async with iterator_cpu_bound(function, *arguments) as items:
        return [item async for item in items]


def is_running(process_id: int) -> bool:
    """Not for one that has ended and is not waited for."""
    try:
        status = Path(f"/proc/{process_id}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
