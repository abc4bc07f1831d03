"""Runs blocking functions without blocking the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def io_bound(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that waits for disk or network in a thread."""
    return await asyncio.get_running_loop().run_in_executor(None, partial(function, *args, **kwargs))


class OwnThreads:
    """One thread, or a few, that run functions in the order in which they come; they start with the first of them.

    Cancelling a waiting caller takes its function out of the queue; one that has begun runs to its end.
    """

    def __init__(self, name: str, count: int = 1) -> None:
        self._name = name
        self._count = count
        self._executor: ThreadPoolExecutor | None = None

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._count, thread_name_prefix=self._name)
        return await asyncio.wrap_future(self._executor.submit(partial(function, *args, **kwargs)))

    async def aclose(self) -> None:
        """Wait until all functions have run and end the threads. The next `run` starts others."""
        executor, self._executor = self._executor, None
        if executor is not None:
            await io_bound(executor.shutdown)
