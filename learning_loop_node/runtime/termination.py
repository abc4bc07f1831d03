"""Ends the process in order, from inside, under whichever server runs it.

After an orderly stop uvicorn lets the termination signal kill the process after all (status 143), and it offers the
application no way to stop it. Here the signal only asks the server to stop, so that an orderly end has status 0, and
a crashed service can end the process with a status of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

logger = logging.getLogger(__name__)

GRACE_S = 8
"""So long requests may take to finish once the process is asked to end; containers are killed after 10 s."""

LONGEST_STOP_S = 20.0
"""After a crash, whatever still hangs this much later (a request, a thread) does not keep the process."""


class Termination:
    """How this process is to end. One per running application, opened and closed by its lifespan.

    `before_stop` is awaited as soon as the process is asked to end, while the server finishes its requests; it closes
    the connections that would keep the server waiting. Requests have `grace_s` to finish, unless the program gave the
    server a time of its own: a client that stalls in the middle of a body does not keep the process.
    """

    def __init__(
        self, before_stop: Callable[[], Coroutine[Any, Any, object]] | None = None, *, grace_s: int = GRACE_S
    ) -> None:
        self._before_stop = before_stop
        self._grace_s = grace_s
        self._stopping: asyncio.Task[object] | None = None
        self._server: Any = None
        self._former_handlers: dict[int, Any] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._status: int | None = None

    def open(self) -> None:
        """First thing in the lifespan: take the signals over from the server, if it runs in this thread."""
        self._loop = asyncio.get_running_loop()
        self._status = self._stopping = self._server = None
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            handler = signal.getsignal(number)
            server: Any = getattr(handler, "__self__", None)
            if hasattr(server, "should_exit"):
                self._server = server
                if server.config.timeout_graceful_shutdown is None:
                    server.config.timeout_graceful_shutdown = self._grace_s
                self._former_handlers[number] = handler
                signal.signal(number, self._on_signal)

    def end(self, status: int) -> None:
        """End the process in order; it exits with this status, the first one given counts."""
        if self._status is not None:
            return
        self._status = status
        if status:
            _end_at_the_latest(status, LONGEST_STOP_S)
        self._prepare_stop()
        if self._server is not None:
            self._server.should_exit = True
        else:
            os.kill(os.getpid(), signal.SIGTERM)

    async def close(self) -> None:
        """Last thing in the lifespan: if the process is to end with a status other than 0, let it, here.

        The exit is raised by the event loop itself, since the server swallows what an application raises, and while the
        server still waits for the lifespan, so that both are cancelled together. With status 0 the server returns to
        the program that started it. The signals stay ours until the server takes its handlers away, so that a second
        signal does not change the status.
        """
        if self._loop is not None and self._status:
            self._loop.call_soon(_exit, self._status)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        loop = self._loop
        if number == signal.SIGINT:  # the server knows what Ctrl+C and a second Ctrl+C mean
            self._former_handlers[number](number, frame)
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._prepare_stop if number == signal.SIGINT else self._end_in_order)

    def _end_in_order(self) -> None:
        self.end(0)

    def _prepare_stop(self) -> None:
        if self._before_stop is not None and self._stopping is None and self._loop is not None:
            self._stopping = self._loop.create_task(_logged(self._before_stop()), name="before stop")


async def _logged(work: Coroutine[Any, Any, object]) -> None:
    try:
        await work
    except Exception:
        logger.exception("could not prepare for the stop")


def _end_at_the_latest(status: int, seconds: float) -> None:
    def end() -> None:
        logger.critical("the process did not stop within %.0f s and is ended now", seconds)
        os._exit(status)

    timer = threading.Timer(seconds, end)
    timer.name = "end at the latest"
    timer.daemon = True
    timer.start()


def _exit(status: int) -> None:
    sys.stdout.flush()
    raise SystemExit(status)


def terminate() -> None:
    """Ask the process to end; what `supervise` does about a crash unless told otherwise."""
    os.kill(os.getpid(), signal.SIGTERM)
