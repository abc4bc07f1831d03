"""The order of the waiting items: two lanes, kept in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Iterable, Iterator
from itertools import islice

from .store import Item


class Lanes:
    """Items by name in the order of saving, with priority and without. Not for several threads at once."""

    def __init__(self) -> None:
        self._lanes: dict[bool, OrderedDict[str, Item]] = {True: OrderedDict(), False: OrderedDict()}
        self.size_bytes = 0

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def __contains__(self, item: Item) -> bool:
        return item.name in self._lanes[item.is_priority]

    def count(self, *, is_priority: bool) -> int:
        return len(self._lanes[is_priority])

    def names(self, *, is_priority: bool) -> set[str]:
        return set(self._lanes[is_priority])

    def add(self, items: Iterable[Item]) -> None:
        """Put items behind the others of their lane; older ones find their place, too."""
        unsorted = set()
        for item in items:
            lane = self._lanes[item.is_priority]
            if item.name in lane:
                continue
            if lane and item.name < next(reversed(lane)):
                unsorted.add(item.is_priority)
            lane[item.name] = item
            self.size_bytes += item.size_bytes
        for is_priority in unsorted:
            self._lanes[is_priority] = OrderedDict(sorted(self._lanes[is_priority].items()))

    def pop(self, name: str, *, is_priority: bool) -> Item | None:
        item = self._lanes[is_priority].pop(name, None)
        if item is not None:
            self.size_bytes -= item.size_bytes
        return item

    def in_order_of_sending(self) -> Iterator[Item]:
        yield from self._lanes[True].values()
        yield from reversed(self._lanes[False].values())

    def first(self, count: int, size_bytes: int, skip: Container[Item]) -> list[Item]:
        """See `OutboxStore.first`."""
        chosen: list[Item] = []
        for item in self.in_order_of_sending():
            if item in skip:
                continue
            size_bytes -= item.size_bytes
            if chosen and size_bytes < 0:
                break
            chosen.append(item)
            if len(chosen) >= count:
                break
        return chosen

    def listed(self, count: int, after: Item | None) -> list[Item]:
        """See `Browsable.listed`."""
        behind = (item for item in self.in_order_of_sending() if after is None or _is_behind(item, after))
        return list(islice(behind, count))

    def oldest(self, skip: Container[Item]) -> Item | None:
        """See `OutboxStore.oldest`."""
        normal = self._lanes[False].values()
        return next((item for item in normal if item not in skip), next(iter(normal), None))

    def oldest_at(self) -> float | None:
        """When the oldest item was saved."""
        return min((next(iter(lane.values())).saved_at for lane in self._lanes.values() if lane), default=None)


def _is_behind(item: Item, other: Item) -> bool:
    """Whether an item is sent later than the other one."""
    if item.is_priority != other.is_priority:
        return other.is_priority
    return item.name > other.name if item.is_priority else item.name < other.name
