"""From encoded bytes to pixels, equal to those of Pillow.

Plain JPEG goes through simplejpeg, which is faster and leaves the interpreter free, everything else through Pillow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from ..errors import InvalidImageError, TooLargeError
from .header import ImageHeader, orientation_of, read_header
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


def _decode_jpeg(data: bytes, header: ImageHeader) -> Pixels:
    if header.has_many_scans:  # counting takes the interpreter a tenth of the time of decoding
        scans = data.count(b"\xff\xda")
        if scans > _USUAL_SCANS and scans * header.width * header.height > _MAX_SCANNED_PIXELS:
            raise InvalidImageError(f"the JPEG has {scans} scans, too many for its size")
    if header.channels == 4:  # libjpeg knows no way from CMYK to RGB
        return _decode_with_pillow(data, header)
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False, strict=True)
    except ValueError:  # rare sampling factors, and small damage that Pillow forgives
        return _decode_with_pillow(data, header)
    if pixels.shape[:2] != (header.height, header.width):
        raise InvalidImageError("the JPEG contradicts itself about its size")
    return _upright(pixels, header.orientation)


# The classes themselves instead of Image.open: no other format can come in, and a limit that is global to the process
# does not warn beside our own.
_PILLOW: dict[str, type[ImageFile.ImageFile]] = {
    "jpeg": JpegImageFile,
    "png": PngImageFile,
    "webp": WebPImageFile,
    "bmp": BmpImageFile,
}


_STRIP_BYTES = 256 * 1024


def _decode_with_pillow(data: bytes, header: ImageHeader) -> Pixels:
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
    return _upright(pixels, orientation)


def _without_exif(data: bytes, header: ImageHeader) -> bytes:
    """The JPEG with its EXIF data made unknown: Pillow would read all tags, of which each may claim all bytes."""
    changed = bytearray(data)
    for place in header.exif_places:
        changed[place : place + 4] = b"none"
    return bytes(changed)


def _pixels_of(image: Image.Image) -> Pixels:
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
