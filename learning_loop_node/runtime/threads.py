"""Runs blocking functions without blocking the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def io_bound(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that waits for disk or network in a thread."""
    return await asyncio.get_running_loop().run_in_executor(None, partial(function, *args, **kwargs))
