"""Calls on_repeat every few seconds, whatever it raises, unless the node is muted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from learning_loop_node.node.repeat import MUTED_CHECK_S, Repeat
from tests.clock import ManualClock


class Repeated:
    """Counts its rounds; the first ones of them fail."""

    repeat_loop_cycle_sec = 5.0
    repeat_task: asyncio.Task[Any] | None = None

    def __init__(self, *, failing: int = 0, is_muted: bool = False) -> None:
        self.rounds = 0
        self.is_muted = is_muted
        self._failing = failing

    async def repeat_once(self) -> None:
        self.rounds += 1
        if self.rounds <= self._failing:
            raise ValueError("the program's own fault")


@pytest.mark.parametrize(
    ("repeated", "rounds", "waits"),
    [
        pytest.param(Repeated(), 3, [5, 5, 5], id="all is well"),
        pytest.param(Repeated(failing=2), 3, [5, 5, 5], id="failing"),
        pytest.param(Repeated(is_muted=True), 0, [MUTED_CHECK_S] * 3, id="muted"),
    ],
)
async def test_rounds(repeated, rounds, waits):
    clock = ManualClock(stop_after=3)
    with pytest.raises(asyncio.CancelledError):
        await Repeat(repeated, clock).run()
    assert (repeated.rounds, clock.waits) == (rounds, waits)
    assert repeated.repeat_task is asyncio.current_task()


async def test_a_program_that_fails_for_long_does_not_fill_the_log(caplog):
    with pytest.raises(asyncio.CancelledError):
        await Repeat(Repeated(failing=100), ManualClock(stop_after=100)).run()
    assert [record.message for record in caplog.records] == ["on_repeat failed, trying again every 5.0 s"]
