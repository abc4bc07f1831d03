"""How quickly a small question is answered while large pictures are being detected."""

from __future__ import annotations

import asyncio
import json
import sys

from . import photographs
from .figures import Figure, Goal, p99
from .rest_load import burst, detect_request
from .servers import PROGRAMS, Server
from .turns import Bench, in_turns

SECONDS = 2.0
INTERVAL_S = 0.005


async def measure(bench: Bench) -> list[Figure]:
    requests = [detect_request(jpeg) for jpeg in photographs.jpegs(photographs.FULL_HD)]

    async def ask_meanwhile(server: Server) -> list[float]:
        probe = await asyncio.create_subprocess_exec(
            *(sys.executable, PROGRAMS / "probe.py", str(server.port), "/about", str(SECONDS), str(INTERVAL_S)),
            stdout=asyncio.subprocess.PIPE,
        )
        await burst(server.port, requests, connections=8, seconds=SECONDS + 0.5)
        output, _ = await probe.communicate()
        latencies_ms: list[float] = json.loads(output)
        return latencies_ms

    async with bench.servers.all() as servers:
        found = await in_turns(servers, bench.turns(4), ask_meanwhile)
    values = {who: [p99(latencies_ms) for latencies_ms in turns] for who, turns in found.items()}
    goal = Goal(ratio=0.3, value=8, is_limit=True)
    return [Figure(what="p99 of `/about` while 8 connections send 1920×1080", unit="ms", values=values, goal=goal)]
