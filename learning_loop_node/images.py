"""Image bytes and pixel arrays: what counts as a valid image, and how one becomes the other.

`read_header` looks at the first bytes only and costs microseconds; `decode` makes pixels. They equal those of Pillow's
`ImageOps.exif_transpose(Image.open(…)).convert("RGB")`: plain JPEG goes through simplejpeg, which is faster and leaves
the interpreter free, everything else through Pillow.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
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

from .errors import InvalidImageError, TooLargeError

Pixels = NDArray[np.uint8]  # H×W×3, RGB
ImageInput = NDArray[Any] | bytes  # what programs hand over: an array of pixels, or an encoded image

JPEG_QUALITY = 95
LARGEST_SIDE = 16_384  # of a raw array
LARGEST_PIXELS = LARGEST_SIDE**2  # of any image, whatever the settings say

_LARGEST_JPEG_SIDE = 65_500  # what libjpeg can write
_USUAL_SCANS = 20  # of a progressive JPEG, at most; each scan is a pass over all pixels
_MAX_SCANNED_PIXELS = 1_280_000_000  # of all scans, where there are more; about two seconds
_MAX_SEGMENTS = 4096  # of a JPEG before its pixels; a large colour profile takes 255
_MAX_CHUNKS = 64  # of a PNG or WebP, looked at for the orientation
_MAX_METADATA_BYTES = 2**20  # EXIF or XMP, looked at for the orientation


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What an image says of itself before its pixels. `width` and `height` are as stored, before it is turned upright.

    `orientation` is EXIF's, 1 to 8; 1 is upright. `channels` and `is_progressive` are told of JPEG only.
    """

    format: str  # 'jpeg', 'png', 'webp' or 'bmp'
    width: int
    height: int
    orientation: int = 1
    channels: int = 3
    is_progressive: bool = False


def read_header(data: bytes, *, max_pixels: int) -> ImageHeader:
    """Check what can be checked without decoding. The content decides the format, never a name or a content type."""
    header = _header_of(data)
    _check_pixels(header.width, header.height, max_pixels)
    return header


def decode(data: bytes, *, max_pixels: int = LARGEST_PIXELS) -> Pixels:
    """The pixels of an encoded image, upright, in an array of its own that may be written to."""
    header = read_header(data, max_pixels=max_pixels)
    if header.format == "jpeg":
        return _decode_jpeg(data, header)
    return _decode_with_pillow(data, header)


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


def to_jpeg(image: ImageInput, *, quality: int = JPEG_QUALITY, max_pixels: int = LARGEST_PIXELS) -> bytes:
    """A JPEG of whatever a program hands over. What is a JPEG already stays as it is, byte for byte."""
    if isinstance(image, np.ndarray):
        return encode_jpeg(image, quality=quality)
    data = _as_bytes(image)
    if read_header(data, max_pixels=max_pixels).format == "jpeg":
        return data
    return encode_jpeg(decode(data, max_pixels=max_pixels), quality=quality)


