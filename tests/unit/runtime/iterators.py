"""Iterators that another process can import."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class OwnError(Exception):
    """One that cannot be made from its text alone."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first} and {second}")


def count(end: int, *, step: int = 1) -> Iterator[int]:
    yield from range(0, end, step)


def count_with_traces(folder: Path) -> Iterator[int]:
    """Endless; leaves a file for each item that was begun, and the number of its process."""
    (folder / "pid").write_text(str(os.getpid()))
    number = 0
    while True:
        (folder / f"item {number}").touch()
        yield number
        number += 1


def sizes(*sizes_bytes: int) -> Iterator[bytes]:
    for size_bytes in sizes_bytes:
        yield bytes(size_bytes)


def raising(error: Exception) -> Iterator[int]:
    yield 1
    raise error


def raising_own() -> Iterator[int]:
    yield 1
    raise OwnError(1, 2)


def killed() -> Iterator[int]:
    yield 1
    os.kill(os.getpid(), signal.SIGKILL)


def ending() -> Iterator[int]:
    yield 1
    os._exit(3)


def not_to_be_sent() -> Iterator[Any]:
    yield 1
    yield lambda: None


def busy(folder: Path) -> Iterator[int]:
    """Never comes to its first item."""
    (folder / "pid").write_text(str(os.getpid()))
    yield from (number for number in itertools.count() if number < 0)
