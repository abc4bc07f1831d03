"""The Socket.IO event `detect` with a logic that does nothing; the client is python-socketio for all."""

from __future__ import annotations

from typing import Any

from . import photographs
from .event_load import burst
from .figures import Figure, Goal
from .rest_load import Burst
from .servers import Server
from .turns import BURST_S, Bench, in_turns, rates


async def measure_raw(bench: Bench) -> list[Figure]:
    """On fresh servers: one large frame changes the heap, and even 0.27 is better at small ones afterwards."""
    pixels = photographs.pixels(photographs.VGA)
    image = {"bytes": pixels.tobytes(), "dtype": "uint8", "shape": list(pixels.shape)}
    return await _measure(bench, "raw 640×480, 1 client, before any larger frame", [image], 1, 1.8)


async def measure_jpeg(bench: Bench) -> list[Figure]:
    images = [{"format": "jpeg", "bytes": jpeg} for jpeg in photographs.jpegs(photographs.FULL_HD)]
    return await _measure(bench, "JPEG 1920×1080, 4 clients", images, 4, 2.8)


async def _measure(bench: Bench, name: str, images: list[dict[str, Any]], clients: int, ratio: float) -> list[Figure]:
    async def load(server: Server) -> Burst:
        return await burst(server.port, images, clients=clients, seconds=BURST_S)

    async with bench.servers.all() as servers:
        bursts = await in_turns(servers, bench.turns(), load)
    return [rates(f"Socket.IO `detect`, {name}", bursts, Goal(ratio=ratio))]
