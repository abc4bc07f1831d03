"""Keeps images in memory, for tests and for nodes without a disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Container, Iterable
from pathlib import Path

from ...errors import StorageFullError
from .item_name import ItemNames
from .key_file import KeyFile
from .lanes import Lanes
from .store import Content, Item, ItemGoneError, Quarantined, Usage


class MemoryStore:
    """An `OutboxStore` that forgets everything with the process; `capacity_bytes` is the size of its disk."""

    def __init__(self, *, capacity_bytes: int = 10**12, wall_clock: Callable[[], float] = time.time) -> None:
        self.path = Path("memory")
        self.reasons: dict[str, str] = {}
        self._set_apart: dict[str, tuple[Item, Content]] = {}
        self._found = self._received = 0
        self._capacity_bytes = capacity_bytes
        self._wall_clock = wall_clock
        self._names = ItemNames(wall_clock)
        self._lanes = Lanes()
        self._contents: dict[Item, Content] = {}
        self._lock = threading.Lock()

    def open(self) -> None:
        """There is nothing from earlier."""

    def add(self, jpeg: bytes, metadata: bytes, *, is_priority: bool, key: str | None = None) -> Item:
        with self._lock:
            size_bytes = len(jpeg) + len(metadata)
            if self._lanes.size_bytes + size_bytes > self._capacity_bytes:
                raise StorageFullError("the image cannot be kept in memory: no space left")
            item = Item(self._names.next(), is_priority, size_bytes, self._wall_clock())
            self._contents[item] = Content(jpeg, metadata, KeyFile.made_for(jpeg, metadata, key).key)
            self._lanes.add([item])
            return item

    def first(self, count: int, size_bytes: int, skip: Container[Item] = ()) -> list[Item]:
        with self._lock:
            return self._lanes.first(count, size_bytes, skip)

    def oldest(self, skip: Container[Item] = ()) -> Item | None:
        with self._lock:
            return self._lanes.oldest(skip)

    def read(self, item: Item) -> Content:
        with self._lock:
            if item not in self._lanes:
                raise ItemGoneError
            return self._contents[item]

    def listed(self, count: int, after: Item | None = None) -> list[Item]:
        with self._lock:
            return self._lanes.listed(count, after)

    def quarantined(self, count: int, after: str = "") -> list[Quarantined]:
        with self._lock:
            names = [name for name in sorted(self.reasons) if name > after][:count]
            items = [(self._set_apart[name][0], self.reasons[name]) for name in names]
        return [
            Quarantined(item.name, item.is_priority, item.size_bytes, item.saved_at, reason) for item, reason in items
        ]

    def metadata(self, entry: Item | Quarantined) -> bytes:
        return self._content(entry).metadata

    def jpeg(self, entry: Item | Quarantined) -> bytes:
        return self._content(entry).jpeg

    def retry(self, name: str) -> None:
        with self._lock:
            if self.reasons.pop(name, None) is None:
                raise ItemGoneError(f"there is no {name} in quarantine")
            item, content = self._set_apart.pop(name)
            self._contents[item] = content
            self._lanes.add([item])
            self._found += 1

    def remove(self, items: Iterable[Item]) -> int:
        with self._lock:
            return sum(self._take(item) is not None for item in items)

    def quarantine(self, item: Item, reason: str) -> None:
        with self._lock:
            if content := self._take(item):
                self.reasons[item.name] = reason
                self._set_apart[item.name] = item, content
                self._received += 1

    def refresh(self) -> None:
        """Nobody can reach in by hand."""

    def usage(self) -> Usage:
        with self._lock:
            return Usage(
                items=len(self._lanes),
                priority_items=self._lanes.count(is_priority=True),
                size_bytes=self._lanes.size_bytes,
                oldest_at=self._lanes.oldest_at(),
                quarantine_items=len(self.reasons),
                found=self._found,
                quarantined=self._received,
            )

    def free_bytes(self) -> int:
        return self._capacity_bytes - self._lanes.size_bytes

    def _content(self, entry: Item | Quarantined) -> Content:
        if isinstance(entry, Item):
            return self.read(entry)
        with self._lock:
            if entry.name not in self._set_apart:
                raise ItemGoneError
            return self._set_apart[entry.name][1]

    def _take(self, item: Item) -> Content | None:
        self._lanes.pop(item.name, is_priority=item.is_priority)
        return self._contents.pop(item, None)
