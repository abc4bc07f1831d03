"""What every training slot must do."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from learning_loop_node.trainer.training_slot import AlwaysFreeSlot, FileTrainingSlot, TrainingSlot
from tests.clock import ManualClock

SLOTS = [
    pytest.param(lambda _folder: AlwaysFreeSlot(), id="always free"),
    pytest.param(lambda folder: FileTrainingSlot(folder / "slot"), id="file"),
    pytest.param(lambda folder: FileTrainingSlot(str(folder / "slot")), id="file, named by text"),
]


@pytest.fixture(params=SLOTS)
def slot(request: pytest.FixtureRequest, tmp_path: Path) -> TrainingSlot:
    made: TrainingSlot = request.param(tmp_path)
    return made


def test_nobody_has_it_at_first(slot: TrainingSlot):
    assert held_and_taken(slot) == (False, False)


def test_who_claims_it_has_it_until_it_is_released(slot: TrainingSlot):
    slot.claim("training #1 of a/b")
    assert held_and_taken(slot) == (True, False)
    slot.release()
    assert held_and_taken(slot) == (False, False)


def test_claiming_and_releasing_twice_changes_nothing(slot: TrainingSlot):
    slot.release()
    slot.claim("training #1 of a/b")
    slot.claim("training #1 of a/b")
    assert held_and_taken(slot) == (True, False)
    slot.release()
    slot.release()
    assert held_and_taken(slot) == (False, False)
    slot.claim("training #2 of a/b")
    assert held_and_taken(slot) == (True, False)
    slot.release()


async def test_a_free_slot_is_not_waited_for(slot: TrainingSlot):
    slot.clock = clock = ManualClock()
    await slot.wait_for("training #1 of a/b")
    assert slot.held
    assert clock.waits == []
    slot.release()


async def test_who_waits_and_is_cancelled_does_not_have_it(tmp_path: Path):
    with_it, without = FileTrainingSlot(tmp_path / "slot"), FileTrainingSlot(tmp_path / "slot")
    with_it.claim("training #1 of a/b")
    without.clock = ManualClock(stop_after=3)
    with pytest.raises(asyncio.CancelledError):
        await without.wait_for("training #2 of a/b")
    assert not without.held
    with_it.release()
    assert not without.taken_by_sibling


def held_and_taken(slot: TrainingSlot) -> tuple[bool, bool]:
    return slot.held, slot.taken_by_sibling
