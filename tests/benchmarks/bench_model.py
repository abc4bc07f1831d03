"""What it costs a node to fetch a large model while it serves."""

from __future__ import annotations

import asyncio
import json

from .figures import Figure, Goal, Who
from .servers import Server, request
from .turns import Bench

SIZE_MB, QUICK_SIZE_MB = 300, 30
LONGEST_S = 120.0
POLL_S = 0.05


async def measure(bench: Bench) -> list[Figure]:
    size_mb = QUICK_SIZE_MB if bench.is_quick else SIZE_MB
    growth_mb: dict[Who, list[float]] = {who: [] for who in bench.servers.nodes}
    block_ms: dict[Who, list[float]] = {who: [] for who in bench.servers.nodes}
    for _ in range(bench.turns(3)):
        for who in bench.servers.nodes:
            async with bench.servers.loop() as loop, bench.servers.node(who, loop) as node:
                grown, block = await _fetch(loop, node, size_mb)
            growth_mb[who].append(grown)
            block_ms[who].append(block)
    what = f"model of {size_mb} MB"
    return [
        Figure(what=f"{what}: growth of memory", unit="MB", values=growth_mb, goal=Goal(value=32, is_limit=True)),
        Figure(
            what=f"{what}: longest block of the event loop",
            unit="ms",
            values=block_ms,
            goal=Goal(value=20, is_limit=True),
        ),
    ]


async def _fetch(loop: Server, node: Server, size_mb: int) -> tuple[float, float]:
    """Deploy a model and wait until the node runs it: MB that its memory grew meanwhile, ms that it did not react."""
    await asyncio.sleep(1)  # the start is over
    before_mb = node.memory_mb()
    node.forget_peak()
    await request(node.port, "POST", "/watch")
    await request(loop.port, "PUT", "/target", json.dumps({"version": "2.0", "size_mb": size_mb}).encode())
    async with asyncio.timeout(LONGEST_S):
        while await _version(node) != "2.0":
            await asyncio.sleep(POLL_S)
    _, block_s = await request(node.port, "GET", "/watch")
    return node.memory_mb("VmHWM") - before_mb, 1000 * float(block_s)


async def _version(node: Server) -> str:
    _, body = await request(node.port, "GET", "/model_version")
    return str(json.loads(body)["current_version"])
