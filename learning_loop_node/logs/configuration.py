"""Configures logging: one line per event on standard output.

Called by a node's constructor and by the command line. A program that has configured logging itself keeps its own.
"""

import logging
import sys

FORMAT = "%(asctime)s %(levelname)-8s [%(filename)s:%(lineno)d] %(message)s"

CHATTY = ("alembic",)
"""Libraries that tell at level info what nobody who runs a node or a loop has to know; their warnings are logged."""

NODE_LOGGER = "Node"
"""The logger whose level `PUT /debug_logging` changes."""


def configure_logging(level: int = logging.INFO) -> None:
    """Log to standard output, unless the root logger already has a handler."""
    if logging.getLogger().handlers:
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.basicConfig(level=level, handlers=[handler])
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
