"""Lets a websocket be refused with a status of HTTP, without the server taking that for a mistake of ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from starlette.types import Receive, Scope, Send

from ..errors import NodeError
from .replies import error_reply

SERVER_LOGGER = "uvicorn.error"
MISTAKEN = "ASGI callable returned without completing handshake."

_is_refused: ContextVar[bool] = ContextVar("is_refused", default=False)


async def refuse(error: NodeError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or the handshake of a websocket, with an error."""
    _is_refused.set(scope["type"] == "websocket")
    await error_reply(error)(scope, receive, send)


@contextmanager
def as_no_mistake() -> Iterator[None]:
    """While this is open, refused handshakes are not logged as errors.

    uvicorn sends the answer, but does not count a refusal as the end of a handshake, and logs an error for each: at a
    stop of the loop that is one for every node that comes again. Where nothing was refused, the line remains.
    """

    def is_worth_it(record: logging.LogRecord) -> bool:
        # uvicorn logs in the task, and so in the context, in which the refusal was sent
        return not (_is_refused.get() and record.getMessage() == MISTAKEN)

    logger = logging.getLogger(SERVER_LOGGER)
    logger.addFilter(is_worth_it)
    try:
        yield
    finally:
        logger.removeFilter(is_worth_it)
