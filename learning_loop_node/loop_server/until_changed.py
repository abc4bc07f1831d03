"""Answers of the database that hold until something in the loop changes, for what is asked many times a second."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from .changes import Changes

T = TypeVar("T")

MOST = 1000
"""So many answers are remembered."""


class UntilChanged(Generic[T]):
    """Remembers answers of the database for as long as no change in the loop is told."""

    def __init__(self, changes: Changes, most: int = MOST) -> None:
        self._changes = changes
        self._most = most
        self._known: OrderedDict[tuple[object, ...], tuple[int, T]] = OrderedDict()

    async def get(self, key: tuple[object, ...], look: Callable[[], Awaitable[T]]) -> T:
        """The answer that belongs to this key, `look` finds it; what that raises is not remembered."""
        number = self._changes.last  # before looking: what changes meanwhile is looked at again
        known = self._known.get(key)
        if known is not None and known[0] == number:
            return known[1]
        answer = await look()
        self._known[key] = (number, answer)
        self._known.move_to_end(key)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return answer
