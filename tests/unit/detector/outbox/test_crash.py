"""A power cut at every step: nothing acknowledged is lost, nothing is stored twice, the start always succeeds."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from learning_loop_node.detector.outbox.folder_store import FolderStore

from .crash_model import Crash, ForgetfulDisk, HastyDisk, RecordingDisk

HISTORIES = 4
STATES = 2000
"""Crash states to look at in all histories together."""


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_power_cut_at_every_step(tmp_path: Path, seed: int):
    assert look_at_all(RecordingDisk(tmp_path / "real"), tmp_path / "found", seed) >= STATES // HISTORIES


def test_a_missing_sync_is_noticed(tmp_path: Path):
    with pytest.raises(AssertionError):
        look_at_all(ForgetfulDisk(tmp_path / "real"), tmp_path / "found", 1)


def look_at_all(disk: RecordingDisk, place: Path, seed: int) -> int:
    """Check crashes at every step of a history, several at each; returns how many."""
    dice = random.Random(seed)
    live_a_life(FolderStore(disk.root, disk=disk), disk, dice)
    rounds = -(-STATES // HISTORIES // len(disk.steps))
    for after in range(len(disk.steps) + 1):
        for number in range(rounds):
            loss = (0.0, 1.0)[number] if number < 2 else 0.5
            crash = Crash(disk, after, dice, loss)
            crash.write_to(place)
            check(crash, place)
            shutil.rmtree(place)
    return rounds * (len(disk.steps) + 1)


def live_a_life(store: FolderStore, disk: RecordingDisk, dice: random.Random) -> None:
    """Save, upload, drop, quarantine and retry in some order, telling what was promised and what has begun."""
    store.open()
    retried: set[str] = set()
    for number in range(8):
        item = store.add(b"image %d " % number * dice.choice([1, 100, 1000]), b"{}", is_priority=dice.random() < 0.3)
        disk.mark("kept", store.read(item).key)
        waiting = store.first(100, 10**9)
        match dice.choice(["save", "upload", "drop", "quarantine", "retry"]):
            case "upload":
                batch = waiting[: dice.randint(1, 3)]
                for sent in batch:
                    disk.mark("stored", store.read(sent).key)
                store.remove(batch)
            case "drop":
                disk.mark("dropped", store.read(waiting[-1]).key)
                store.remove(waiting[-1:])
            case "quarantine":
                item = next((item for item in waiting if item.name not in retried), waiting[0])
                if item.name not in retried:  # once is enough to tell where it has to be
                    disk.mark("quarantined", store.read(item).key)
                    store.quarantine(item, "does not please")
            case "retry":
                for apart in store.quarantined(1):
                    store.retry(apart.name)
                    retried.add(apart.name)
                    [item] = [item for item in store.first(100, 10**9) if item.name == apart.name]
                    disk.mark("retried", store.read(item).key)


def check(crash: Crash, place: Path) -> None:
    store = FolderStore(place, disk=HastyDisk())
    store.open()
    waiting = [store.read(item).key for item in store.first(1000, 10**9)]
    assert len(waiting) == len(set(waiting))
    apart = crash.told("quarantined") - crash.told("retried")
    given_away = crash.told("stored") | crash.told("dropped") | apart
    assert crash.told("kept") - given_away <= set(waiting)
    quarantined = {file.parent.name for file in (place / "quarantine").rglob("*.key")}
    assert len(quarantined) + len(waiting) >= len(crash.told("kept") - crash.told("stored") - crash.told("dropped"))
    item = store.add(b"one more", b"{}", is_priority=False)
    assert next(other for other in store.first(1000, 10**9) if not other.is_priority) == item
    assert list((place / "tmp").iterdir()) == []
