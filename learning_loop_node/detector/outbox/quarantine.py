"""Where items go that cannot be sent: a folder of bounded size beside the lanes, a reason with each."""

from __future__ import annotations

import logging
import re
import stat
from collections import OrderedDict
from itertools import islice
from pathlib import Path
from uuid import uuid4

from .disk import Disk
from .item_folder import item_in, read_file
from .store import Item, ItemDamagedError, ItemGoneError, ItemUnreadableError, Quarantined, lane_name

logger = logging.getLogger(__name__)

REASON_FILE = "reason.txt"

TRY_AGAIN = """
To try again, move this folder to outbox/{lane}. If you have repaired a file of it, so that it is not byte for byte the
one that was saved, delete the .key file here first: it holds the length and hash of what was saved.
"""

_PRIORITY, _NORMAL = lane_name(is_priority=True), lane_name(is_priority=False)


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

    def names(self, count: int, after: str = "") -> list[str]:
        """Names of folders here in their order, behind this one."""
        return list(islice((name for name in sorted(self._sizes) if name > after), count))

    def entry(self, name: str) -> Quarantined | None:
        """What is in a folder here; None if it is gone."""
        folder = self.path / name
        try:
            reason, lane = _reason_in(folder)
            saved_at = next(iter(folder.glob("image_*.jpg")), folder).lstat().st_mtime
        except OSError:
            return None
        return Quarantined(name, lane == _PRIORITY, self._sizes.get(name, 0), saved_at, reason)

    def read(self, name: str, ending: str) -> bytes:
        """The image (`jpg`) or the metadata (`json`) in a folder here; raises like `read_file`."""
        if name not in self._sizes:
            raise ItemGoneError
        folder = self.path / name
        return read_file(folder, f"{_stem_in(folder)}.{ending}")

    def release(self, name: str, outbox: Path) -> Item:
        """Move a folder back to where it waited; raises like `Browsable.retry`."""
        if name not in self._sizes:
            raise ItemGoneError(f"there is no {name} in quarantine")
        folder = self.path / name
        try:
            _, lane = _reason_in(folder)
            item = item_in(folder, is_priority=lane == _PRIORITY, name=_stem_in(folder).removeprefix("image_"))
            target = outbox / lane / item.name
            if target.exists() or target.is_symlink():
                raise ItemDamagedError(f"another image called {item.name} waits already")
            self._disk.move(folder, target)
            self._disk.sync(target.parent)
            self._disk.sync(self.path)
        except FileNotFoundError as error:
            self._sizes.pop(name, None)
            raise ItemGoneError(f"{name} is no longer in quarantine") from error
        except OSError as error:
            raise ItemUnreadableError(f"{name} cannot be moved: {error.strerror or error}") from error
        del self._sizes[name]
        try:
            self._disk.delete(target / REASON_FILE)
        except OSError as error:
            logger.warning("%s stays beside an image that waits again: %s", target / REASON_FILE, error)
        return item

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
        lane = path.parent.name if path.parent.name == _PRIORITY else _NORMAL
        try:
            self._disk.write(folder / REASON_FILE, f"{reason}\n{TRY_AGAIN.format(lane=lane)}".encode(errors="replace"))
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


def _reason_in(folder: Path) -> tuple[str, str]:
    """Why a folder is here, and the lane from which it came. Raises `OSError` if it is gone."""
    folder.lstat()
    try:
        text = (folder / REASON_FILE).read_text(errors="replace")
    except OSError:
        return "the reason is not known", _NORMAL
    reason, _, _ = text.partition(TRY_AGAIN.partition("{lane}")[0])
    came_from = re.search(r"move this folder to outbox/(\w+)", text)
    return reason.strip(), _PRIORITY if came_from and came_from[1] == _PRIORITY else _NORMAL


def _stem_in(folder: Path) -> str:
    """What the files of an image here are called without their ending."""
    names = sorted(file.name for file in folder.glob("image_*.jpg")) or sorted(
        file.name for file in folder.glob("image_*.json")
    )
    return names[0].rpartition(".")[0] if names else f"image_{folder.name}"
