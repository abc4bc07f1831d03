"""Old path of `runtime.entrypoint`."""

from ..runtime.entrypoint import VRAM_LIMIT_GB_FLAG, VRAM_LIMIT_GB_HELP, node_parser, run_node

__all__ = ["VRAM_LIMIT_GB_FLAG", "VRAM_LIMIT_GB_HELP", "node_parser", "run_node"]
