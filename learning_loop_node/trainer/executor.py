"""Runs the program that trains, with its output in a file beside the model."""

from __future__ import annotations

import logging
import os
import shlex
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import ChildFailedError, ProgramMissingError
from ..runtime.command import GRACE_S, Command, environment_with
from ..runtime.process_group import ProcessGroup, marked_groups, note_leader, noted_group
from ..runtime.threads import io_bound
from .training_slot import SLOT_OF_TRAINING

logger = logging.getLogger(__name__)

MARK = "LEARNING_LOOP_TRAINING"
"""A variable that each program finds in its environment. By its value we find those of which we could not take note."""

LEFT_OVER_GRACE_S = 2.0
"""So long may what a program has started go on after it."""


class Executor:
    """One training program at a time, in the folder `base_path`, with everything that it starts itself.

    What it prints is added to the log in that folder. Stopping asks all its processes to end and kills those that do
    not. A program that outlives us, because we were killed, keeps the training slot, is found again and ended before
    another one starts.
    """

    def __init__(self, base_path: str, log_name: str = "last_training.log") -> None:
        self.path = str(base_path)
        self.log_file_path = str(Path(self.path) / log_name)
        self._note = Path(self.path) / f".{Path(log_name).stem}.process"
        self._command: Command | None = None
        self._began_at_bytes = 0
        self.was_stopped = False
        """Whether we have asked the program to end."""
        Path(self.path).mkdir(parents=True, exist_ok=True)

    async def start(self, cmd: str | Sequence[str | os.PathLike[str]], env: Mapping[str, str] | None = None) -> None:
        """Start a program: a list of it and its arguments, or a command line; `env` is added to our own environment.

        In a command line quotes are understood as by a shell, but there is none: no pipes, no variables; a path with
        blanks needs quotes there, in a list it does not. `ProgramMissingError` (also a `FileNotFoundError`) if there is
        no such program.
        """
        arguments = shlex.split(cmd) if isinstance(cmd, str) else [os.fspath(part) for part in cmd]
        if not arguments:
            raise ChildFailedError("there is no program to start: the command is empty")
        if self.is_running():
            raise ChildFailedError(f"a training is running in {self.path} already")
        await self.end_left_over()
        command = Command(
            "training",
            arguments,
            log_file=Path(self.log_file_path),
            environment=environment_with(env) | {MARK: str(self._note.absolute())},
            folder=Path(self.path),
        )
        self._began_at_bytes = await io_bound(_size_bytes, Path(self.log_file_path))
        try:
            with SLOT_OF_TRAINING.get().shared() as descriptors:
                await command.start(descriptors)
        except FileNotFoundError as error:
            raise ProgramMissingError(_why_missing(arguments[0], Path(self.path))) from error
        except PermissionError as error:
            raise ChildFailedError(
                f"the program {arguments[0]!r} cannot be started: it, or its folder, may not be used by this user"
            ) from error
        self._command, self.was_stopped = command, False
        assert command.process_id is not None
        await io_bound(note_leader, command.process_id, self._note)

    def is_running(self) -> bool:
        return self._command is not None and self._command.is_running

    @property
    def return_code(self) -> int | None:
        """The status with which the program ended, the negative number of the signal that ended it; None before."""
        return self._command.exit_status if self._command else None

    def terminate(self) -> None:
        """Ask the program and all that it has started to end, without waiting."""
        if self.is_running():
            self.was_stopped = True
            self._group.send(signal.SIGTERM)

    async def wait(self) -> int | None:
        """Wait until the program has ended by itself; its status. None if there was none."""
        if self._command is None:
            return None
        status = await self._command.wait()
        await self._group.end(LEFT_OVER_GRACE_S)
        return status

    async def stop_and_wait(self, grace_s: float = GRACE_S) -> int | None:
        """End the program and all that it has started: ask, and kill after the grace. Its status, None if none ran."""
        if self._command is None:
            return None
        self.was_stopped = self.was_stopped or self.is_running()
        await self._group.end(grace_s)
        return await self._command.wait()

    async def end_left_over(self) -> None:
        """End what an earlier process of ours has left running here."""
        if self.is_running():
            return
        noted = await io_bound(noted_group, self._note)
        groups = [noted] if noted is not None else await io_bound(marked_groups, MARK, str(self._note.absolute()))
        for group in groups:
            logger.warning("a training of before still runs in %s and is ended", self.path)
            await group.end(GRACE_S)

    def get_log(self) -> str:
        """All that was printed, also by earlier programs in this folder."""
        try:
            return Path(self.log_file_path).read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def get_log_by_lines(self, tail: int | None = None) -> list[str]:
        """The lines that were printed, with their ends, or the last `tail` of them."""
        return _last(self.get_log(), tail)

    def get_own_log_by_lines(self, tail: int | None = None) -> list[str]:
        """The same without what earlier programs have printed before the last start."""
        try:
            with Path(self.log_file_path).open("rb") as log:
                log.seek(self._began_at_bytes)
                return _last(log.read().decode(errors="replace"), tail)
        except FileNotFoundError:
            return []

    def close_log(self) -> None:
        """Does nothing: the log is open in the program only. Programs call it."""

    @property
    def _group(self) -> ProcessGroup:
        assert self._command is not None
        assert self._command.process_id is not None
        return ProcessGroup(self._command.process_id)


def _last(text: str, count: int | None) -> list[str]:
    lines = text.splitlines(keepends=True)
    return lines if count is None else lines[-count:] if count > 0 else []


def _why_missing(program: str, folder: Path) -> str:
    if not folder.is_dir():
        return f"the program {program!r} cannot be started: its folder {folder} is not there any more"
    if os.sep not in program:
        return f"the program {program!r} is not there: nothing on the PATH has this name; install it, or give its path"
    if (folder / program).exists():
        return f"the program {program!r} cannot be started: the interpreter in its first line is not there"
    return f"the program {program!r} is not there: {folder / program} does not exist; correct its path, or install it"


def _size_bytes(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
