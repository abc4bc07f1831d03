"""Old path of `runtime.threads`."""

from ..runtime.threads import io_bound

__all__ = ["io_bound"]
