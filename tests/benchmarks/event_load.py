"""Loads a server over Socket.IO, with the client that Python programs use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import socketio

from .rest_load import Burst

ANSWER_S = 30


async def burst(port: int, images: list[dict[str, Any]], *, clients: int, seconds: float) -> Burst:
    """Let so many clients detect for some seconds, each one image at a time; ends when the last answer is there."""
    async with AsyncExitStack() as stack:
        connected = [await stack.enter_async_context(_connected(port)) for _ in range(clients)]
        start = time.perf_counter()
        found = await asyncio.gather(*(_detect(client, images, start + seconds) for client in connected))
        elapsed_s = time.perf_counter() - start
    latencies_ms = [latency for latencies in found for latency in latencies]
    return Burst(len(latencies_ms) / elapsed_s, latencies_ms)


@asynccontextmanager
async def _connected(port: int) -> AsyncIterator[socketio.AsyncClient]:
    client = socketio.AsyncClient(reconnection=False)
    await client.connect(f"http://127.0.0.1:{port}", socketio_path="/ws/socket.io", transports=["websocket"])
    try:
        yield client
    finally:
        await client.disconnect()


async def _detect(client: socketio.AsyncClient, images: list[dict[str, Any]], end: float) -> list[float]:
    latencies_ms: list[float] = []
    while (sent_at := time.perf_counter()) < end:
        answer = await client.call("detect", {"image": images[len(latencies_ms) % len(images)]}, timeout=ANSWER_S)
        if "box_detections" not in answer:
            raise RuntimeError(f"the server answered {answer}")
        latencies_ms.append(1000 * (time.perf_counter() - sent_at))
    return latencies_ms
