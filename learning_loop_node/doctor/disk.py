"""Whether the data folder can be written, has room, and keeps what it is told to keep."""

from __future__ import annotations

import errno
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from ..runtime.files import sync_folder, write_synced
from ..runtime.threads import io_bound
from ..settings import OutboxSettings
from .finding import Verdict, error, ok, warning
from .quantities import size_text

TRIES = 5
TRIAL_BYTES = 65_536
SLOW_S = 0.05
"""An image takes two of these waits; with more, saving would be slower than a camera at ten images a second."""


async def check_folder(folder: Path) -> Verdict:
    """Whether a node could keep its data there. Nothing is left behind, and nothing is made that was not there."""
    return await io_bound(_check_folder, folder)


async def check_room(folder: Path, limits: OutboxSettings) -> Verdict:
    """Whether the outbox could grow as far as its limits let it."""
    return await io_bound(_check_room, folder, limits)


async def check_sync(folder: Path) -> Verdict:
    """Whether fsync works, and how long it takes."""
    return await io_bound(_check_sync, folder)


def _check_folder(folder: Path) -> Verdict:
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return error(f"{place} is no folder", "set DATA_FOLDER (--data) to a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        owner = place.stat().st_uid
        return error(
            f"{place} cannot be written by this user ({os.geteuid()}; it belongs to {owner})",
            "give the user of the node the right to write there, or set DATA_FOLDER (--data) to another folder",
        )
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"trial")
            file.flush()
    except OSError as failure:
        return error(f"{place} refuses a file: {failure.strerror}", "look at the disk (df -h, df -i, mount, dmesg)")
    return ok("can be written" if place == folder else f"is not there yet, and can be made in {place}")


def _check_room(folder: Path, limits: OutboxSettings) -> Verdict:
    usage = shutil.disk_usage(_existing(folder))
    found = f"{size_text(usage.free)} free of {size_text(usage.total)}"
    if usage.free < limits.min_free_bytes:
        return error(
            f"{found}, less than {size_text(limits.min_free_bytes)} (OUTBOX_MIN_FREE_BYTES)",
            "make room: as it is, no image can be kept",
        )
    if usage.free - limits.min_free_bytes < limits.max_bytes:
        return warning(
            f"{found}, while the outbox may take {size_text(limits.max_bytes)} (MAX_OUTBOX_BYTES)",
            "make room, or lower MAX_OUTBOX_BYTES; when the disk is full, OUTBOX_DISK_FULL decides what gives way",
        )
    return ok(found)


def _check_sync(folder: Path) -> Verdict:
    seconds = []
    try:
        with tempfile.TemporaryDirectory(dir=_existing(folder), prefix=".doctor-") as trial:
            for number in range(TRIES):
                began = time.perf_counter()
                write_synced(Path(trial) / str(number), bytes(TRIAL_BYTES))
                sync_folder(Path(trial))
                seconds.append(time.perf_counter() - began)
    except OSError as failure:
        if failure.errno in (errno.ENOSPC, errno.EDQUOT):
            return error("there is no room to try it", "make room")
        return error(
            f"fsync fails: {failure.strerror or failure}", "images would not survive a power cut; use another disk"
        )
    median_s = statistics.median(seconds)
    found = f"file and folder are on the disk after {median_s * 1000:.1f} ms (longest {max(seconds) * 1000:.1f} ms)"
    if median_s > SLOW_S:
        return warning(found, f"at most {1 / median_s:.0f} images can be kept a second; a faster disk helps")
    return ok(found)


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.is_dir())
