"""Runs an asynchronous context in a thread with an event loop of its own, for clients that block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

T = TypeVar("T")

START_S = 30.0


@contextmanager
def in_thread(make: Callable[[], AbstractAsyncContextManager[T]]) -> Iterator[T]:
    """What the context gives, while the block is open."""
    is_open, entered, failed = threading.Event(), list[T](), list[BaseException]()
    stop: list[Callable[[], object]] = []

    async def live() -> None:
        ended = asyncio.Event()
        running = asyncio.get_running_loop()
        stop.append(lambda: running.call_soon_threadsafe(ended.set))
        async with make() as value:
            entered.append(value)
            is_open.set()
            await ended.wait()

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:
            failed.append(error)
        finally:
            is_open.set()

    thread = threading.Thread(target=run, name="server of a test", daemon=True)
    thread.start()
    is_open.wait(START_S)
    if not entered:
        raise RuntimeError("the server did not start") from (failed[0] if failed else None)
    try:
        yield entered[0]
    finally:
        stop[0]()
        thread.join(START_S)
        if failed:
            raise failed[0]
