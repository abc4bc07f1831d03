"""A program that runs beside us, with its output in a file."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from .threads import io_bound

GRACE_S = 10.0
"""How long a program may take to end by itself before it is killed."""

LONGEST_TAIL_BYTES = 64 * 1024


class Command:
    """Starts a program and stops it, in two stages: it is asked to end, and after a while killed with its children.

    What it prints is added to `log_file`. The program is in a process group of its own, so that Ctrl-C reaches us only,
    and we stop it in order. Leaving the `async with` block stops it, too; stopping what does not run does nothing.

    With `has_lifeline` its standard input comes to an end when we do, whatever ends us, so that it can end as well;
    else there is nothing to read from it.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        log_file: Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        has_lifeline: bool = False,
    ) -> None:
        self.name = name
        self.arguments = list(arguments)
        self.log_file = log_file
        self._environment = environment
        self._folder = folder
        self._input = asyncio.subprocess.PIPE if has_lifeline else asyncio.subprocess.DEVNULL
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Command:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def process_id(self) -> int | None:
        """None before the first start; that of the last one when the program has ended."""
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def exit_status(self) -> int | None:
        """The status with which the program ended, the negative signal number if one ended it, None while it runs."""
        return self._process.returncode if self._process else None

    async def start(self, descriptors: Sequence[int] = ()) -> None:
        """Start the program, for the first time or again. `FileNotFoundError` or `PermissionError` if it cannot be.

        Of our files, it has those with these descriptors open, too.
        """
        if self.is_running:
            raise RuntimeError(f"{self.name} is already running")
        with await io_bound(self.log_file.open, "ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.arguments,
                stdin=self._input,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                env=self._environment,
                cwd=self._folder,
                start_new_session=True,
                pass_fds=tuple(descriptors),
            )

    async def wait(self) -> int:
        """Wait until the program ends by itself; its exit status."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return await self._process.wait()

    async def stop(self, grace_s: float = GRACE_S) -> int | None:
        """Ask the program to end and wait for it; kill it if it does not. Its exit status, None if it never ran."""
        if self._process is None:
            return None
        if self.is_running:
            self._send(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), grace_s)
            except TimeoutError:
                self._send(signal.SIGKILL, to_children=True)
            except asyncio.CancelledError:
                self._send(signal.SIGKILL, to_children=True)
                raise
        return await self._process.wait()

    async def kill(self) -> int | None:
        """Kill the program and what it has started, even if that outlived it. Its exit status, None if it never ran."""
        if self._process is None:
            return None
        self._send(signal.SIGKILL, to_children=True)
        return await self._process.wait()

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that the program printed; of a long one, what is in the last 64 KB."""
        try:
            with self.log_file.open("rb") as log:
                size_bytes = log.seek(0, os.SEEK_END)
                log.seek(max(0, size_bytes - LONGEST_TAIL_BYTES))
                text = log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _send(self, number: signal.Signals, *, to_children: bool = False) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            if to_children:
                os.killpg(self._process.pid, number)
            else:
                self._process.send_signal(number)


def environment_with(additions: Mapping[str, str] | None) -> dict[str, str]:
    """Our own environment, with these variables added or replaced."""
    return {**os.environ, **(additions or {})}
