"""The steps from which a folder store is made. A crash may come between any two of them, or within one."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ...runtime.files import make_folder, sync_folder, write_synced


class Disk:
    """The disk of the machine. Raises `OSError`."""

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it, synced in their parents. A power cut keeps them."""
        make_folder(folder)

    def make_folder_aside(self, folder: Path) -> None:
        """Make one folder, without waiting for the disk."""
        folder.mkdir()

    def write(self, file: Path, content: bytes) -> None:
        """Write a new file and wait until its content, not yet its name, is on the disk."""
        write_synced(file, content)

    def sync(self, folder: Path) -> None:
        """Wait until the names in a folder are on the disk."""
        sync_folder(folder)

    def move(self, source: Path, target: Path) -> None:
        """Give a file or folder another place, all or nothing."""
        source.rename(target)

    def delete(self, path: Path) -> None:
        """Delete a file, or a folder with all that is in it; links are not followed."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def free_bytes(self, folder: Path) -> int:
        """Room for one who is not root."""
        state = os.statvfs(folder)
        return state.f_bavail * state.f_frsize
