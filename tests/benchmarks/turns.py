"""Measures several servers in turns, so that a machine whose speed drifts does not favour one of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from .figures import Figure, Goal, Who, p99
from .rest_load import Burst
from .servers import Server, Servers

T = TypeVar("T")

BURST_S = 0.5


@dataclass(frozen=True, slots=True)
class Bench:
    """What a case gets: the servers, and how thorough it should be."""

    servers: Servers
    is_quick: bool = False

    def turns(self, usual: int = 12) -> int:
        """How often to measure each."""
        return 1 if self.is_quick else usual


async def in_turns(
    servers: Mapping[Who, Server], turns: int, measure: Callable[[Server], Awaitable[T]]
) -> dict[Who, list[T]]:
    """Measure each server so many times, after a first time that does not count; another one begins each turn."""
    found: dict[Who, list[T]] = {who: [] for who in servers}
    order = list(servers)
    for turn in range(turns + 1):
        for who in order:
            result = await measure(servers[who])
            if turn:
                found[who].append(result)
        order.append(order.pop(0))
    return found


def rates(what: str, bursts: Mapping[Who, list[Burst]], goal: Goal, *, note: str = "") -> Figure:
    """Requests per second as a figure, with the p99 of their latencies."""
    return Figure(
        what=what,
        unit="/s",
        values={who: [burst.rate for burst in found] for who, found in bursts.items()},
        p99_ms={who: p99([ms for burst in found for ms in burst.latencies_ms]) for who, found in bursts.items()},
        goal=goal,
        note=note,
    )
