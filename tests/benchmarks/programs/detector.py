"""A detector as a user writes it; the same file runs ours and 0.27: `uvicorn detector:node`.

`BENCH_LOGIC` says what a detection takes: `noop` nothing, `slow` 20·(1+0.1(n-1)) ms for a batch of n.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from learning_loop_node import DetectorLogic, DetectorLogicFactory, DetectorNode
from learning_loop_node.data_classes import ImageMetadata, ImagesMetadata, ModelInformation

TICK_S = 0.002


class NoOp(DetectorLogic):
    """Finds nothing, at once."""

    def evaluate(self, image: Any) -> ImageMetadata:
        return ImageMetadata()

    def batch_evaluate(self, images: list[Any]) -> ImagesMetadata:
        return ImagesMetadata(items=[ImageMetadata() for _ in images])


class Slow(DetectorLogic):
    """Takes its time as a graphics card does: the second image of a batch costs a tenth of the first."""

    max_batch_size = 64

    def evaluate(self, image: Any) -> ImageMetadata:
        return self.batch_evaluate([image]).items[0]

    def batch_evaluate(self, images: list[Any]) -> ImagesMetadata:
        time.sleep(0.02 * (1 + 0.1 * (len(images) - 1)))
        return ImagesMetadata(items=[ImageMetadata() for _ in images])


class Factory(DetectorLogicFactory):
    model_format = "bench"

    async def build(self, model_info: ModelInformation) -> DetectorLogic:
        return Slow() if os.environ["BENCH_LOGIC"] == "slow" else NoOp()


class Watch:
    """Notes the longest time in which the event loop came to nothing else."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        self.longest_s = 0.0
        self._running = self._running or asyncio.create_task(self._run())

    async def _run(self) -> None:
        before = time.perf_counter()
        while True:
            await asyncio.sleep(TICK_S)
            now = time.perf_counter()
            self.longest_s = max(self.longest_s, now - before - TICK_S)
            before = now


node = DetectorNode("bench", Factory())
watch = Watch()


async def answer_watch(request: Request) -> Response:
    """`POST` starts the watch, `GET` tells what it found, in seconds."""
    if request.method == "POST":
        watch.start()
    return Response(str(watch.longest_s))


node.add_route("/watch", answer_watch, methods=["GET", "POST"])  # plain, so that it adds nothing to start and memory
