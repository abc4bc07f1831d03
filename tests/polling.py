"""Waits for what must become true, and says so if it does not."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], bool | Awaitable[bool]], *, within_s: float = 30.0) -> None:
    """Ask again and again, without blocking others; `TimeoutError` if it does not come true."""
    async with asyncio.timeout(within_s):
        while True:
            is_true = condition()
            if await is_true if inspect.isawaitable(is_true) else is_true:
                return
            await asyncio.sleep(0.01)
