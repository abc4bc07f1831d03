"""Calls a Python function in a process of its own, within limits of time and memory.

The function and its arguments are pickled, so that they may be the user's own, also from the program that runs as
`__main__`. Whatever happens to the process, with all that it starts it ends here; the caller gets the result or an
error that says what happened and what to do. The other side is `isolated_main.py`.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import (
    ChildCrashedError,
    ChildFailedError,
    ChildOutOfMemoryError,
    ChildRaisedError,
    ChildTimedOutError,
    NotPicklableError,
)
from .command import Command
from .threads import io_bound

CALL, ANSWER, LOG = "call.pickle", "answer.json", "log.txt"

START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from learning_loop_node.runtime.isolated_main import main; main(sys.argv[2])"
)

_NO_MEMORY = re.compile(
    r"MemoryError|bad_alloc|out of memory|can.t allocate memory|Cannot allocate memory|unable to allocate",
    re.IGNORECASE,
)
"""What libraries say when they get no memory, which is not always an exception of its own."""

TAIL_LINES = 20
LONGEST_LOG_BYTES = 100 * 2**20
"""What prints more is ended, before it has filled the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a call may take; 0 bytes are no limit. `time_setting` and `memory_setting` are what to change, for people.

    The memory is what each process allocates for itself. What it only reserves does not count: libraries for GPUs
    reserve hundreds of gigabytes.
    """

    time_s: float
    memory_bytes: int = 0
    time_setting: str = "time_s"
    memory_setting: str = "memory_bytes"


async def call_isolated(function: Callable[..., Any], *arguments: Any, folder: Path, limits: Limits) -> Any:
    """What the function returns in a process of its own, as JSON has it.

    In the folder lie then what was asked, what was answered, and `log.txt` with what was printed. Raises
    `NotPicklableError`, or one of the errors below `ChildFailedError`, with the last lines of the log as `log_tail`.
    A function that calls what users wrote may raise `ChildRaisedError` from what that raised: then this is its text.
    """
    payload = pickled((function, arguments))
    call = pickle.dumps(
        {"argv": sys.argv, "main": _main_module(payload), "memory_bytes": limits.memory_bytes, "payload": payload}
    )
    await io_bound(_lay_out, folder, call)
    command = Command(
        getattr(function, "__name__", "function"),
        [sys.executable, "-c", START, json.dumps(sys.path), str(folder)],
        log_file=folder / LOG,
        has_lifeline=True,
    )
    try:
        await command.start()
        async with asyncio.timeout(limits.time_s):
            while (status := await _wait_a_second(command)) is None:
                if await io_bound(_size_of, command.log_file) > LONGEST_LOG_BYTES:
                    raise _failure(ChildFailedError, f"printed more than {LONGEST_LOG_BYTES} bytes", command)
    except TimeoutError as error:
        text = f"took longer than {limits.time_s:g} s and was ended; let {limits.time_setting} be more if it needs that"
        raise _failure(ChildTimedOutError, text, command) from error
    finally:
        await command.kill()
    answer = await io_bound(_read_answer, folder)
    if answer is not None and "result" in answer:
        return answer["result"]
    raise _error_of(status, answer, command, limits)


def pickled(value: Any) -> bytes:
    """The value as another process can read it; `NotPicklableError` says what in it stands in the way."""
    try:
        return pickle.dumps(value)
    except Exception as error:  # whatever the classes of users raise
        raise NotPicklableError(
            f"{_culprit(value)} cannot be handed to a process of its own: {error}. Let its class stand at the top "
            "level of a file, and open what belongs to one process (networks, sessions, locks, files) where it is used"
        ) from error


def _culprit(value: Any) -> str:
    """The innermost thing that we find that cannot be pickled."""
    value = getattr(value, "__self__", value)  # what a method belongs to
    members = dict(enumerate(value)) if isinstance(value, tuple | list) else getattr(value, "__dict__", {})
    for name, member in members.items():
        try:
            pickle.dumps(member)
        except Exception:
            if isinstance(name, int):
                return _culprit(member)
            return f"the attribute {name!r} of {type(value).__name__}"
    return type(value).__name__


def _main_module(payload: bytes) -> dict[str, str] | None:
    """Where the program is from which something in the payload comes, None if nothing does."""
    if b"__main__" not in payload:
        return None
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return {"name": spec.name}
    file = getattr(main, "__file__", None)
    if file is None:
        raise NotPicklableError(
            "what was typed in or given with -c cannot be handed to a process of its own; put it into a file"
        )
    return {"path": str(Path(file).absolute())}


async def _wait_a_second(command: Command) -> int | None:
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            return await command.wait()
    return None


def _size_of(file: Path) -> int:
    return file.stat().st_size


def _lay_out(folder: Path, call: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in (ANSWER, LOG):
        (folder / name).unlink(missing_ok=True)
    (folder / CALL).write_bytes(call)


def _read_answer(folder: Path) -> dict[str, Any] | None:
    with suppress(OSError, ValueError):
        answer = json.loads((folder / ANSWER).read_bytes())
        return answer if isinstance(answer, dict) else None
    return None


def _error_of(status: int, answer: dict[str, Any] | None, command: Command, limits: Limits) -> ChildFailedError:
    tail = command.log_tail(TAIL_LINES)
    said = str(answer.get("text")) if answer else tail
    if (answer and answer.get("is_memory")) or _NO_MEMORY.search(said):
        limit = f"{limits.memory_bytes} bytes are its limit" if limits.memory_bytes else "the machine has no more"
        return _failure(
            ChildOutOfMemoryError,
            f"ran out of memory: {limit}; let {limits.memory_setting} be more, or use less",
            command,
        )
    if answer is not None:
        stage = answer.get("stage")
        return _failure(ChildRaisedError, f"{stage} {said}" if stage else said, command, is_named=not stage)
    if status == -signal.SIGKILL:
        text = (
            "was killed from outside, most likely by the kernel for want of memory; give the machine more, or use less"
        )
        return _failure(ChildOutOfMemoryError, text, command)
    if status < 0:
        return _failure(ChildCrashedError, f"was ended by {_name_of(-status)}; its log may say where", command)
    text = f"ended by itself with status {status} and without a result; let it return, and raise where it cannot go on"
    return _failure(ChildFailedError, text, command)


def _failure(cls: type[ChildFailedError], text: str, command: Command, *, is_named: bool = False) -> ChildFailedError:
    """The error, with the name of the function before the text unless it names what failed itself."""
    error = cls(text if is_named else f"{command.name} {text}")
    error.log_tail = command.log_tail(TAIL_LINES)
    return error


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
