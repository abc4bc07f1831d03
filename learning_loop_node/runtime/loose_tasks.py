"""Tasks that a program starts without waiting for them: kept alive, and heard when they fail.

For user programs; inside the package work belongs to a service.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)

# asyncio itself keeps only weak references, so that somebody has to hold these, for the whole process.
_running: set[asyncio.Task[Any]] = set()
_lazy_running: dict[str, asyncio.Task[Any]] = {}
_lazy_waiting: dict[str, Coroutine[Any, Any, Any]] = {}


def start(coroutine: Coroutine[Any, Any, T], *, name: str = "unnamed task") -> asyncio.Task[T]:
    """Run this in the background; what it raises is logged."""
    task = asyncio.get_running_loop().create_task(coroutine, name=name)
    _running.add(task)
    task.add_done_callback(_finish)
    return task


def start_lazy(coroutine: Coroutine[Any, Any, Any], *, name: str) -> None:
    """Run this in the background, after a task of the same name; of several that wait, only the last one runs."""
    running = _lazy_running.get(name)
    if running is not None and not running.done():
        if name in _lazy_waiting:
            _lazy_waiting.pop(name).close()
        _lazy_waiting[name] = coroutine
        return
    task = _lazy_running[name] = start(coroutine, name=name)
    task.add_done_callback(lambda done: _start_next(name, done))


def _start_next(name: str, done: asyncio.Task[Any]) -> None:
    if _lazy_running.get(name) is done:
        del _lazy_running[name]
    waiting = _lazy_waiting.pop(name, None)
    if waiting is None:
        return
    if done.get_loop().is_closed():
        waiting.close()
    else:
        start_lazy(waiting, name=name)


def _finish(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("the task %s failed", task.get_name(), exc_info=error)
