"""Old path of `GLOBALS`, which lives in `settings`."""

from .settings import GLOBALS, Globals

__all__ = ["GLOBALS", "Globals"]
