"""How fast an outbox drains into a loop that is never the bottleneck."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from typing import Any

import aiohttp

from . import photographs
from .figures import Figure, Goal, Who
from .servers import PROGRAMS, Server, Servers, clean_environment, request
from .turns import Bench

COUNT = 300
QUICK_COUNT = 40
BATCH_SIZE, CONNECTIONS = 20, 3
NOTE = (
    "saves are synced to the disk by ours; 0.27 sends 20 images and then pauses for 5 s. The bare column is a client "
    "that posts the same images straight from memory."
)


async def measure(bench: Bench) -> list[Figure]:
    count = QUICK_COUNT if bench.is_quick else COUNT
    jpeg = photographs.jpegs(photographs.FULL_HD)[0]
    drained: dict[Who, list[float]] = {}
    # 0.27 takes more than a minute, so that it has one turn, in the middle of those of ours.
    order = [Who.OURS] * bench.turns(3)
    order = [*order, *bench.servers.nodes[1:], *order]
    with tempfile.NamedTemporaryFile(suffix=".jpg") as photograph:
        photograph.write(jpeg)
        photograph.flush()
        async with bench.servers.loop() as loop:
            for who in order:
                result = await _drain(bench.servers, who, loop, photograph.name, count)
                drained.setdefault(who, []).append(result["drained_per_s"])
                drained.setdefault(Who.BARE, []).append(await _post_directly(loop, jpeg, count))
    what = f"outbox drain, {count} photographs of 1920×1080 saved with fsync"
    return [Figure(what=what, unit="/s", values=drained, goal=Goal(ratio=190, value=800), note=NOTE)]


async def _drain(servers: Servers, who: Who, loop: Server, photograph: str, count: int) -> dict[str, float]:
    before = await _received(loop)
    process = await asyncio.create_subprocess_exec(
        *(servers.interpreter(who), PROGRAMS / "outbox.py", photograph, str(count)),
        env=clean_environment() | servers.node_environment(loop),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    arrived = await _received(loop) - before
    if process.returncode or arrived != count:
        raise RuntimeError(f"{who}: status {process.returncode}, {arrived} of {count} images arrived: {output!r}")
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result


async def _received(loop: Server) -> int:
    _, body = await request(loop.port, "GET", "/received")
    return int(body)


async def _post_directly(loop: Server, jpeg: bytes, count: int) -> float:
    """Images per second of a client that has nothing else to do."""
    part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="image.jpg"\r\n\r\n' + jpeg + b"\r\n"
    body = part * BATCH_SIZE + b"--b--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    batches = iter(range(count // BATCH_SIZE))

    async def post(session: Any) -> None:
        for _ in batches:
            async with session.post("/api/bench/projects/bench/images", data=body, headers=headers) as answer:
                answer.raise_for_status()

    async with aiohttp.ClientSession(f"http://127.0.0.1:{loop.port}") as session:
        start = time.perf_counter()
        await asyncio.gather(*(post(session) for _ in range(CONNECTIONS)))
        return count / (time.perf_counter() - start)
