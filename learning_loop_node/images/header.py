"""What an image says of itself before its pixels: format, size, orientation. Costs microseconds."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from ..errors import InvalidImageError, TooLargeError

_MAX_SEGMENTS = 4096  # of a JPEG before its pixels; a large colour profile takes 255
_MAX_CHUNKS = 64  # of a PNG or WebP, looked at for the orientation
_LARGEST_SIDE = 65_535  # what a JPEG can have, which is what all become
_MAX_METADATA_BYTES = 2**20  # EXIF or XMP, looked at for the orientation


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What an image says of itself before its pixels. `width` and `height` are as stored, before it is turned upright.

    `orientation` is EXIF's, 1 to 8; 1 is upright. `channels`, `has_many_scans` and `exif_places` (where EXIF data
    begins) are told of JPEG only.
    """

    format: str  # 'jpeg', 'png', 'webp' or 'bmp'
    width: int
    height: int
    orientation: int = 1
    channels: int = 3
    has_many_scans: bool = False
    exif_places: tuple[int, ...] = ()


def read_header(data: bytes, *, max_pixels: int) -> ImageHeader:
    """Check what can be checked without decoding. The content decides the format, never a name or a content type."""
    header = _header_of(data)
    check_pixels(header.width, header.height, max_pixels)
    return header


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise `TooLargeError` above the limit."""
    if width * height > max_pixels:
        raise TooLargeError(
            f"the image has {width}×{height} = {width * height} pixels, the limit MAX_IMAGE_PIXELS is {max_pixels}"
        )
    if max(width, height) > _LARGEST_SIDE:
        raise TooLargeError(f"the image has {width}×{height} pixels, no side may have more than {_LARGEST_SIDE}")


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
    places: tuple[int, ...] = ()
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
                places = (*places, position + 2)
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
    orientation = orientation_of(exif, xmp) if exif or xmp else 1
    has_many_scans = (
        is_progressive or data[position + 2] < channels
    )  # if the first has all channels, it is the only one
    return ImageHeader("jpeg", width, height, orientation, channels, has_many_scans, places)


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
    return ImageHeader("png", width, height, orientation_of(exif, xmp))


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
    return ImageHeader("webp", width, height, orientation_of(chunks[b"EXIF"], chunks[b"XMP "]))


_RUN_LENGTHS = (b"\x01\0\0\0", b"\x02\0\0\0")
_MAX_RUN_LENGTHS = 4_000_000  # Pillow unpacks them in Python: about a second
_BMP_HEADER_SIZES = frozenset(struct.pack("<I", size) for size in (12, 40, 52, 56, 64, 108, 124))


def _bmp_header(data: bytes) -> ImageHeader:
    if data[14] == 12:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<Ii", data, 18)  # a negative height means: from top to bottom
    is_packed = data[14] >= 40 and data[30:34] in _RUN_LENGTHS
    if is_packed and max(width * abs(height), len(data)) > _MAX_RUN_LENGTHS:
        raise InvalidImageError(
            f"the BMP is packed by run lengths, read only up to {_MAX_RUN_LENGTHS} pixels and bytes; send a PNG"
        )
    return ImageHeader("bmp", width, abs(height))


# Orientation


def _metadata(data: bytes, start: int, length: int) -> bytes:
    return data[start : start + min(length, _MAX_METADATA_BYTES)]


_XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_ORIENTATION_TAG = 0x0112
_EXIF_INTEGERS = {3: "H", 4: "I", 8: "h", 9: "i"}  # SHORT, LONG and their signed kin


def orientation_of(exif: bytes, xmp: bytes) -> int:
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
