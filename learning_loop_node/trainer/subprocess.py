"""Old path of `runtime.iterator_process`."""

from ..runtime.iterator_process import iterator_cpu_bound

__all__ = ["iterator_cpu_bound"]
