"""Draws labelled scenes: the same seed always gives the same picture, and what is in it is known to the pixel.

`compose` decides what is where, `render` draws it. Neither needs more than NumPy and Pillow.
"""

from .composition import Scene, Thing, compose
from .render import Style, render

__all__ = ["Scene", "Style", "Thing", "compose", "render"]
