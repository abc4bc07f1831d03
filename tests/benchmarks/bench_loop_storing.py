"""How many images per second the loop stores, each of them synced to the disk before the answer."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import aiohttp
import numpy as np
import simplejpeg

from learning_loop_node.data_classes.codec import to_json

from .figures import Figure, Goal, Who, p99
from .real_loop import real_loop
from .turns import Bench

IMAGE_BYTES = 64 * 1024
BATCH = 20
BATCHES = 40
SENDERS = 2
P = "/api/zauberzeug/projects/bench"
BOX = {"category_name": "face", "x": 1, "y": 2, "width": 30, "height": 40, "model_name": "1.0", "confidence": 0.5}
METADATA = {"box_detections": [BOX] * 5, "tags": ["uncertain"], "source": "cam 1", "created": "2026-01-02_03:04:05.678"}


async def measure(bench: Bench) -> list[Figure]:
    values = await measure_in(bench.servers.folder_for("storing_loop"), bench.turns(5))
    return [
        Figure(
            what=f"loop: images stored per second, 64 KB each, {BATCH} per request, {SENDERS} senders, synced",
            unit="/s",
            values={Who.OURS: [rate for rate, _ in values]},
            p99_ms={Who.OURS: p99([ms for _, latencies_ms in values for ms in latencies_ms])},
            goal=Goal(value=200),
        )
    ]


async def measure_in(folder: Path, turns: int) -> list[tuple[float, list[float]]]:
    """Images per second and latencies of the requests in ms, for each turn."""
    jpegs = [jpeg_of(IMAGE_BYTES, seed) for seed in range(BATCH)]
    async with real_loop(folder) as session:
        body = {"project_id": "bench", "categories": ["face"]}
        async with session.post("/api/zauberzeug/projects", json=body) as answer:
            assert answer.status == 200, await answer.text()
        return [await _turn(session, jpegs) for _ in range(turns + 1)][1:]


async def _turn(session: aiohttp.ClientSession, jpegs: Sequence[bytes]) -> tuple[float, list[float]]:
    requests = iter([_request(jpegs) for _ in range(BATCHES)])
    latencies_ms: list[float] = []

    async def send() -> None:
        for body, headers in requests:
            start = time.perf_counter()
            async with session.post(f"{P}/images", data=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
            latencies_ms.append(1000 * (time.perf_counter() - start))

    start = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(SENDERS)))
    return BATCH * BATCHES / (time.perf_counter() - start), latencies_ms


def _request(jpegs: Sequence[bytes]) -> tuple[aiohttp.BytesIOPayload, dict[str, str]]:
    """A body like that of an outbox; every image is another one and has a key of its own."""
    boundary = uuid4().hex
    pieces: list[bytes] = []
    for number, jpeg in enumerate(jpegs):
        key = uuid4()
        for ending, content in (("json", to_json(METADATA)), ("jpg", jpeg + key.bytes)):
            head = (
                f"--{boundary}\r\nIdempotency-Key: {key.hex}\r\n"
                f'Content-Disposition: form-data; name="files"; filename="image_{number}.{ending}"\r\n\r\n'
            )
            pieces += [head.encode(), content, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return aiohttp.BytesIOPayload(BytesIO(b"".join(pieces))), {
        "Content-Type": f"multipart/form-data; boundary={boundary}"
    }


def jpeg_of(size_bytes: int, seed: int) -> bytes:
    """A JPEG of about this size, 640×480, with noise of the strength that it takes."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, (480, 640, 3))
    low, high = 0.0, 128.0
    for _ in range(12):
        strength = (low + high) / 2
        jpeg: bytes = simplejpeg.encode_jpeg((128 + strength * noise).clip(0, 255).astype(np.uint8), quality=85)
        low, high = (strength, high) if len(jpeg) < size_bytes else (low, strength)
    return jpeg


if __name__ == "__main__":
    for rate, latencies in asyncio.run(measure_in(Path(sys.argv[1]), 3)):
        print(f"{rate:.0f}/s, request {sorted(latencies)[len(latencies) // 2]:.0f} ms")
