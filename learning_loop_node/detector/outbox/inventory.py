"""What is in an outbox, page by page, for people who look after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from enum import StrEnum

from ...data_classes import OutboxEntry, OutboxPage, Retried
from ...data_classes.codec import from_json
from ...errors import InvalidDataError, InvalidRequestError, NodeError, NotFoundError, UnavailableError
from .item_name import is_item_name
from .store import Browsable, Item, ItemDamagedError, ItemGoneError, ItemUnreadableError, Quarantined, lane_name

QUARANTINE = "quarantine"
LARGEST_PAGE = 1000


class ItemFile(StrEnum):
    """What belongs to an image in the outbox."""

    IMAGE = "image"
    METADATA = "metadata"


class Inventory:
    """Lists, hands out and puts back. Its methods block: they read files."""

    def __init__(self, store: Browsable, wall_clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._wall_clock = wall_clock

    def page(self, *, quarantined: bool = False, limit: int = 100, cursor: str | None = None) -> OutboxPage:
        """What waits, in the order of sending, or what is in quarantine; a `cursor` is the `next` of another page."""
        limit = min(limit, LARGEST_PAGE)
        if quarantined:
            apart = self._store.quarantined(limit + 1, cursor or "")
            entries = [self._entry(one, one.reason) for one in apart[:limit]]
            return OutboxPage(entries=_present(entries), next=apart[limit - 1].name if len(apart) > limit else None)
        items = self._store.listed(limit + 1, _item_of(cursor) if cursor else None)
        entries = [self._entry(item, None) for item in items[:limit]]
        last = items[limit - 1] if len(items) > limit else None
        return OutboxPage(entries=_present(entries), next=f"{last.lane}/{last.name}" if last else None)

    def file(self, place: str, name: str, part: ItemFile) -> bytes:
        """The image or the metadata of an entry, as found; `place` is its lane, or `quarantine`.

        `NotFoundError` if there is no such thing, `UnavailableError` if the machine fails.
        """
        entry = Quarantined(name, False, 0, 0.0, "") if place == QUARANTINE else _item_of(f"{place}/{name}")
        try:
            return self._store.jpeg(entry) if part is ItemFile.IMAGE else self._store.metadata(entry)
        except ItemGoneError as error:
            raise NotFoundError(f"there is no image {name} in {place} any more") from error
        except ItemDamagedError as error:
            raise NotFoundError(f"{name} in {place} is damaged: {error}") from error
        except ItemUnreadableError as error:
            raise UnavailableError(str(error)) from error

    def retry(self, names: Sequence[str] | None = None) -> Retried:
        """Let these images in quarantine wait again, or all of them."""
        result = Retried()
        for name in self._all_in_quarantine() if names is None else dict.fromkeys(names):
            try:
                self._store.retry(name)
            except NodeError as error:
                result.left[name] = str(error)
            else:
                result.count += 1
        return result

    def _all_in_quarantine(self) -> list[str]:
        names: list[str] = []
        while found := self._store.quarantined(LARGEST_PAGE, names[-1] if names else ""):
            names += [entry.name for entry in found]
        return names

    def _entry(self, item: Item | Quarantined, reason: str | None) -> OutboxEntry | None:
        """None if it is gone."""
        tags, source = [], None
        try:
            data = from_json(self._store.metadata(item))
            if isinstance(data, dict):
                tags = [tag for tag in data.get("tags") or () if isinstance(tag, str)]
                source = data["source"] if isinstance(data.get("source"), str) else None
        except ItemGoneError:
            return None
        except (ItemDamagedError, InvalidDataError) as error:
            reason = reason or str(error)
        return OutboxEntry(
            name=item.name,
            lane=lane_name(is_priority=item.is_priority),
            size_bytes=item.size_bytes,
            age_s=max(0.0, self._wall_clock() - item.saved_at),
            tags=tags,
            source=source,
            reason=reason,
        )


def _present(entries: Sequence[OutboxEntry | None]) -> list[OutboxEntry]:
    return [entry for entry in entries if entry is not None]


def _item_of(place: str) -> Item:
    lane, _, name = place.partition("/")
    lanes = {lane_name(is_priority=is_priority): is_priority for is_priority in (True, False)}
    if lane not in lanes or not is_item_name(name):
        raise InvalidRequestError(f"{place!r} is no image of an outbox; normal/2026-01-31_12:00:00.000000 would be one")
    return Item(name, lanes[lane], 0, 0.0)
