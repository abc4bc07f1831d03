"""How fast an outbox drains into a loop that is never the bottleneck."""

from __future__ import annotations

import asyncio
import io
import os
import time
from typing import Any

import aiohttp

from . import photographs
from .figures import Figure, Goal, Who
from .servers import Server, request
from .turns import Bench

COUNT = 300
QUICK_COUNT = 40
BATCH_SIZE, CONNECTIONS = 20, 3
POLL_S = 0.002
NOTE = (
    "0.27 sends 20 images and then pauses for 5 s, and does not sync what it saves. The bare column is a client that "
    "posts the same images straight from memory."
)


async def measure(bench: Bench) -> list[Figure]:
    count = QUICK_COUNT if bench.is_quick else COUNT
    jpeg = photographs.jpegs(photographs.FULL_HD)[0]
    drained: dict[Who, list[float]] = {}
    # 0.27 takes more than a minute, so that it has one turn, in the middle of those of ours.
    order = [Who.OURS] * bench.turns(3)
    order = [*order, *bench.servers.nodes[1:], *order]
    for who in order:
        async with bench.servers.loop() as loop, bench.servers.node(who, loop) as node:
            drained.setdefault(who, []).append(await _drain(loop, node, jpeg, count))
            drained.setdefault(Who.BARE, []).append(await _post_directly(loop, jpeg, count))
    what = f"outbox drain, {count} photographs of 1920×1080 saved with fsync"
    return [Figure(what=what, unit="/s", values=drained, goal=Goal(ratio=190, value=800), note=NOTE)]


async def _drain(loop: Server, node: Server, jpeg: bytes, count: int) -> float:
    """Fill the outbox while it is stopped, then let it drain: images per second until its folder is empty."""
    await _set_mode(node, "stopped")
    async with aiohttp.ClientSession(f"http://127.0.0.1:{node.port}") as session:
        for _ in range(count):
            form = aiohttp.FormData({"files": io.BytesIO(jpeg)})
            async with session.post("/upload", data=form) as answer:
                answer.raise_for_status()
    await asyncio.to_thread(os.sync)
    start = time.perf_counter()
    await _set_mode(node, "continuous_upload")
    while os.listdir(node.folder / "outbox" / "normal"):  # noqa: PTH208  # as quick as can be
        await asyncio.sleep(POLL_S)
    elapsed_s = time.perf_counter() - start
    if (arrived := await _received(loop)) != count:
        raise RuntimeError(f"{arrived} of {count} images arrived")
    return count / elapsed_s


async def _set_mode(node: Server, mode: str) -> None:
    status, body = await request(node.port, "PUT", "/outbox_mode", mode.encode())
    if status != 200:
        raise RuntimeError(f"the outbox mode {mode} was answered with {status} {body!r}")


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
