"""Files that survive a power cut: written aside, synced, renamed."""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path
from uuid import uuid4


def write_synced(file: Path, content: bytes) -> None:
    """Write a file and wait until its content is on the disk. The folder entry is not synced; see `sync_folder`."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Wait until everything in a folder is on the disk: the content of all files, and their names."""
    for root, _folders, files in os.walk(folder):
        for name in files:
            descriptor = os.open(Path(root, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(root))


def sync_filesystem(folder: Path) -> None:
    """Wait until all that was written to the disk of this folder is on it; cheaper than file by file for many."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not hasattr(libc, "syncfs"):
            os.sync()
        elif libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each of them synced in its parent."""
    missing = [path for path in (folder, *folder.parents) if not path.is_dir()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def replace_file(file: Path, content: bytes) -> None:
    """Give a file new content, all or nothing: after a power cut it has the old content or the new one."""
    aside = file.with_name(f".{file.name}.{uuid4().hex}.tmp")
    try:
        write_synced(aside, content)
        aside.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    sync_folder(file.parent)


def point_to(link: Path, target: str) -> None:
    """Let a symbolic link point to `target`, without a moment in which there is none."""
    aside = link.with_name(f".{link.name}.{uuid4().hex}.tmp")
    aside.symlink_to(target)
    try:
        aside.replace(link)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    sync_folder(link.parent)
