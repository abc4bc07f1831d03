"""Where in the log of a training another try begins: noted beside the log, which belongs to the program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

LOG_FILE = "last_training.log"
NOTE_FILE = ".last_training.tries"


def mark_try(training_folder: Path, name: str) -> None:
    """Note that what the log gets from now on belongs to the try with this name. The first try needs none."""
    try:
        with (training_folder / LOG_FILE).open("rb") as log:
            size_bytes = log.seek(0, 2)
            log.seek(max(0, size_bytes - 1))
            end = log.read()
    except FileNotFoundError:
        return
    if size_bytes == 0:
        return
    line = f"--- {name} ---\n" if end == b"\n" else f"\n--- {name} ---\n"
    with suppress(OSError), (training_folder / NOTE_FILE).open("a") as note:  # a log without marks is better than none
        note.write(f"{json.dumps([size_bytes, line])}\n")


class MarkedLog:
    """The log of a training as it is shown: with a line before each further try."""

    def __init__(self, training_folder: Path) -> None:
        self._file = training_folder / LOG_FILE
        self._marks = sorted(dict(_marks_in(training_folder / NOTE_FILE)).items())  # of tries without output, the last

    def tail(self, longest_bytes: int) -> tuple[int, str]:
        """The size of all of it in bytes, and its last lines; `(0, "")` if there is none."""
        try:
            with self._file.open("rb") as log:
                size_bytes = log.seek(0, 2)
                start = max(0, size_bytes - longest_bytes)
                log.seek(start)
                content = log.read(size_bytes - start)
        except FileNotFoundError:
            return 0, ""
        if start:
            start = size_bytes - len(content := content.partition(b"\n")[2] or content)
        parts, done = [], start
        for offset, line in self._marks:
            if start <= offset <= size_bytes:
                parts += [content[done - start : offset - start], line]
                done = offset
        parts.append(content[done - start :])
        marks_bytes = sum(len(line) for offset, line in self._marks if offset <= size_bytes)
        return size_bytes + marks_bytes, b"".join(parts).decode(errors="replace")


def _marks_in(file: Path) -> Iterator[tuple[int, bytes]]:
    with suppress(OSError, ValueError):  # ValueError: a line that a full disk has cut off
        for text in file.read_text().splitlines():
            offset, line = json.loads(text)
            yield int(offset), str(line).encode()
