"""Copies images out of an outbox, with their metadata, and never over something else."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NodeError, NotFoundError, SettingError
from .outbox_place import OutboxPlace, entries_of

if TYPE_CHECKING:
    from ..data_classes import OutboxEntry

AT_ONCE = 4

COPIED, THERE, GONE, FAILED = "copied", "already there", "sent meanwhile", "failed"


async def export(
    place: OutboxPlace,
    target: Path,
    *,
    quarantined: bool,
    on_copied: Callable[[], None],
    complain: Callable[[str], None],
) -> Counter[str]:
    """Copy all that wait, or all in quarantine; how many came to what."""
    from ..runtime.threads import io_bound

    try:
        await io_bound(target.mkdir, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"{target}: {error.strerror}") from error
    counts: Counter[str] = Counter()
    few_at_once = asyncio.Semaphore(AT_ONCE)

    async def copy(entry: OutboxEntry) -> None:
        try:
            counts[await _copy(place, entry, target, quarantined)] += 1
        except (NodeError, OSError) as error:
            complain(f"{entry.name}: {error}")
            counts[FAILED] += 1
        finally:
            few_at_once.release()
            on_copied()

    async with asyncio.TaskGroup() as group:
        async for entry in entries_of(place, quarantined=quarantined):
            await few_at_once.acquire()
            group.create_task(copy(entry))
    return counts


async def _copy(place: OutboxPlace, entry: OutboxEntry, target: Path, quarantined: bool) -> str:
    from ..runtime.threads import io_bound

    where = "quarantine" if quarantined else entry.lane
    stem = f"image_{entry.name}".replace(":", "-")  # for disks of all kinds
    files: dict[str, bytes] = {}
    missing: NotFoundError | None = None
    for ending, fetch in (("jpg", place.image), ("json", place.metadata)):
        try:
            files[f"{stem}.{ending}"] = await fetch(where, entry.name)
        except NotFoundError as error:
            missing = error
    if quarantined:
        files[f"{stem}.reason.txt"] = f"{entry.reason}\n".encode()
    elif not files:
        return GONE
    is_new = [await io_bound(_write, target / name, content) for name, content in files.items()]
    if missing is not None:
        raise missing
    return COPIED if any(is_new) else THERE


def _write(file: Path, content: bytes) -> bool:
    """Whether the file is new. `FileExistsError` if there is another one of this name."""
    if file.exists():
        if file.read_bytes() != content:
            raise FileExistsError(f"{file} is there already, and another one")
        return False
    aside = file.with_name(f".{file.name}.part")
    aside.write_bytes(content)
    aside.rename(file)
    return True
