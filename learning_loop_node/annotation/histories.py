"""What a tool remembers of each person, for as many people and as long as there is room and reason."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from ..runtime.clock import Clock, SystemClock

History = dict[str, Any]


class Histories(MutableMapping[str, History]):
    """The histories by `frontend_id`, those used last at the end.

    `make` gives an empty one. `surplus` and `idle` say whose may go; somebody whose input is being handled, for which
    `is_busy` asks, does not lose it meanwhile.
    """

    def __init__(
        self,
        make: Callable[[], History],
        *,
        max_users: int,
        idle_s: float,
        is_busy: Callable[[str], bool] = lambda _frontend_id: False,
        clock: Clock | None = None,
    ) -> None:
        self._make = make
        self._is_busy = is_busy
        self._max_users = max_users
        self._idle_s = idle_s
        self._clock = clock or SystemClock()
        self._histories: OrderedDict[str, History] = OrderedDict()
        self._used: dict[str, float] = {}

    def of(self, frontend_id: str) -> History:
        """The history of a person, an empty one at first. This is a use of it."""
        if frontend_id not in self._histories:
            self[frontend_id] = self._make()
        self[frontend_id] = history = self._histories[frontend_id]
        return history

    def surplus(self) -> list[str]:
        """As many as there are beyond the limit, those used longest ago."""
        count = len(self._histories) - self._max_users
        return [frontend_id for frontend_id in self if not self._is_busy(frontend_id)][:count] if count > 0 else []

    def idle(self) -> list[str]:
        """Those that nobody has used for so long."""
        last = self._clock.now() - self._idle_s
        return [
            frontend_id for frontend_id in self if self._used[frontend_id] < last and not self._is_busy(frontend_id)
        ]

    def __getitem__(self, frontend_id: str) -> History:
        return self._histories[frontend_id]

    def __setitem__(self, frontend_id: str, history: History) -> None:
        self._histories[frontend_id] = history
        self._histories.move_to_end(frontend_id)
        self._used[frontend_id] = self._clock.now()

    def __delitem__(self, frontend_id: str) -> None:
        del self._histories[frontend_id]
        del self._used[frontend_id]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._histories))

    def __len__(self) -> int:
        return len(self._histories)

    def __repr__(self) -> str:
        return repr(dict(self._histories))