def array_from_raw(data: Any, dtype: Any, shape: Any, *, max_pixels: int) -> NDArray[Any]:
    """The array that a client sent as its bytes (in C order), type and shape. It shares the bytes and is read-only.

    Everything comes from outside, so that every type is possible; the error names the key.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise InvalidImageError(f"bytes: expected bytes, got {type(data).__name__}")
    kind = _RAW_TYPES.get(dtype) if isinstance(dtype, str) else None
    if kind is None:
        raise InvalidImageError(f"dtype: {_shortened(dtype)} is not a numeric type such as 'uint8' or 'float32'")
    if not isinstance(shape, list | tuple) or len(shape) not in (2, 3):
        raise InvalidImageError(
            f"shape: expected (height, width) or (height, width, channels), got {_shortened(shape)}"
        )
    if not all(type(side) is int and 1 <= side <= LARGEST_SIDE for side in shape):
        raise InvalidImageError(f"shape: each side is a number from 1 to {LARGEST_SIDE}, got {_shortened(shape)}")
    _check_pixels(shape[1], shape[0], max_pixels)
    expected = math.prod(shape) * kind.itemsize
    length = data.nbytes if isinstance(data, memoryview) else len(data)
    if length != expected:
        raise InvalidImageError(f"bytes: {length} bytes, but shape and dtype need {expected}")
    array = np.frombuffer(data, dtype=kind).reshape(shape)
    array.flags.writeable = False
    return array


def _as_bytes(image: object) -> bytes:
    if not isinstance(image, bytes | bytearray | memoryview):
        raise InvalidImageError(f"an image is a NumPy array or bytes, not {type(image).__name__}")
    return bytes(image)


def _raw_types() -> dict[str, np.dtype[Any]]:
    """Every spelling that NumPy gives to a numeric type: `uint16`, `u2`, `<u2`, `>u2`, `|u1`."""
    types: dict[str, np.dtype[Any]] = {"bool": np.dtype(bool), "?": np.dtype(bool), "|b1": np.dtype(bool)}
    for code in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"):
        types |= {order + code: np.dtype(order + code) for order in ("", "<", ">", "=", "|" if code[1] == "1" else "")}
        types[np.dtype(code).name] = np.dtype(code)
    return types


_RAW_TYPES = _raw_types()


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise TooLargeError(
            f"the image has {width}×{height} = {width * height} pixels, the limit MAX_IMAGE_PIXELS is {max_pixels}"
        )


# Headers


def _header_of(data: bytes) -> ImageHeader:
    if not data:
        raise InvalidImageError("the image is empty (0 bytes)")
    try:
        if data[:3] == b"\xff\xd8\xff":
            header = _jpeg_header(data)
        elif data[:8] == b"\x89PNG\r\n\x1a\n":
            header = _png_header(data)
        elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            header = _webp_header(data)
        elif data[:2] == b"BM" and data[14:18] in _BMP_HEADER_SIZES:
            header = _bmp_header(data)
        else:
            raise InvalidImageError(f"not a JPEG, PNG, WebP or BMP image (it begins with {bytes(data[:8])!r})")
    except (IndexError, struct.error) as error:
        raise InvalidImageError("the image ends within its header") from error
    if header.width == 0 or header.height == 0:
        raise InvalidImageError(f"the {header.format} image has no pixels ({header.width}×{header.height})")
    return header


_SOF_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})
_SOS, _EOI, _APP1 = 0xDA, 0xD9, 0xE1
_length_at = struct.Struct(">H").unpack_from
_frame_at = struct.Struct(">HHB").unpack_from
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})


def _jpeg_header(data: bytes) -> ImageHeader:
    """Follow the segments up to the first scan, as libjpeg does, and see that the last scan is not cut off."""
    position, frame, is_progressive, exif, xmp = 2, -1, False, b"", b""
    for _ in range(_MAX_SEGMENTS):
        if data[position] != 0xFF:
            position = data.find(b"\xff", position)
            if position < 0:
                raise InvalidImageError("the JPEG ends within its header")
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        position += 2
        if marker == 0 or marker in _BARE_MARKERS:
            continue
        if marker == _SOS:
            break
        if marker == _EOI:
            raise InvalidImageError("the JPEG ends before its pixels")
        length = _length_at(data, position)[0]
        if marker == _APP1:
            segment = data[position + 2 : position + length]
            if segment.startswith(b"Exif\0\0"):
                exif = exif + segment[6:] if exif else segment
                if len(exif) > _MAX_METADATA_BYTES:
                    raise InvalidImageError(f"the JPEG has more than {_MAX_METADATA_BYTES} bytes of EXIF data")
            elif segment.startswith(_XMP_IN_JPEG):
                xmp = segment
        elif marker in _SOF_MARKERS and frame < 0:
            frame, is_progressive = position + 3, marker in _PROGRESSIVE
        position += length
    else:
        raise InvalidImageError(f"the JPEG has more than {_MAX_SEGMENTS} segments before its pixels")
    if frame < 0:
        raise InvalidImageError("the JPEG has no frame header before its pixels")
    if data.rfind(b"\xff\xd9", position) < 0:
        raise InvalidImageError("the JPEG is truncated: its end marker is missing")
    height, width, channels = _frame_at(data, frame)
    orientation = _orientation(exif, xmp) if exif or xmp else 1
    return ImageHeader("jpeg", width, height, orientation, channels, is_progressive)


def _png_header(data: bytes) -> ImageHeader:
    if data[12:16] != b"IHDR":
        raise InvalidImageError("the PNG does not begin with its header")
    width, height = struct.unpack_from(">II", data, 16)
    exif, xmp, position = b"", b"", 8
    for _ in range(_MAX_CHUNKS):
        if position + 8 > len(data):
            break
        (length,), name = struct.unpack_from(">I", data, position), data[position + 4 : position + 8]
        if name == b"IDAT":
            break
        if name == b"eXIf":
            exif = _metadata(data, position + 8, length)
        elif name == b"iTXt" and data.startswith(b"XML:com.adobe.xmp\0", position + 8):
            xmp = _metadata(data, position + 8, length)
        position += 12 + length
    return ImageHeader("png", width, height, _orientation(exif, xmp))


_WEBP_METADATA = 0x08 | 0x04  # flags for EXIF and XMP; libwebp passes over what is not announced


def _webp_header(data: bytes) -> ImageHeader:
    kind = data[12:16]
    if kind == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        height = 1 + int.from_bytes(data[27:30], "little")
    elif kind == b"VP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    else:
        raise InvalidImageError("the WebP image has no header that we know")
    if len(data) < 30:
        raise InvalidImageError("the image ends within its header")
    chunks, position = {b"EXIF": b"", b"XMP ": b""}, 12
    for _ in range(_MAX_CHUNKS if kind == b"VP8X" and data[20] & _WEBP_METADATA else 0):
        if position + 8 > len(data):
            break
        name, length = struct.unpack_from("<4sI", data, position)
        if name in chunks:
            chunks[name] = _metadata(data, position + 8, length)
        position += 8 + length + (length & 1)
    return ImageHeader("webp", width, height, _orientation(chunks[b"EXIF"], chunks[b"XMP "]))


_BMP_HEADER_SIZES = frozenset(struct.pack("<I", size) for size in (12, 40, 52, 56, 64, 108, 124))


def _bmp_header(data: bytes) -> ImageHeader:
    if data[14] == 12:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<Ii", data, 18)  # a negative height means: from top to bottom
    return ImageHeader("bmp", width, abs(height))


# Orientation


def _metadata(data: bytes, start: int, length: int) -> bytes:
    return data[start : start + min(length, _MAX_METADATA_BYTES)]


_XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_ORIENTATION_TAG = 0x0112
_EXIF_INTEGERS = {3: "H", 4: "I", 8: "h", 9: "i"}  # SHORT, LONG and their signed kin


def _orientation(exif: bytes, xmp: bytes) -> int:
    """1 to 8. EXIF counts before XMP, as in Pillow; what cannot be read counts as upright."""
    try:
        found = _exif_orientation(exif)
    except struct.error:
        found = None
    if found is None and (match := _XMP_ORIENTATION.search(xmp)):
        found = int(match[1])
    return found if found is not None and 1 <= found <= 8 else 1


def _exif_orientation(exif: bytes) -> int | None:
    tiff = exif.removeprefix(b"Exif\0\0").removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return None
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", tiff, entry)
        if tag == _ORIENTATION_TAG and values == 1 and kind in _EXIF_INTEGERS:
            return int(struct.unpack_from(order + _EXIF_INTEGERS[kind], tiff, entry + 8)[0])
    return None


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


# Pixels


def _decode_jpeg(data: bytes, header: ImageHeader) -> Pixels:
    if header.is_progressive:
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
    try:
        with _PILLOW[header.format](BytesIO(data)) as image:
            if image.size != (header.width, header.height):
                raise InvalidImageError(f"the {header.format} image contradicts itself about its size")
            image.load()
            orientation = _pillow_orientation(image) if header.format == "png" else header.orientation
            image.info.pop("transparency", None)  # it would only warn that it is dropped
            pixels = _pixels_of(image.convert("RGB"))
    except InvalidImageError:
        raise
    except Image.DecompressionBombError as error:
        raise TooLargeError(str(error)) from error
    except Exception as error:  # Pillow's readers raise nearly every built-in exception on broken files
        raise InvalidImageError(
            f"the {header.format} image cannot be decoded: {error or type(error).__name__}"
        ) from error
    return _upright(pixels, orientation)


def _pixels_of(image: Image.Image) -> Pixels:
    """The array of an RGB image, copied strip by strip: as a whole it takes five times as long and twice the memory."""
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP_BYTES // (3 * width))
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return pixels


def _pillow_orientation(image: Image.Image) -> int:
    """What stands behind the pixels of a PNG, or in ImageMagick's old text form, is known only now."""
    try:
        found = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # broken EXIF is no reason to refuse the pixels
        return 1
    return found if isinstance(found, int) else 1


# Arrays


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
