"""From encoded bytes to pixels, equal to those of Pillow.

Plain JPEG goes through simplejpeg, which is faster and leaves the interpreter free, everything else through Pillow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from ..errors import InvalidImageError
from .header import ImageHeader, read_header
from .raw import LARGEST_PIXELS

Pixels = NDArray[np.uint8]  # H×W×3, RGB

_USUAL_SCANS = 20  # of a JPEG, at most; each scan is a pass over all pixels
_MAX_SCANNED_PIXELS = 1_280_000_000  # of all scans, where there are more; about two seconds


def decode(data: bytes, *, max_pixels: int = LARGEST_PIXELS) -> Pixels:
    """The pixels of an encoded image, upright, in an array of its own that may be written to."""
    header = read_header(data, max_pixels=max_pixels)
    if header.format == "jpeg":
        return _decode_jpeg(data, header)
    return _decode_with_pillow(data, header)


def check(data: bytes, *, max_pixels: int = LARGEST_PIXELS) -> None:
    """Raise what `decode` would, in half the time or less, and without the memory for the pixels.

    All of a JPEG is read, but only an eighth of its width and height is made into pixels, without colours.
    """
    header = read_header(data, max_pixels=max_pixels)
    if header.format != "jpeg" or header.channels == 4:
        decode(data, max_pixels=max_pixels)
        return
    _refuse_many_scans(data, header)
    try:
        pixels = simplejpeg.decode_jpeg(
            data, "GRAY", fastdct=True, fastupsample=True, min_height=1, min_width=1, min_factor=8, strict=True
        )
    except ValueError:  # as in `_decode_jpeg`
        _decode_with_pillow(data, header)
        return
    if pixels.shape[:2] != (-(-header.height // 8), -(-header.width // 8)):
        decode(data, max_pixels=max_pixels)


def _refuse_many_scans(data: bytes, header: ImageHeader) -> None:
    if header.has_many_scans:  # counting takes the interpreter a tenth of the time of decoding
        scans = data.count(b"\xff\xda")
        if scans > _USUAL_SCANS and scans * header.width * header.height > _MAX_SCANNED_PIXELS:
            raise InvalidImageError(f"the JPEG has {scans} scans, too many for its size")


def _decode_jpeg(data: bytes, header: ImageHeader) -> Pixels:
    _refuse_many_scans(data, header)
    if header.channels == 4:  # libjpeg knows no way from CMYK to RGB
        return _decode_with_pillow(data, header)
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False, strict=True)
    except ValueError:  # rare sampling factors, and small damage that Pillow forgives
        return _decode_with_pillow(data, header)
    if pixels.shape[:2] != (header.height, header.width):
        raise InvalidImageError("the JPEG contradicts itself about its size")
    return _upright(pixels, header.orientation)


def _decode_with_pillow(data: bytes, header: ImageHeader) -> Pixels:
    from .by_pillow import decode_with_pillow

    return _upright(*decode_with_pillow(data, header))


_TURNED: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda rows: rows[:, ::-1],
    3: lambda rows: rows[::-1, ::-1],
    4: lambda rows: rows[::-1],
    5: lambda rows: rows.T,
    6: lambda rows: rows[::-1].T,
    7: lambda rows: rows[::-1, ::-1].T,
    8: lambda rows: rows.T[::-1],
}


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    if orientation not in _TURNED:
        return pixels
    rows = pixels.view("V3")[:, :, 0]  # a pixel as one element, which copies twice as fast as three
    turned = np.ascontiguousarray(_TURNED[orientation](rows))
    return turned.view(np.uint8).reshape(*turned.shape, 3)
