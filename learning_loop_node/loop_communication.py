"""Old path of `client.communicator`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from .client.communicator import MAX_RETRIES_ON_429, SLEEP_TIME_ON_429, LoopCommunicator
from .errors import LoopError as LoopCommunicationException
from .runtime.clock import Clock, SystemClock

__all__ = [
    "MAX_RETRIES_ON_429",
    "SLEEP_TIME_ON_429",
    "LoopCommunicationException",
    "LoopCommunicator",
    "retry_on_429",
]


def retry_on_429(func: Callable[..., Awaitable[Any]], clock: Clock | None = None) -> Callable[..., Awaitable[Any]]:
    """Let a function that returns an answer of the loop ask again when that says "too many requests"."""

    @wraps(func)
    async def asking_again(*args: Any, **kwargs: Any) -> Any:
        answer = await func(*args, **kwargs)
        for _ in range(MAX_RETRIES_ON_429):
            if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                break
            await (clock or SystemClock()).sleep(SLEEP_TIME_ON_429)
            answer = await func(*args, **kwargs)
        return answer

    return asking_again
