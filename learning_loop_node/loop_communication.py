"""Old path of `client.communicator`."""

from .client.communicator import (
    MAX_RETRIES_ON_429,
    SLEEP_TIME_ON_429,
    LoopCommunicationException,
    LoopCommunicator,
    retry_on_429,
)

__all__ = [
    "MAX_RETRIES_ON_429",
    "SLEEP_TIME_ON_429",
    "LoopCommunicationException",
    "LoopCommunicator",
    "retry_on_429",
]
