"""Waits for what must become true, and says so if it does not."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

SHORTEST_S, LONGEST_S = 0.01, 0.1
"""Who must await the answer often asks a server; asking all the time would keep it from its work."""


async def until(condition: Callable[[], bool | Awaitable[bool]], *, within_s: float = 30.0) -> None:
    """Ask again and again, without blocking others; `TimeoutError` if it does not come true."""
    pause_s = SHORTEST_S
    async with asyncio.timeout(within_s):
        while True:
            is_true = condition()
            if inspect.isawaitable(is_true):
                is_true = await is_true
                pause_s = min(1.2 * pause_s, LONGEST_S)
            if is_true:
                return
            await asyncio.sleep(pause_s)
