"""Ends the process in order, from inside, under whichever server runs it.

uvicorn lets a termination signal kill the process once everything is closed (status 143), and offers the application no
way to stop it. Here the signal only asks the server to stop, so that an orderly end has status 0, and so that a
crashed service can end the process with a status of its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

logger = logging.getLogger(__name__)


class Termination:
    """How this process is to end. One per running application, opened and closed by its lifespan."""

    def __init__(self, before_stop: Callable[[], None] | None = None) -> None:
        self._before_stop = before_stop
        self._server: Any = None
        self._former_handler: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._status: int | None = None

    def open(self) -> None:
        """Take over the termination signal from the server, if one runs in this thread and handles it."""
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is not threading.main_thread():
            return
        handler = signal.getsignal(signal.SIGTERM)
        server = getattr(handler, "__self__", None)
        if hasattr(server, "should_exit"):
            self._server = server
            self._former_handler = handler
            signal.signal(signal.SIGTERM, self._on_signal)

    def end(self, status: int) -> None:
        """End the process in order; it exits with this status, the first one given counts."""
        if self._status is None:
            self._status = status
        if self._before_stop:
            self._before_stop()
        if self._server is not None:
            self._server.should_exit = True
        else:
            os.kill(os.getpid(), signal.SIGTERM)

    def close(self) -> None:
        """At the very end of the lifespan: give the signal back and, if the process is to end, let it.

        The exit is raised by the event loop itself, since the server swallows what an application raises.
        """
        if self._server is not None:
            signal.signal(signal.SIGTERM, self._former_handler)
        if self._status is not None and self._server is not None and self._loop is not None:
            self._loop.call_soon(_exit, self._status)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self.end, 0)


def _exit(status: int) -> None:
    sys.stdout.flush()
    raise SystemExit(status)


def terminate() -> None:
    """Ask the process to end; what `supervise` does about a crash unless told otherwise."""
    os.kill(os.getpid(), signal.SIGTERM)
