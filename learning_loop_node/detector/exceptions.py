"""Old path of the errors of a detector, which live in `errors`."""

from ..errors import NodeNeedsRestartError

__all__ = ["NodeNeedsRestartError"]
