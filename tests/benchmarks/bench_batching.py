"""`POST /detect` with a logic that takes 20·(1+0.1(n-1)) ms for a batch of n: what batches gain."""

from __future__ import annotations

from . import photographs
from .figures import Figure, Goal
from .rest_load import Burst, burst, detect_request
from .servers import Server
from .turns import Bench, in_turns, rates

BURST_S = 2.0  # many batches
GOALS = {8: 3.1, 32: 6.5}


async def measure(bench: Bench) -> list[Figure]:
    requests = [detect_request(jpeg) for jpeg in photographs.jpegs(photographs.VGA)]
    figures = []
    async with bench.servers.all("slow", with_bare=False) as servers:
        for connections, ratio in GOALS.items():

            async def load(server: Server, connections: int = connections) -> Burst:
                return await burst(server.port, requests, connections=connections, seconds=BURST_S)

            bursts = await in_turns(servers, bench.turns(4), load)
            what = f"logic of 20 ms, a tenth more per further image, {connections} connections"
            figures.append(rates(what, bursts, Goal(ratio=ratio)))
    return figures
