"""Old path of `logs`."""

from ..logs import configure_logging as init

__all__ = ["init"]
