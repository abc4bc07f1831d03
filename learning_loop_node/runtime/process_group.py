"""A program together with everything that it has started, also when it is not our child any more."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .files import replace_file
from .threads import io_bound

PROC = Path("/proc")
LOOK_S = 0.05


class ProcessGroup:
    """The processes of a group, known by the id of the one that leads it."""

    def __init__(self, group_id: int) -> None:
        self.id = group_id

    @property
    def is_alive(self) -> bool:
        """Whether anything in it still runs; what has ended and was not yet collected does not count."""
        return any(group == self.id for group in _groups_that_run())

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all of it; does nothing if there is nothing left."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.id, number)

    async def end(self, grace_s: float) -> None:
        """Ask all of it to end, and kill what is left after the grace; when this returns, nothing runs."""
        if not await io_bound(lambda: self.is_alive):
            return
        try:
            self.send(signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._wait()
                return
        finally:
            self.send(signal.SIGKILL)
        await self._wait()

    async def _wait(self) -> None:
        while await io_bound(lambda: self.is_alive):  # noqa: ASYNC110 (the kernel tells parents only)
            await asyncio.sleep(LOOK_S)


def note_leader(process_id: int, file: Path) -> None:
    """Write down which process leads a group, so that the group is found again when we have been killed."""
    replace_file(file, f"{process_id} {_birth_of(process_id)}".encode())


def noted_group(file: Path) -> ProcessGroup | None:
    """The group that was written down, None if its leader has ended, or there is nothing written.

    An id is given to another process some time after the first one has ended, which is known by when it was started.
    """
    try:
        number, birth = file.read_text().split(" ", 1)
        process_id = int(number)
    except (FileNotFoundError, ValueError):
        return None
    is_the_same = birth not in ("", "None") and _birth_of(process_id) == birth
    return ProcessGroup(process_id) if is_the_same else None


def marked_groups(variable: str, value: str) -> list[ProcessGroup]:
    """The groups of programs that were started with this in their environment, also without the one that led them."""
    mark, own = os.fsencode(f"{variable}={value}"), os.getpgrp()
    found = {group for entry, group in _running() if group != own and mark in _environment_of(entry).split(b"\0")}
    return [ProcessGroup(group) for group in sorted(found)]


def _birth_of(process_id: int) -> str | None:
    """When a process was started: the boot, and the ticks since; None if there is no such process."""
    fields = _fields_of(PROC / str(process_id) / "stat")
    if fields is None or fields[0] in ("Z", "X"):
        return None
    with suppress(OSError):
        return f"{(PROC / 'sys/kernel/random/boot_id').read_text().strip()} {fields[19]}"
    return fields[19]


def _groups_that_run() -> Iterator[int]:
    return (group for _, group in _running())


def _running() -> Iterator[tuple[str, int]]:
    """The id of each process that runs, and that of its group."""
    for entry in os.listdir(PROC):  # noqa: PTH208 (a third of the time)
        if entry.isdecimal():
            fields = _fields_of(PROC / entry / "stat")
            if fields is not None and fields[0] not in ("Z", "X"):
                yield entry, int(fields[2])


def _environment_of(process_id: str) -> bytes:
    """Empty for processes of others."""
    try:
        return (PROC / process_id / "environ").read_bytes()
    except OSError:
        return b""


def _fields_of(file: Path) -> list[str] | None:
    """What the kernel says of a process, from its state on: the name before that may contain anything."""
    try:
        return file.read_text(errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
