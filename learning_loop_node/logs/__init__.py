"""What a process writes about itself, line by line."""

from .configuration import NODE_LOGGER, configure_logging
from .redaction import redacted

__all__ = ["NODE_LOGGER", "configure_logging", "redacted"]
