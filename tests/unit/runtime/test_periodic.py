"""Repeats, waits longer after failures, can be woken, and lets the unexpected out."""

from __future__ import annotations

import asyncio

import pytest

from learning_loop_node.errors import LoopUnreachableError
from learning_loop_node.runtime.periodic import Periodic, wait_unless
from tests.clock import ManualClock


@pytest.mark.parametrize(
    ("outcomes", "waits"),
    [
        pytest.param("", [5, 5, 5], id="all is well"),
        pytest.param("xxxx", [10, 20, 30, 30], id="failing"),
        pytest.param("xx.x.", [10, 20, 5, 10, 5], id="recovering"),
    ],
)
async def test_waits(outcomes, waits):
    left = list(outcomes)

    async def action():
        if left and left.pop(0) == "x":
            raise LoopUnreachableError

    clock = ManualClock(stop_after=len(waits))
    with pytest.raises(asyncio.CancelledError):
        await Periodic("test", action, interval_s=5, longest_s=30, clock=clock).run()
    assert clock.waits == waits


async def test_names_itself_when_it_fails(caplog):
    async def action():
        raise LoopUnreachableError("the loop is away")

    with pytest.raises(asyncio.CancelledError):
        await Periodic("upload", action, interval_s=1, longest_s=1, clock=ManualClock(stop_after=1)).run()
    assert "upload failed, trying again: the loop is away" in caplog.text


async def test_trouble_that_lasts_is_said_once(caplog):
    caplog.set_level("INFO")
    outcomes = [True] * 50 + [False]

    async def action():
        if outcomes.pop(0):
            raise LoopUnreachableError("the loop is away")

    with pytest.raises(asyncio.CancelledError):
        await Periodic("upload", action, interval_s=1, longest_s=1, clock=ManualClock(stop_after=51)).run()
    assert [record.message for record in caplog.records] == [
        "upload failed, trying again: the loop is away",
        "upload works again",
    ]


async def test_the_unexpected_comes_out():
    async def action():
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        await Periodic("test", action, interval_s=1, longest_s=1, clock=ManualClock()).run()


async def test_wake_repeats_at_once():
    calls = 0
    third = asyncio.Event()

    async def action():
        nonlocal calls
        calls += 1
        if calls == 3:
            third.set()
        else:
            periodic.wake()

    periodic = Periodic("test", action, interval_s=1e6, longest_s=1e6)
    task = asyncio.create_task(periodic.run())
    await third.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert calls == 3


@pytest.mark.parametrize("is_set", [False, True])
async def test_wait_unless(is_set):
    event, clock = asyncio.Event(), ManualClock()
    if is_set:
        event.set()
    await wait_unless(event, 7, clock)
    assert clock.waits == ([] if is_set else [7])


async def test_wait_ends_with_the_event_and_leaves_no_task_behind():
    event = asyncio.Event()
    waiting = asyncio.create_task(wait_unless(event, 1e6, ForeverClock()))
    await asyncio.sleep(0)
    event.set()
    await waiting
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelled_wait_leaves_no_task_behind():
    waiting = asyncio.create_task(wait_unless(asyncio.Event(), 1e6, ForeverClock()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert asyncio.all_tasks() == {asyncio.current_task()}


class ForeverClock:
    """No time passes."""

    def now(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()
