"""Old path of clipping, which lives in `geometry`."""

from ..geometry.boxes import clip_box
from ..geometry.points import clip_point

__all__ = ["clip_box", "clip_point"]
