"""What a queue of images must do, whether on disk or in memory.

The methods block; they are called from threads, several at once. Order of sending: priority first, oldest of them
first; then the others, newest first. The order is that of the names, which are unique and only ever grow.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ...errors import InvalidDataError, NotFoundError, UnavailableError


class ItemGoneError(NotFoundError):
    """The image is no longer in the outbox; somebody has deleted it."""


class ItemDamagedError(InvalidDataError):
    """The image is not what was saved."""


class ItemUnreadableError(UnavailableError):
    """The image cannot be read just now."""


@dataclass(frozen=True, slots=True)
class Item:
    """One image that waits. `name` is its local time of saving; `saved_at` is in seconds since 1970."""

    name: str
    is_priority: bool
    size_bytes: int = field(compare=False)
    saved_at: float = field(compare=False)

    @property
    def lane(self) -> str:
        """The name of the folder in which it waits."""
        return lane_name(is_priority=self.is_priority)

    @property
    def stem(self) -> str:
        """The name of its files without their ending."""
        return f"image_{self.name}"


@dataclass(frozen=True, slots=True)
class Content:
    """What is sent of an item. `key` was made when it was saved and is the same in every try."""

    jpeg: bytes
    metadata: bytes
    key: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An image that was set apart. `name` is that of its folder there; `is_priority` says where a retry puts it."""

    name: str
    is_priority: bool
    size_bytes: int = field(compare=False)
    saved_at: float = field(compare=False)
    reason: str = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How full a store is. What follows `quarantine_items` counts since it was made.

    `found`: what was there at the start, was brought by hand or came back from quarantine; `gone`: items deleted by
    hand; `quarantine_dropped`: quarantined items that made room for others.
    """

    items: int = 0
    priority_items: int = 0
    size_bytes: int = 0
    oldest_at: float | None = None
    quarantine_items: int = 0
    found: int = 0
    quarantined: int = 0
    quarantine_dropped: int = 0
    gone: int = 0


class Browsable(Protocol):
    """What can be asked about the images one by one, and how those in quarantine come back."""

    def listed(self, count: int, after: Item | None = None) -> list[Item]:
        """Items in the order of sending, behind this one, whether or not it is still there."""
        ...

    def quarantined(self, count: int, after: str = "") -> list[Quarantined]:
        """Images in quarantine by their names, behind this one."""
        ...

    def metadata(self, entry: Item | Quarantined) -> bytes:
        """The metadata as they are found; raises like `OutboxStore.read`."""
        ...

    def jpeg(self, entry: Item | Quarantined) -> bytes:
        """The image as it is found; raises like `OutboxStore.read`."""
        ...

    def retry(self, name: str) -> None:
        """Let an image in quarantine wait again.

        `ItemGoneError` if it is not there, `ItemDamagedError` if it is no image, `ItemUnreadableError` if it is stuck.
        """
        ...


class OutboxStore(Browsable, Protocol):
    """Keeps images until they are removed."""

    @property
    def path(self) -> Path:
        """Where it keeps them."""
        ...

    def open(self) -> None:
        """Find what is there from earlier. Never raises: what is no item goes to quarantine.

        May be called again, to find what became of it meanwhile.
        """
        ...

    def add(self, jpeg: bytes, metadata: bytes, *, is_priority: bool, key: str | None = None) -> Item:
        """Keep an image, under a key of its own unless one is given.

        It survives a power cut once this returns; `StorageFullError` means that nothing is kept.
        """
        ...

    def first(self, count: int, size_bytes: int, skip: Container[Item] = ()) -> list[Item]:
        """The next items to send: at most this many, and bytes unless one alone has more."""
        ...

    def oldest(self, skip: Container[Item] = ()) -> Item | None:
        """The oldest item without priority: the first to give way. One of those to skip only if there is no other."""
        ...

    def read(self, item: Item) -> Content:
        """The content of an item.

        `ItemGoneError` or `ItemDamagedError` if it is not as saved, `ItemUnreadableError` if the machine fails.
        """
        ...

    def remove(self, items: Iterable[Item]) -> int:
        """Forget items and delete their content, for good also after a power cut. Returns how many there still were."""
        ...

    def quarantine(self, item: Item, reason: str) -> None:
        """Set an item apart, where nobody sends it."""
        ...

    def refresh(self) -> None:
        """Notice what was deleted or brought by hand."""
        ...

    def usage(self) -> Usage:
        """How full it is. Fast: no disk is touched."""
        ...

    def free_bytes(self) -> int:
        """Room left on the disk."""
        ...


def lane_name(*, is_priority: bool) -> str:
    """The folder of the images with priority, or of the others."""
    return "priority" if is_priority else "normal"
