"""What tests let other processes do."""
# ruff: noqa: T201 - what they print is part of it

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MEGABYTE = 10**6


def add(one: int, other: int) -> dict[str, Any]:
    print("adding")
    return {"sum": one + other, "process": os.getpid()}


def fail(text: str) -> None:
    print("about to fail")
    raise ValueError(text)


def leave(status: int) -> None:
    sys.exit(status)


def leave_without_a_word(status: int) -> None:
    os._exit(status)


def return_what_is_no_json() -> object:
    return {1, 2}


def print_without_end() -> None:
    while True:
        print("x" * 2**20)


def allocate(size_bytes: int) -> int:
    return len(bytearray(size_bytes))


def abort_like_a_library() -> None:
    print("terminate called after throwing an instance of 'std::bad_alloc'", flush=True)
    os.abort()


def read_nothing() -> None:
    ctypes.string_at(0)


def end_by(number: int) -> None:
    os.kill(os.getpid(), number)


def read_input() -> str:
    return sys.stdin.read()


def have_a_child(file: str) -> None:
    """Start a program that outlives us unless somebody ends it, and wait for it."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path(file).write_text(f"{os.getpid()} {child.pid}")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)


class WithNetwork:
    """What has something that belongs to one process."""

    def __init__(self) -> None:
        self.name = "fine"
        self.session = open(__file__)  # noqa: SIM115, PTH123 - closed by the test

    def run(self) -> str:
        return self.name
