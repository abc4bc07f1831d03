"""Where items go that cannot be sent: a folder of bounded size beside the lanes, a reason with each."""

from __future__ import annotations

import logging
import stat
from collections import OrderedDict
from pathlib import Path
from uuid import uuid4

from .disk import Disk

logger = logging.getLogger(__name__)

REASON_FILE = "reason.txt"

TRY_AGAIN = """
To try again, move this folder to outbox/normal. If you have repaired a file of it, so that it is not byte for byte the
one that was saved, delete the .key file here first: it holds the length and hash of what was saved.
"""


class Quarantine:
    """Keeps at most so many items and bytes; the first that came give way."""

    def __init__(self, path: Path, max_items: int, max_bytes: int, disk: Disk) -> None:
        self.path = path
        self.received = 0
        self.dropped = 0
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._disk = disk
        self._sizes: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sizes)

    def refresh(self) -> None:
        """Find what is there from earlier, and notice what was taken away by hand."""
        try:
            names = sorted(entry.name for entry in self.path.iterdir())
        except OSError:
            names = []
        self._sizes = OrderedDict((name, _size(self.path / name)) for name in names)
        self._make_room()

    def put(self, path: Path, reason: str, tmp: Path) -> None:
        """Move a file or folder here; nothing happens if it is gone. Raises `OSError` where it cannot be moved."""
        try:
            state = path.lstat()
        except FileNotFoundError:
            return
        logger.warning("%s goes to quarantine, to the folder %s: %s", path.name, self.path, reason)
        self._disk.make_folder(self.path)
        if stat.S_ISDIR(state.st_mode):
            if not state.st_mode & stat.S_IWUSR:
                path.chmod(0o700)
            folder = path
        else:
            folder = tmp / uuid4().hex
            self._disk.make_folder(tmp)
            self._disk.make_folder_aside(folder)
            self._disk.move(path, folder / path.name)
        try:
            self._disk.write(folder / REASON_FILE, f"{reason}\n{TRY_AGAIN}".encode(errors="replace"))
        except OSError as error:
            logger.warning("the reason could not be written beside %s: %s", path.name, error)
        target = self.path / path.name
        if target.exists() or target.is_symlink():
            target = self.path / f"{path.name}.{uuid4().hex}"
        self._disk.move(folder, target)
        self._disk.sync(self.path)
        self._disk.sync(path.parent)
        self.received += 1
        self._sizes[target.name] = _size(target)
        self._make_room()

    def _make_room(self) -> None:
        while self._sizes and (len(self._sizes) > self._max_items or sum(self._sizes.values()) > self._max_bytes):
            name, _ = self._sizes.popitem(last=False)
            try:
                self._disk.delete(self.path / name)
            except OSError as error:
                logger.warning("%s cannot be deleted: %s", self.path / name, error)
            self.dropped += 1


def _size(path: Path) -> int:
    """Bytes of a folder and what lies directly in it."""
    try:
        return sum(file.lstat().st_size for file in path.iterdir()) if path.is_dir() else path.lstat().st_size
    except OSError:
        return 0
