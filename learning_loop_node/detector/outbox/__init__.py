"""The outbox: images on disk that wait for the loop."""

from .outbox import Outbox
from .status import OutboxStatus

__all__ = ["Outbox", "OutboxStatus"]
