"""Keeps each image in a folder of its own, laid out as 0.27 does.

    normal/<time>/image_<time>.json, .jpg    waits; 0.27 would send it, too
                  image_<time>.key           its key; 0.27 ignores it and deletes it with the rest
    priority/<time>/…                        waits and goes first
    quarantine/<time>/…, reason.txt          is never sent; `retry` puts it back, or move the folder back by hand
    tmp/…                                    is being written or deleted; emptied at start

An item is always whole: it is written aside, synced, renamed, and synced in its lane; its deletion begins with a
rename. The images are not read at start, only when they are sent.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path
from uuid import uuid4

from ...errors import StorageFullError
from .disk import Disk
from .item_folder import FileMissingError, item_in, read_file
from .item_name import ItemNames
from .key_file import KeyFile, verified
from .lanes import Lanes
from .quarantine import Quarantine
from .store import Content, Item, ItemDamagedError, ItemGoneError, Quarantined, Usage, lane_name

logger = logging.getLogger(__name__)


class FolderStore:
    """An `OutboxStore` in a folder, which is made when it is opened."""

    def __init__(
        self,
        path: Path,
        *,
        quarantine_items: int = 1000,
        quarantine_bytes: int = 500_000_000,
        wall_clock: Callable[[], float] = time.time,
        disk: Disk | None = None,
    ) -> None:
        self.path = path
        self._tmp = path / "tmp"
        self._disk = disk or Disk()
        self._wall_clock = wall_clock
        self._names = ItemNames(wall_clock)
        self._lanes = Lanes()
        self._quarantine = Quarantine(path / "quarantine", quarantine_items, quarantine_bytes, self._disk)
        self._arriving: set[str] = set()
        self._left_alone: set[Path] = set()
        self._found = self._gone = 0
        self._is_open = False
        # Held while names in the lanes change, and not while an image is written.
        self._lock = threading.RLock()

    def open(self) -> None:
        for folder in (self._tmp, self._quarantine.path, *map(self._lane, (True, False))):
            self._make_sure_of(folder)
        if not self._is_open:
            self._is_open = True
            for entry in _entries(self._tmp):
                self._try_to_delete(entry)
        self.refresh()

    def add(self, jpeg: bytes, metadata: bytes, *, is_priority: bool, key: str | None = None) -> Item:
        with self._lock:
            name = self._names.next()
            self._arriving.add(name)
        item = Item(name, is_priority, 0, self._wall_clock())
        aside = self._tmp / f"{name}.{uuid4().hex}"
        try:
            files = {"json": metadata, "jpg": jpeg, "key": KeyFile.made_for(jpeg, metadata, key).to_bytes()}
            try:
                size_bytes = self._write(item, aside, files)
            except FileNotFoundError:
                # Somebody has deleted the folders by hand.
                for folder in (self._tmp, self._lane(is_priority)):
                    self._disk.make_folder(folder)
                self._try_to_delete(aside)
                size_bytes = self._write(item, aside, files)
            item = Item(name, is_priority, size_bytes, item.saved_at)
            with self._lock:
                self._lanes.add([item])
        except OSError as error:
            self._try_to_delete(self._place(item))
            self._try_to_delete(aside)
            raise StorageFullError(f"the image cannot be kept in {self.path}: {error.strerror or error}") from error
        finally:
            with self._lock:
                self._arriving.discard(name)
        return item

    def first(self, count: int, size_bytes: int, skip: Container[Item] = ()) -> list[Item]:
        with self._lock:
            return self._lanes.first(count, size_bytes, skip)

    def oldest(self, skip: Container[Item] = ()) -> Item | None:
        with self._lock:
            return self._lanes.oldest(skip)

    def listed(self, count: int, after: Item | None = None) -> list[Item]:
        with self._lock:
            return self._lanes.listed(count, after)

    def quarantined(self, count: int, after: str = "") -> list[Quarantined]:
        with self._lock:
            names = self._quarantine.names(count, after)
        return [entry for name in names if (entry := self._quarantine.entry(name))]

    def read(self, item: Item) -> Content:
        folder = self._place(item)
        try:
            jpeg, metadata = (read_file(folder, f"{item.stem}.{ending}") for ending in ("jpg", "json"))
            try:
                key_file = read_file(folder, f"{item.stem}.key")
            except FileMissingError:
                key_file = None
        except ItemGoneError:
            self._forget(item, is_gone=True)
            raise
        return verified(item.name, jpeg, metadata, key_file)

    def metadata(self, entry: Item | Quarantined) -> bytes:
        return self._file(entry, "json")

    def jpeg(self, entry: Item | Quarantined) -> bytes:
        return self._file(entry, "jpg")

    def retry(self, name: str) -> None:
        with self._lock:
            item = self._quarantine.release(name, self.path)
            self._names.seen(item.name)
            self._found += 1
            self._lanes.add([item])

    def remove(self, items: Iterable[Item]) -> int:
        aside = []
        lanes = set()
        for item in items:
            target = self._tmp / f"{item.name}.{uuid4().hex}"
            with self._lock:
                is_there = self._moved_aside(item, target)
                self._forget(item, is_gone=not is_there)
            if is_there:
                aside.append(target)
                lanes.add(self._lane(item.is_priority))
        for lane in lanes:
            try:
                self._disk.sync(lane)
            except OSError as error:
                logger.warning("%s cannot be synced: %s", lane, error)
        for target in aside:
            self._try_to_delete(target)
        return len(aside)

    def quarantine(self, item: Item, reason: str) -> None:
        with self._lock:
            self._set_apart(self._place(item), reason)
            self._forget(item)

    def refresh(self) -> None:
        with self._lock:
            self._quarantine.refresh()
        for is_priority in (True, False):
            with self._lock:
                known = self._lanes.names(is_priority=is_priority)
            found = {entry.name: entry for entry in _entries(self._lane(is_priority))}
            with self._lock:
                for name in known - found.keys():
                    if self._lanes.pop(name, is_priority=is_priority):
                        self._gone += 1
                new = found.keys() - self._lanes.names(is_priority=is_priority) - self._arriving
                adopted = (self._adopted(found[name], is_priority=is_priority) for name in new)
                self._lanes.add(item for item in adopted if item)

    def usage(self) -> Usage:
        with self._lock:
            return Usage(
                items=len(self._lanes),
                priority_items=self._lanes.count(is_priority=True),
                size_bytes=self._lanes.size_bytes,
                oldest_at=self._lanes.oldest_at(),
                quarantine_items=len(self._quarantine),
                found=self._found,
                quarantined=self._quarantine.received,
                quarantine_dropped=self._quarantine.dropped,
                gone=self._gone,
            )

    def free_bytes(self) -> int:
        try:
            return self._disk.free_bytes(self.path)
        except OSError as error:
            raise StorageFullError(f"{self.path}: {error.strerror or error}") from error

    def _lane(self, is_priority: bool) -> Path:
        return self.path / lane_name(is_priority=is_priority)

    def _place(self, item: Item) -> Path:
        return self.path / item.lane / item.name

    def _file(self, entry: Item | Quarantined, ending: str) -> bytes:
        if isinstance(entry, Quarantined):
            return self._quarantine.read(entry.name, ending)
        return read_file(self._place(entry), f"{entry.stem}.{ending}")

    def _forget(self, item: Item, *, is_gone: bool = False) -> None:
        with self._lock:
            if self._lanes.pop(item.name, is_priority=item.is_priority) and is_gone:
                self._gone += 1

    def _write(self, item: Item, aside: Path, files: dict[str, bytes]) -> int:
        self._disk.make_folder_aside(aside)
        for ending, content in files.items():
            self._disk.write(aside / f"{item.stem}.{ending}", content)
        self._disk.sync(aside)
        self._disk.move(aside, self._place(item))
        self._disk.sync(self._lane(item.is_priority))
        return sum(map(len, files.values()))

    def _moved_aside(self, item: Item, target: Path) -> bool:
        """Whether the item was still there; what cannot be moved is left alone until the next start."""
        place = self._place(item)
        try:
            if place.is_dir():
                self._disk.make_folder(self._tmp)
                self._disk.move(place, target)
                return True
        except OSError as error:
            logger.error("%s cannot be deleted: %s", place, error)
            self._left_alone.add(place)
            return True
        return False

    def _adopted(self, entry: os.DirEntry[str], *, is_priority: bool) -> Item | None:
        """The item in a folder that we did not write in this run; what is none goes to quarantine."""
        if Path(entry.path) in self._left_alone:
            return None
        try:
            item = item_in(Path(entry.path), is_priority=is_priority)
        except FileNotFoundError:
            return None
        except (ItemDamagedError, OSError) as error:
            reason = str(error) if isinstance(error, ItemDamagedError) else error.strerror or str(error)
            self._found += 1
            self._set_apart(Path(entry.path), reason)
            return None
        self._found += 1
        self._names.seen(item.name)
        return item

    def _set_apart(self, path: Path, reason: str) -> None:
        try:
            self._quarantine.put(path, reason, self._tmp)
        except OSError as error:
            logger.error("%s is not an image that can be sent (%s) and cannot be moved: %s", path, reason, error)
            self._left_alone.add(path)

    def _make_sure_of(self, folder: Path) -> None:
        """Make a folder; what stands in its way gets another name."""
        try:
            if (folder.exists() or folder.is_symlink()) and not folder.is_dir():
                self._disk.move(folder, folder.with_name(f"{folder.name}.{uuid4().hex}"))
            self._disk.make_folder(folder)
        except OSError as error:
            logger.error("the outbox cannot use %s: %s", folder, error)

    def _try_to_delete(self, path: os.PathLike[str]) -> None:
        try:
            self._disk.delete(Path(path))
        except OSError as error:
            logger.warning("%s cannot be deleted: %s", os.fspath(path), error)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            logger.error("the outbox cannot read %s: %s", folder, error)
