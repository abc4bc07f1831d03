"""Lets a program pause detections: `async with node.detection_lock: …`."""

from __future__ import annotations

import asyncio
import threading

from .inference import Inference


class DetectionLock:
    """While it is held, the inference thread rests; what runs is finished first, what comes waits."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._turn = asyncio.Lock()
        self._release: threading.Event | None = None
        self._resting: asyncio.Future[None] | None = None

    def locked(self) -> bool:
        return self._turn.locked()

    async def acquire(self) -> bool:
        await self._turn.acquire()
        loop = asyncio.get_running_loop()
        reached, release = loop.create_future(), threading.Event()

        def rest() -> None:
            loop.call_soon_threadsafe(reached.set_result, None)
            release.wait()

        self._release = release
        self._resting = asyncio.ensure_future(self._inference.run_exclusively(rest))
        done, _ = await asyncio.wait({reached, self._resting}, return_when=asyncio.FIRST_COMPLETED)
        if self._resting in done:  # the node is not running, so there is nothing to pause
            self._resting.exception()
        return True

    def release(self) -> None:
        if self._release is not None:
            self._release.set()
            self._release = None
        self._turn.release()

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_: object) -> None:
        resting, self._resting = self._resting, None
        self.release()
        if resting is not None:
            await asyncio.gather(resting, return_exceptions=True)
