"""`POST /detect` with a logic that does nothing: what the way of a picture through the node costs."""

from __future__ import annotations

from . import photographs
from .figures import Figure, Goal
from .rest_load import Burst, burst, detect_request
from .servers import Server
from .turns import BURST_S, Bench, in_turns, rates

LOADS = (  # small before large: a burst of large pictures changes the heap of a server for good
    ("640×480, 1 connection", photographs.VGA, 1, 2.3),
    ("640×480, 8 connections", photographs.VGA, 8, 2.7),
    ("1920×1080, 8 connections", photographs.FULL_HD, 8, 2.3),
)


async def measure(bench: Bench) -> list[Figure]:
    figures = []
    async with bench.servers.all() as servers:
        for name, size, connections, ratio in LOADS:
            requests = [detect_request(jpeg) for jpeg in photographs.jpegs(size)]

            async def load(server: Server, requests: list[bytes] = requests, connections: int = connections) -> Burst:
                return await burst(server.port, requests, connections=connections, seconds=BURST_S)

            bursts = await in_turns(servers, bench.turns(), load)
            figures.append(rates(f"REST `/detect`, JPEG {name}", bursts, Goal(ratio=ratio)))
        peaks = {who: [servers[who].memory_mb("VmHWM")] for who in bench.servers.nodes}
    peak = Figure(what="peak memory after these", unit="MB", values=peaks, goal=Goal(ratio=0.35, is_limit=True))
    return [*figures, peak]
