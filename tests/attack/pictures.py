"""Writes images structure by structure: chunks of a PNG, segments of a JPEG, with any content."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

PNG = b"\x89PNG\r\n\x1a\n"
SOI, EOI = b"\xff\xd8", b"\xff\xd9"


def photo(width: int = 46, height: int = 31, *, seed: int = 3) -> Image.Image:
    """A small picture with soft colours and some noise."""
    random_ = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    channels = [(rows * a + columns * b) % 256 for a, b in ((5, 2), (1, 4), (3, 3))]
    pixels = np.stack(channels, axis=2) + random_.integers(0, 12, (height, width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def jpeg(image: Image.Image | None = None, **options: Any) -> bytes:
    return encoded(image or photo(), "JPEG", **{"quality": 90} | options)


def segment(marker: int, content: bytes, *, length: int | None = None) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2 if length is None else length) + content


def with_segments(*segments: bytes, data: bytes | None = None) -> bytes:
    """A JPEG with these segments at its front."""
    data = data or jpeg()
    return data[:2] + b"".join(segments) + data[2:]


def segments_of(data: bytes) -> list[bytes]:
    """The segments of a JPEG; everything from the first scan on is the last one."""
    found, position = [data[:2]], 2
    while data[position + 1] != 0xDA:
        end = position + 2 + struct.unpack_from(">H", data, position + 2)[0]
        found.append(data[position:end])
        position = end
    return [*found, data[position:]]


def frame(
    width: int, height: int, *, marker: int = 0xC0, precision: int = 8, sampling: tuple[int, ...] = (0x22, 0x11, 0x11)
) -> bytes:
    """The header of a JPEG's frame."""
    components = b"".join(bytes((number + 1, factor, min(number, 1))) for number, factor in enumerate(sampling))
    return segment(marker, struct.pack(">BHHB", precision, height, width, len(sampling)) + components)


def with_frame(new: bytes, data: bytes | None = None) -> bytes:
    """A JPEG with another frame header."""
    return b"".join(new if part[1] in (0xC0, 0xC1, 0xC2) else part for part in segments_of(data or jpeg()))


def scans_again(count: int, width: int, height: int, *, progressive: bool) -> bytes:
    """A JPEG of one colour whose last scan comes so many times more."""
    data = jpeg(Image.new("L" if progressive else "RGB", (width, height), 80), progressive=progressive)
    if not progressive:
        return _one_by_one(width, height, count)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * (count + 1) + EOI


def _one_by_one(width: int, height: int, count: int) -> bytes:
    """A baseline JPEG with a scan for each component, the first one again and again, nearly without data."""
    parts = segments_of(jpeg(Image.new("RGB", (16, 16), (80, 80, 80)), subsampling=0))
    head = b"".join(
        frame(width, height, sampling=(0x11, 0x11, 0x11)) if part[1] == 0xC0 else part for part in parts[:-1]
    )
    scan = segment(0xDA, bytes((1, 1, 0x00, 0, 63, 0)))
    others = b"".join(segment(0xDA, bytes((1, number, 0x11, 0, 63, 0))) + b"\0" for number in (2, 3))
    return head + (scan + b"\0") * count + others + EOI


def chunk(name: bytes, body: bytes, *, crc: int | None = None, length: int | None = None) -> bytes:
    checksum = zlib.crc32(name + body) if crc is None else crc
    return struct.pack(">I", len(body) if length is None else length) + name + body + struct.pack(">I", checksum)


def png(
    *chunks: bytes,
    width: int = 8,
    height: int = 8,
    depth: int = 8,
    color: int = 2,
    interlace: int = 0,
    data: bytes | None = None,
) -> bytes:
    """A PNG with these chunks before its pixels; `data` are other bytes for the IDAT chunk."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace))
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(color, 1)
    if data is None:
        data = zlib.compress((b"\0" + bytes(((width * channels * depth + 7) // 8))) * height)
    return PNG + head + b"".join(chunks) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bmp_rle(width: int, height: int, data: bytes, *, bits: int = 8) -> bytes:
    """A BMP whose pixels are packed by run lengths."""
    palette = bytes(4 * 2**bits)
    start = 54 + len(palette)
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 1 if bits == 8 else 2, len(data), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + head + palette + data


def exif(*tags: tuple[int, int, int, bytes], behind: bytes = b"", count: int | None = None) -> bytes:
    """TIFF data with these entries: tag, type, number of values, and four bytes."""
    entries = b"".join(struct.pack("<HHI", tag, kind, number) + value for tag, kind, number, value in sorted(tags))
    number = len(tags) if count is None else count
    return b"II*\0" + struct.pack("<IH", 8, number) + entries + bytes(4) + behind


def turned(orientation: int) -> bytes:
    return exif((0x0112, 3, 1, struct.pack("<HH", orientation, 0)))


def greedy_exif(entries: int, size: int) -> bytes:
    """Many entries that all claim the same large data."""
    start = 8 + 2 + 12 * entries + 4
    tags = [(tag + 1, 7, size, struct.pack("<I", start)) for tag in range(entries)]
    return exif(*tags, behind=bytes(size))
