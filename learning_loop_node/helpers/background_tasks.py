"""Old path of `runtime.loose_tasks`."""

from ..runtime.loose_tasks import start as create
from ..runtime.loose_tasks import start_lazy as create_lazy

__all__ = ["create", "create_lazy"]
