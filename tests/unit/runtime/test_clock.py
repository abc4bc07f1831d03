"""The machine's clock, and the one that tests move."""

from __future__ import annotations

import asyncio

import pytest

from learning_loop_node.runtime.clock import Clock, SystemClock
from tests.clock import ManualClock


async def test_the_systems_clock_runs():
    clock: Clock = SystemClock()
    before = clock.now()
    await clock.sleep(0.001)
    assert clock.now() - before >= 0.001


async def test_the_manual_clock_moves_at_once():
    clock = ManualClock(stop_after=3)
    await clock.sleep(60)
    clock.advance(5)
    await clock.sleep(1)
    assert (clock.now(), clock.waits) == (66, [60, 1])
    with pytest.raises(asyncio.CancelledError):
        await clock.sleep(1)
