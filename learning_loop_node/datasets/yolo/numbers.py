"""Pixels as shares of the image's size, and back.

We write twelve decimals and read to a millionth of a pixel: what has no more than six decimals comes back as it was.
Other programs often write six decimals of the share, which say less; a whole pixel that such a text can mean is taken
for what it means.
"""

from __future__ import annotations

import math
from typing import TypeAlias

from ...errors import DatasetError
from ..dataset import Number

PIXEL_DECIMALS = 6
_ROUGH_DECIMALS = 6
"""From so many decimals on, a text is taken to be cut off there; a shorter one means what it says."""

Text: TypeAlias = str


def share_of(pixels: Number, size: int) -> Text:
    """Twelve decimals.

    >>> share_of(160, 640)
    '0.250000000000'
    """
    return f"{pixels / size:.12f}"


def is_exact(pixels: Number) -> bool:
    """Whether reading gives the same number again."""
    return round(pixels, PIXEL_DECIMALS) == pixels


def read_share(text: Text, where: str) -> float:
    """The number; slightly outside of 0 to 1 is fine, as Ultralytics finds."""
    try:
        value = float(text)
    except ValueError as error:
        raise DatasetError(f"{where}: {text!r} is no number") from error
    if not math.isfinite(value):
        raise DatasetError(f"{where}: {text!r} is no coordinate; it must be a finite number")
    if not -0.01 <= value <= 1.01:
        raise DatasetError(f"{where}: {text} is not between 0 and 1; coordinates are shares of the image's size")
    return value


def pixels_of(value: float, size: int, doubt: float) -> Number:
    """A share in pixels; `doubt` is how far it may be from the one that was meant.

    >>> pixels_of(0.001563, 640, doubt_of("0.001563")), pixels_of(0.001563, 640, doubt_of("0.001563000000"))
    (1, 1.00032)
    """
    pixels = value * size
    nearest = round(pixels)
    if abs(pixels - nearest) <= doubt * size:
        return nearest
    rounded = round(pixels, PIXEL_DECIMALS)
    return int(rounded) if rounded.is_integer() else rounded


def doubt_of(text: Text) -> float:
    """How far a number may be from the one that was meant, if its text was cut off."""
    decimals = len(text.partition(".")[2]) if "e" not in text.lower() else 0
    return 0.500001 * 10.0**-decimals if decimals >= _ROUGH_DECIMALS else 0.0
