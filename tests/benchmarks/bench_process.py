"""How quickly a node is there and gone, and what it takes while it has nothing to do."""

from __future__ import annotations

import asyncio
import time

from .figures import Figure, Goal, Who
from .servers import Server, until_answers
from .turns import Bench

IDLE_S = 1.0


async def measure(bench: Bench) -> list[Figure]:
    found: dict[Who, list[tuple[float, float, float]]] = {who: [] for who in bench.servers.nodes}
    async with bench.servers.loop() as loop:
        for _ in range(bench.turns(5)):
            for who in bench.servers.nodes:
                found[who].append(await _live(bench, who, loop))
    start_s, idle_mb, stop_s = (
        {who: [life[place] for life in lives] for who, lives in found.items()} for place in range(3)
    )
    return [
        Figure(what="process start to `/about`", unit="s", values=start_s, goal=Goal(ratio=0.8, is_limit=True)),
        Figure(what="idle memory", unit="MB", values=idle_mb, goal=Goal(value=77, is_limit=True)),
        Figure(what="SIGTERM to exit", unit="s", values=stop_s, goal=Goal(value=0.5, is_limit=True)),
    ]


async def _live(bench: Bench, who: Who, loop: Server) -> tuple[float, float, float]:
    """Seconds to start, MB when idle, seconds to stop."""
    begin = time.perf_counter()
    node = await bench.servers.launch_node(who, loop)
    try:
        await until_answers(node)
        started = time.perf_counter()
        await asyncio.sleep(IDLE_S)
        idle_mb = node.memory_mb()
    finally:
        end = time.perf_counter()
        await node.stop()
    return started - begin, idle_mb, time.perf_counter() - end
