"""Configures logging: one line per event on standard output.

Called by a node's constructor and by the command line. A program that has configured logging itself keeps its own.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

from .formats import FORMAT, JsonFormatter, RedactingFormatter

CHATTY = ("alembic",)
"""Libraries that tell at level info what nobody who runs a node or a loop has to know; their warnings are logged."""

NODE_LOGGER = "Node"
"""The logger whose level `PUT /debug_logging` changes."""

SERVER_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access")
"""uvicorn gives these handlers of their own, before it imports the program that it serves."""


def configure_logging(level: int = logging.INFO, *, as_json: bool = False, stream: TextIO | None = None) -> None:
    """Log to standard output, unless the root logger already has a handler; without logins and tokens.

    With `as_json` each line is a JSON object. The lines of uvicorn follow in both formats. A command
    whose output is for a program logs to another `stream`.
    """
    _adapt_server(as_json=as_json)
    if logging.getLogger().handlers:
        return
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter() if as_json else RedactingFormatter(logging.Formatter(FORMAT)))
    logging.basicConfig(level=level, handlers=[handler])
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _adapt_server(*, as_json: bool) -> None:
    """Give uvicorn's own handlers our format; those of a program stay as they are."""
    for name in SERVER_LOGGERS:
        for handler in logging.getLogger(name).handlers:
            formatter = handler.formatter
            if formatter is not None and type(formatter).__module__.startswith("uvicorn."):
                handler.setFormatter(JsonFormatter() if as_json else RedactingFormatter(formatter))
