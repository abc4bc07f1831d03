"""Files of data sets: names that fit everywhere, folders that appear when they are complete, paths that stay inside."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from uuid import uuid4

from ..errors import DatasetError

USUAL_ENDING = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "bmp": ".bmp"}
"""Of the files of every format that we know."""

ENDINGS = (*USUAL_ENDING.values(), ".jpeg")

_LONGEST_NAME = 200
_BAD = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u2028\u2029]')


class FileNames:
    """Gives every image of a folder a file name: its own if that is possible, else one made from its id.

    No two names differ only in case, or (if `by_stem`) only in their endings.
    """

    def __init__(self, *, by_stem: bool) -> None:
        self._by_stem = by_stem
        self._taken: set[str] = set()

    def take(self, name: str | None, id_: str, image_format: str) -> str:
        """A relative path; it may lead through folders if the image's own name does."""
        wanted = PurePosixPath(name if name and is_portable(name) else _made_from(id_))
        if wanted.suffix.lower() not in ENDINGS:
            wanted = wanted.with_name(wanted.name + USUAL_ENDING[image_format])
        candidate, number = wanted, 1
        while self._mark(candidate) in self._taken:
            rest = _made_from(id_) if number == 1 else f"{_made_from(id_)}_{number}"
            candidate = wanted.with_name(f"{wanted.stem}_{rest}{wanted.suffix}")
            number += 1
        self._taken.add(self._mark(candidate))
        return str(candidate)

    def _mark(self, path: PurePosixPath) -> str:
        return str(path.with_suffix("") if self._by_stem else path).casefold()


def is_portable(name: str) -> bool:
    """Whether this is a relative path that every file system takes as it is, and that is the same on all of them."""
    parts = name.split("/")
    return (
        all(part not in ("", ".", "..") and part == part.strip(" .") for part in parts)
        and all(not _BAD.search(part) and part.isprintable() for part in parts)
        and len(name.encode(errors="replace")) <= _LONGEST_NAME
        and unicodedata.is_normalized("NFC", name)
    )


def _made_from(id_: str) -> str:
    """An id as a file name; ids that are none in a short form that depends on nothing else."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", id_):
        return id_
    return hashlib.sha256(id_.encode(errors="surrogatepass")).hexdigest()[:32]


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """A folder to write into, which gets its name when the block ends well, and is deleted if not.

    `DatasetError` if there is something of that name already, or it cannot be written.
    """
    refuse_existing(folder)
    folder = folder.absolute()
    aside = folder.with_name(f".{folder.name}.{uuid4().hex}.tmp")
    try:
        aside.mkdir(parents=True)
        yield aside
        refuse_existing(folder)
        aside.rename(folder)
    except OSError as error:
        raise DatasetError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def refuse_existing(folder: Path) -> None:
    """Raise `DatasetError` if writing there would mix two data sets."""
    if folder.is_symlink() or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))):
        raise DatasetError(f"{folder} exists already; name a folder that does not exist, or an empty one")


def read(file: Path, label: str) -> bytes:
    """The content of a file; `DatasetError` names it."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise DatasetError(f"{label} cannot be read: {error.strerror or error}") from error


def inside(folder: Path, name: str) -> Path | None:
    """The file of this relative name, None if it is not there. `DatasetError` if the name leads out of the folder."""
    if not name or "\0" in name:
        raise DatasetError(f"{name!r} is no file name")
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or re.match("[A-Za-z]:", name) or ".." in path.parts:
        raise DatasetError(f"{name!r} leads out of the data set; name the file relative to its folder, without '..'")
    file = folder / path
    try:
        if not file.is_file():
            return None
        if not file.resolve().is_relative_to(folder.resolve()):
            raise DatasetError(f"{name!r} is a link that leads out of {folder}; put the file itself there")
    except (OSError, ValueError):  # a name that is too long, or a loop of links
        return None
    return file


def set_of(split: str) -> str | None:
    """Which of our sets the name of a split means: `train2017`, `valid`, `validation`, `test-dev`, …; None if none.

    >>> [set_of(name) for name in ("train2017", "valid", "Test", "default")]
    ['train', 'val', 'test', None]
    """
    lower = split.lower()
    return next((name for name in ("train", "val", "test") if lower.startswith(name)), None)


def text_lines(file: Path, label: str) -> list[str]:
    """The lines of a text file."""
    try:
        return read(file, label).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DatasetError(f"{label} is not UTF-8 text ({error.reason} at byte {error.start})") from error


def relative(file: Path, folder: Path) -> str:
    """How messages name a file of a data set."""
    return os.path.relpath(file, folder)
