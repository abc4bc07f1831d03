"""Names of items: the local time of saving, unique and growing whatever the clock does."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime, timedelta

_TIME = re.compile(r"\d{4}-\d\d-\d\d_\d\d:\d\d:\d\d(\.\d{6})?")
_SAFE = re.compile(r"[0-9A-Za-z][0-9A-Za-z_:.+\-]{0,99}")


class ItemNames:
    """Gives names that sort in the order of saving.

    A clock that jumps back gives names a microsecond after the last one until it has caught up.
    """

    def __init__(self, wall_clock: Callable[[], float] = time.time) -> None:
        self._wall_clock = wall_clock
        self._last = datetime.min

    def seen(self, name: str) -> None:
        """Let the coming names be greater than this one, if it is a time."""
        if _TIME.fullmatch(name):
            try:
                self._last = max(self._last, datetime.fromisoformat(name))
            except ValueError:
                return

    def next(self) -> str:
        now = datetime.fromtimestamp(self._wall_clock())
        if now <= self._last and self._last < datetime.max:
            now = self._last + timedelta(microseconds=1)
        self._last = now
        return now.isoformat(sep="_", timespec="microseconds")


def is_item_name(name: str) -> bool:
    """Whether a folder of this name may be an item; what others put there may be named otherwise, but harmlessly."""
    return bool(_SAFE.fullmatch(name)) and ".." not in name
