"""From whatever a program hands over to a JPEG."""

from __future__ import annotations

from typing import Any

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from ..errors import InvalidImageError
from .decoding import decode
from .header import read_header
from .raw import LARGEST_PIXELS

ImageInput = NDArray[Any] | bytes  # what programs hand over: an array of pixels, or an encoded image

JPEG_QUALITY = 95

_LARGEST_JPEG_SIDE = 65_500  # what libjpeg can write


def to_jpeg(
    image: ImageInput,
    *,
    quality: int = JPEG_QUALITY,
    max_pixels: int = LARGEST_PIXELS,
    checks_pixels: bool = False,
) -> bytes:
    """A JPEG of whatever a program hands over. What is a JPEG already stays as it is, byte for byte.

    Of that, only the header is read, unless its pixels are to be checked, too.
    """
    if isinstance(image, np.ndarray):
        return encode_jpeg(image, quality=quality)
    data = _as_bytes(image)
    is_jpeg = read_header(data, max_pixels=max_pixels).format == "jpeg"
    if is_jpeg and not checks_pixels:
        return data
    pixels = decode(data, max_pixels=max_pixels)
    return data if is_jpeg else encode_jpeg(pixels, quality=quality)


def encode_jpeg(pixels: NDArray[Any], *, quality: int = JPEG_QUALITY) -> bytes:
    """A JPEG of an array as programs have it: H×W, H×W×1, H×W×3 (RGB) or H×W×4 (alpha is dropped), any numeric type.

    `uint8` is taken as it is, `bool` is black and white, `uint16` fills its range. Other integers are in 0…255. Floats
    are in 0…1 if none is above 1, else in 0…255. What lies outside is clipped; what is not a number becomes black.
    """
    image = np.ascontiguousarray(_as_uint8(_with_channels(pixels)))
    is_gray = image.shape[2] == 1
    return simplejpeg.encode_jpeg(  # type: ignore[no-any-return]
        image,
        quality=quality,
        colorspace="GRAY" if is_gray else "RGB",
        colorsubsampling="Gray" if is_gray else "420",
    )


def _as_bytes(image: object) -> bytes:
    if not isinstance(image, bytes | bytearray | memoryview):
        raise InvalidImageError(f"an image is a NumPy array or bytes, not {type(image).__name__}")
    return bytes(image)


def _with_channels(pixels: NDArray[Any]) -> NDArray[Any]:
    """H×W×1 or H×W×3."""
    if not isinstance(pixels, np.ndarray):
        raise InvalidImageError(f"pixels: expected a NumPy array, got {type(pixels).__name__}")
    image = pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4):
        raise InvalidImageError(
            f"an array of shape {pixels.shape} is no image; expected (height, width) or (height, width, 1, 3 or 4)"
        )
    if not all(1 <= side <= _LARGEST_JPEG_SIDE for side in image.shape[:2]):
        raise InvalidImageError(
            f"an array of shape {pixels.shape} has no place in a JPEG: each side is 1 to {_LARGEST_JPEG_SIDE}"
        )
    return image[:, :, :3]


def _as_uint8(image: NDArray[Any]) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        return image
    match image.dtype.kind:
        case "b":
            return image.astype(np.uint8) * np.uint8(255)
        case "u" if image.dtype.itemsize == 2:
            return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
        case "u" | "i":
            return image.clip(0, min(255, np.iinfo(image.dtype).max)).astype(np.uint8)
        case "f":
            return _floats_as_uint8(image)
    raise InvalidImageError(f"an array of type {image.dtype} is no image; expected numbers")


def _floats_as_uint8(image: NDArray[Any]) -> NDArray[np.uint8]:
    numbers = np.nan_to_num(image.astype(np.float32) if image.dtype.itemsize == 2 else image, posinf=np.inf, neginf=0.0)
    highest = numbers.max(where=np.isfinite(numbers), initial=0.0)
    scale = 255 if highest <= 1.0 else 1
    scaled: NDArray[np.uint8] = np.rint(numbers.clip(0, 255 // scale) * scale).astype(np.uint8)
    return scaled
