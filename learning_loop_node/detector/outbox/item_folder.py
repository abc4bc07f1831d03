"""The folder of one image: whether it is one, judged by names and sizes, and its files."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from .item_name import is_item_name
from .store import Item, ItemDamagedError, ItemGoneError, ItemUnreadableError

_WRONG_KIND = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR, errno.ENOTDIR})
"""What opening a file fails with that is no file or not ours, as opposed to trouble that may pass."""


class FileMissingError(ItemDamagedError):
    """The folder lacks a file."""


def item_in(folder: Path, *, is_priority: bool, name: str = "") -> Item:
    """The item in a folder, which is called so unless a `name` is given.

    `ItemDamagedError` says why it is none; `FileNotFoundError` if it is gone.
    """
    name = name or folder.name
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise ItemDamagedError("not a folder")
    if not is_item_name(name):
        raise ItemDamagedError("the name of the folder is not a time")
    with os.scandir(folder) as files:
        states = {file.name: file.stat(follow_symlinks=False) for file in files}
    for ending in ("json", "jpg", "key"):
        file_name = f"image_{name}.{ending}"
        if file_name not in states:
            if ending != "key":
                raise FileMissingError(f"{file_name} is missing")
        elif not stat.S_ISREG(states[file_name].st_mode):
            raise ItemDamagedError(f"{file_name} is not a file")
        elif states[file_name].st_size == 0:
            raise ItemDamagedError(f"{file_name} is empty")
    image = states[f"image_{name}.jpg"]
    return Item(name, is_priority, sum(state.st_size for state in states.values()), image.st_mtime)


def read_file(folder: Path, name: str) -> bytes:
    """What a file of the folder holds; links are not followed.

    `ItemGoneError` if the folder is gone, `FileMissingError` if only the file is; `ItemDamagedError` if it is no file,
    `ItemUnreadableError` if the machine fails.
    """

    def open_itself(path: str, flags: int) -> int:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)

    try:
        with open(folder / name, "rb", opener=open_itself) as stream:
            return stream.read()
    except FileNotFoundError as error:
        if not folder.is_dir():
            raise ItemGoneError from error
        raise FileMissingError(f"{name} is missing") from error
    except OSError as error:
        text = f"{name}: {error.strerror or error}"
        raise (ItemDamagedError(text) if error.errno in _WRONG_KIND else ItemUnreadableError(text)) from error
