"""Says what a user's program raised, and where in it, in one line."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from traceback import FrameSummary, extract_tb, print_exception
from types import TracebackType

LONGEST_MESSAGE = 500
_PACKAGE = Path(__file__).resolve().parents[1]
_LIBRARIES = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")]


def sentence_of(error: BaseException) -> str:
    """Such as `ValueError: no such layer (halves.py, line 15)`: the line is the last one in the user's own files."""
    cls = type(error)
    name = cls.__qualname__
    if cls.__module__ not in ("builtins", "__main__", "__mp_main__"):
        name = f"{cls.__module__}.{name}"
    message = " ".join(_message_of(error).split())
    if len(message) > LONGEST_MESSAGE:
        message = f"{message[:LONGEST_MESSAGE]}…"
    frames = extract_tb(error.__traceback__)
    others = [frame for frame in frames if _PACKAGE not in Path(frame.filename).resolve().parents]
    frame = next(iter([*reversed(_of_program(frames)), *reversed(others)]), None)
    place = f" ({Path(frame.filename).name}, line {frame.lineno})" if frame is not None else ""
    return f"{name}: {message}{place}" if message else f"{name}{place}"


def print_raised(error: BaseException) -> None:
    """Print the traceback, from the first line in the user's own files on."""
    print_exception(type(error), error, _from_program(error.__traceback__))


def _message_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # whatever the classes of users raise
        return ""


def _of_program(frames: list[FrameSummary]) -> list[FrameSummary]:
    return [frame for frame in frames if _is_of_program(frame.filename)]


def _is_of_program(name: str) -> bool:
    """Whether a file is the user's: neither ours, nor of Python, nor of an installed library."""
    file = Path(name).resolve()
    return file.is_file() and not any(folder in file.parents for folder in (_PACKAGE, *_LIBRARIES))


def _from_program(trace: TracebackType | None) -> TracebackType | None:
    first = trace
    while first is not None and not _is_of_program(first.tb_frame.f_code.co_filename):
        first = first.tb_next
    return first or trace
