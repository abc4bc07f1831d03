"""Waits for what may never end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)

# What was left behind and has not ended yet; asyncio itself keeps only weak references.
_left: set[asyncio.Task[Any]] = set()


class TookTooLong(Exception):  # noqa: N818  it says what happened, and is no `TimeoutError` of the coroutine itself
    """A coroutine was left behind."""


async def within(seconds: float, coroutine: Coroutine[Any, Any, T]) -> T:
    """The result, or `TookTooLong` after this time, also when the coroutine does not let itself be cancelled.

    It is cancelled and left behind then; what it raises afterwards is logged.
    """
    task = asyncio.get_running_loop().create_task(coroutine)
    try:
        await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        _leave(task)
        raise
    if task.done():
        return task.result()
    _leave(task)
    raise TookTooLong


def _leave(task: asyncio.Task[Any]) -> None:
    _left.add(task)
    task.add_done_callback(_forget)
    task.cancel()


def _forget(task: asyncio.Task[Any]) -> None:
    _left.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.warning("what took too long and was left behind failed: %s: %s", type(error).__name__, error)
