"""Lets a program pause detections: `async with node.detection_lock: …`."""

from __future__ import annotations

import asyncio
import contextlib
import threading

from ..errors import UnavailableError
from .inference import Inference


class DetectionLock:
    """While it is held, the inference thread rests; what runs is finished first, what comes waits.

    Where the node is not running there is nothing to pause, and only the programs that ask for the lock wait.
    """

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._turn = asyncio.Lock()
        self._release = threading.Event()

    def locked(self) -> bool:
        return self._turn.locked()

    async def acquire(self) -> bool:
        await self._turn.acquire()
        self._release = threading.Event()
        try:
            await self._rest(self._release)
        except BaseException:  # the caller was cancelled
            self.release()
            raise
        return True

    def release(self) -> None:
        self._release.set()
        self._turn.release()

    async def _rest(self, release: threading.Event) -> None:
        loop, reached = asyncio.get_running_loop(), asyncio.Event()

        def rest() -> None:
            loop.call_soon_threadsafe(reached.set)
            release.wait()

        def give_up(resting: asyncio.Future[None]) -> None:
            resting.exception()
            reached.set()

        with contextlib.suppress(UnavailableError):
            self._inference.put_exclusive(rest).add_done_callback(give_up)
            await reached.wait()

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_: object) -> None:
        self.release()
