"""Through Pillow: whatever is not a plain JPEG.

Imported with the first such image, since it takes memory and time that a node with ordinary cameras never needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from ..errors import InvalidImageError, TooLargeError
from .header import ImageHeader, orientation_of

# The classes themselves instead of Image.open: no other format can come in, and a limit that is global to the process
# does not warn beside our own.
_PILLOW: dict[str, type[ImageFile.ImageFile]] = {
    "jpeg": JpegImageFile,
    "png": PngImageFile,
    "webp": WebPImageFile,
    "bmp": BmpImageFile,
}


_STRIP_BYTES = 256 * 1024


def decode_with_pillow(data: bytes, header: ImageHeader) -> tuple[NDArray[np.uint8], int]:
    """The pixels as they are stored, H×W×3, and how they are to be turned: the orientation of EXIF."""
    if header.exif_places:
        data = _without_exif(data, header)
    try:
        with _PILLOW[header.format](BytesIO(data)) as image:
            if image.size != (header.width, header.height):
                raise InvalidImageError(f"the {header.format} image contradicts itself about its size")
            image.load()
            orientation = _orientation_of_png(image.info) if header.format == "png" else header.orientation
            image.info.pop("transparency", None)  # it would only warn that it is dropped
            pixels = _pixels_of(image)
    except InvalidImageError:
        raise
    except Image.DecompressionBombError as error:
        raise TooLargeError(str(error)) from error
    except Exception as error:  # Pillow's readers raise nearly every built-in exception on broken files
        raise InvalidImageError(
            f"the {header.format} image cannot be decoded: {error or type(error).__name__}"
        ) from error
    return pixels, orientation


def _without_exif(data: bytes, header: ImageHeader) -> bytes:
    """The JPEG with its EXIF data made unknown: Pillow would read all tags, of which each may claim all bytes."""
    changed = bytearray(data)
    for place in header.exif_places:
        changed[place : place + 4] = b"none"
    return bytes(changed)


def _pixels_of(image: Image.Image) -> NDArray[np.uint8]:
    """The RGB array of an image, strip by strip: as a whole it takes five times as long and up to thrice the memory."""
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP_BYTES // (3 * width))
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, width, bottom)).convert("RGB"))
    return pixels


def _orientation_of_png(info: Mapping[str | tuple[int, int], Any]) -> int:
    """What stands behind the pixels of a PNG, or in ImageMagick's old text form, is known only when all is read."""
    exif, xmp = info.get("exif"), info.get("XML:com.adobe.xmp", b"")
    if exif is None:
        try:
            exif = bytes.fromhex("".join(str(info.get("Raw profile type exif", "")).split("\n")[3:]))
        except ValueError:  # broken EXIF is no reason to refuse the pixels
            exif = b""
    return orientation_of(exif, xmp.encode() if isinstance(xmp, str) else xmp)
