"""The corpus of hostile images: each has a name, its bytes, and the words with which it must be refused.

python -m tests.attack.images FOLDER      # writes them as files, to look at or to try elsewhere
"""

from __future__ import annotations

import random
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from .archives import GOOD
from .pictures import (
    EOI,
    PNG,
    SOI,
    bmp_rle,
    chunk,
    encoded,
    exif,
    frame,
    greedy_exif,
    jpeg,
    photo,
    png,
    scans_again,
    segment,
    segments_of,
    turned,
    with_frame,
    with_segments,
)
from .zips import archive, zeros

MIB = 2**20
EXIF = b"Exif\0\0"


@dataclass(frozen=True, slots=True)
class Hostile:
    """`refused` is a pattern that the reason must match; without it the image is fine and has Pillow's pixels."""

    name: str
    make: Callable[[], bytes]
    refused: str = ""


def png_of_zeros(width: int, height: int, *, color: int = 2, depth: int = 8) -> bytes:
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    data = zlib_bomb(height * (1 + (width * channels * depth + 7) // 8))
    return png(width=width, height=height, color=color, depth=depth, data=data)


def zlib_bomb(size: int) -> bytes:
    """So many zeros as a zlib stream with its right checksum."""
    return b"\x78\xda" + zeros(size)[0] + struct.pack(">I", (size % 65_521) << 16 | 1)


def animated(form: str, frames: int) -> bytes:
    images = [photo(seed=number) for number in range(frames)]
    return encoded(images[0], form, save_all=True, append_images=images[1:], duration=10)


def sixteen_bit(color: int) -> bytes:
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[color]
    rows = np.random.default_rng(3).integers(0, 2**16, (20, 30 * channels)).astype(">u2")
    return png(
        width=30, height=20, depth=16, color=color, data=zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    )


def webp(size: tuple[int, int], **options: object) -> bytes:
    return encoded(Image.new("RGB", size, (90, 50, 20)), "WEBP", **options)


def huge_webp() -> bytes:
    """A small lossless WebP that says it has the largest size there is."""
    data = bytearray(webp((9, 9), lossless=True))
    data[21:25] = struct.pack("<I", 16_382 | 16_382 << 14 | int.from_bytes(data[21:25], "little") & 0xF000_0000)
    return bytes(data)


def turned_jpeg(orientation: int) -> bytes:
    return with_segments(segment(0xE1, EXIF + turned(orientation)))


def turned_png(orientation: int) -> bytes:
    return png(chunk(b"eXIf", turned(orientation)), width=9, height=4)


def turned_png_late(orientation: int) -> bytes:
    """The orientation stands behind the pixels."""
    return png(width=9, height=4)[:-12] + chunk(b"eXIf", turned(orientation)) + chunk(b"IEND", b"")


def split_icc(parts: int) -> list[bytes]:
    return [segment(0xE2, b"ICC_PROFILE\0" + bytes((number + 1, parts)) + b"p" * 60_000) for number in range(parts)]


def arithmetic(data: bytes) -> bytes:
    """A baseline JPEG that says its pixels are coded arithmetically."""
    return data.replace(b"\xff\xc0", b"\xff\xc9", 1)


NOT_OURS = "not a JPEG, PNG, WebP or BMP"
TOO_LARGE = "MAX_IMAGE_PIXELS"
DAMAGED = "cannot be decoded|truncated|ends|contradicts|no frame|no pixels|segments|too many"

FOREIGN = {
    "GIF": b"GIF89a\x01\0\x01\0\0\0\0;",
    "TIFF": b"II*\0\x08\0\0\0" + bytes(100),
    "big TIFF": b"MM\0+\0\x08\0\0" + bytes(100),
    "PSD": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 9, 9, 8, 3) + bytes(100),
    "FITS": b"SIMPLE  =                    T".ljust(80) + b" " * 2800,
    "GD": b"\xff\xff\0\x09\0\x09\1" + bytes(100),
    "GD2": b"gd2\0\0\2" + bytes(100),
    "SVG": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>',
    "SVG with an entity bomb": b'<!DOCTYPE s [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><svg>&b;</svg>',
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "PDF": b"%PDF-1.7\n" + bytes(100),
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n" + bytes(100),
    "ICO": b"\0\0\1\0\1\0\x10\x10" + bytes(100),
    "ICNS": b"icns" + bytes(100),
    "PPM": b"P6\n9 9\n255\n" + bytes(243),
    "PCX": b"\n\5\1\x08" + bytes(200),
    "TGA": b"\0\0\2" + bytes(9) + b"\x09\0\x09\0\x18\0" + bytes(243),
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100),
    "JPEG XL": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100),
    "AVIF": b"\0\0\0\x1cftypavif" + bytes(100),
    "HEIC": b"\0\0\0\x1cftypheic" + bytes(100),
    "MP4": b"\0\0\0\x1cftypisom" + bytes(100),
    "ELF": b"\x7fELF\2\1\1" + bytes(100),
    "Python pickle": b"\x80\x04\x95" + bytes(100),
    "NumPy array": b"\x93NUMPY\1\0" + bytes(200),
    "zip": archive([GOOD]),
    "text": b"hello, world",
    "NUL": bytes(1000),
    "a BMP of a kind that nobody knows": b"BM" + bytes(12) + struct.pack("<I", 41) + bytes(100),
}

CORPUS: list[Hostile] = [
    Hostile("empty", bytes, "empty"),
    *(Hostile(f"format {name}", partial(bytes, data), NOT_OURS) for name, data in FOREIGN.items()),
    # --- sizes
    Hostile("JPEG of 65 500 × 65 500", lambda: with_frame(frame(65_500, 65_500)), TOO_LARGE),
    Hostile("JPEG of 65 535 × 1", lambda: with_frame(frame(65_535, 1)), DAMAGED),
    Hostile("JPEG of 0 × 0", lambda: with_frame(frame(0, 0)), "no pixels"),
    Hostile("JPEG of height 0", lambda: with_frame(frame(16, 0)), "no pixels"),
    Hostile("PNG of 65 500 × 65 500", lambda: png(width=65_500, height=65_500, data=b"x"), TOO_LARGE),
    Hostile("PNG of 2^32 - 1 pixels a side", lambda: png(width=2**32 - 1, height=2**32 - 1, data=b"x"), TOO_LARGE),
    Hostile("PNG of 0 × 0", lambda: png(width=0, height=0), "no pixels"),
    Hostile("PNG of 64 000 000 × 1 with no data", lambda: png(width=64_000_000, height=1, data=b"x"), "no side"),
    Hostile(
        "BMP of 65 500 × -65 500",
        lambda: b"BM" + bytes(12) + struct.pack("<Iii", 40, 65_500, -65_500) + bytes(28),
        TOO_LARGE,
    ),
    Hostile("BMP of 0 × 0", lambda: b"BM" + bytes(12) + struct.pack("<Iii", 40, 0, 0) + bytes(28), "no pixels"),
    Hostile("BMP of width -1", lambda: b"BM" + bytes(12) + struct.pack("<Iii", 40, -1, 9) + bytes(28), TOO_LARGE),
    Hostile(
        "BMP of height -2^31", lambda: b"BM" + bytes(12) + struct.pack("<Iii", 40, 1, -(2**31)) + bytes(28), TOO_LARGE
    ),
    Hostile("WebP of 2^24 a side", lambda: b"RIFF\xff\xff\xff\xffWEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff" * 6, TOO_LARGE),
    Hostile("WebP of 16 383 × 16 383", lambda: huge_webp(), TOO_LARGE),
    Hostile(
        "WebP whose canvas is smaller than its picture",
        lambda: b"RIFF" + struct.pack("<I", 0) + b"WEBPVP8X\x0a\0\0\0" + bytes(10) + webp((99, 99))[12:],
        DAMAGED,
    ),
    # --- decompression bombs within the limit
    Hostile("PNG of 48 MP in 47 kB", lambda: png_of_zeros(8000, 6000)),
    Hostile("PNG of 48 MP with 16 bit and alpha", lambda: png_of_zeros(8000, 6000, color=6, depth=16)),
    Hostile("PNG of 48 MP in one bit", lambda: png_of_zeros(8000, 6000, color=0, depth=1)),
    Hostile("PNG of 65 535 rows of 900", lambda: png_of_zeros(900, 65_535)),
    Hostile("PNG of 48 MP in 48 million rows", lambda: png_of_zeros(1, 48_000_000, color=0, depth=1), "no side"),
    Hostile("JPEG of 48 MP", lambda: jpeg(Image.new("L", (8000, 6000), 80))),
    Hostile("JPEG of 48 MP in CMYK", lambda: jpeg(Image.new("CMYK", (8000, 6000), (9, 80, 7, 0)), quality=30)),
    Hostile("WebP of 48 MP", lambda: webp((8000, 6000), lossless=True, method=0)),
    Hostile("IDAT that goes on for ever", lambda: png(data=zlib_bomb(200 * MIB))),
    Hostile(
        "IDAT in 50 000 pieces",
        lambda: (
            PNG
            + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
            + b"".join(chunk(b"IDAT", bytes((byte,))) for byte in zlib.compress(bytes(200), 0))
            + chunk(b"IDAT", b"") * 50_000
            + chunk(b"IEND", b"")
        ),
    ),
    Hostile("iCCP bomb", lambda: png(chunk(b"iCCP", b"p\0\0" + zlib_bomb(300 * MIB))), "cannot be decoded"),
    Hostile("zTXt bomb", lambda: png(chunk(b"zTXt", b"t\0\0" + zlib_bomb(300 * MIB))), "cannot be decoded"),
    Hostile("iTXt bomb", lambda: png(chunk(b"iTXt", b"t\0\1\0\0\0" + zlib_bomb(300 * MIB))), "cannot be decoded"),
    Hostile(
        "many zTXt",
        lambda: png(*[chunk(b"zTXt", b"t%d\0\0" % n + zlib_bomb(MIB)) for n in range(100)]),
        "cannot be decoded",
    ),
    Hostile("many small texts", lambda: png(*[chunk(b"tEXt", b"t%d\0x" % n) for n in range(20_000)])),
    Hostile("eXIf whose entries claim the same data", lambda: png(chunk(b"eXIf", greedy_exif(20_000, 20_000)))),
    Hostile("eXIf of 5 MB", lambda: png(chunk(b"eXIf", turned(6) + bytes(5 * MIB)))),
    Hostile(
        "eXIf that points at itself",
        lambda: png(chunk(b"eXIf", exif((0x8769, 4, 1, struct.pack("<I", 8)), (0x0112, 3, 1, b"\6\0\0\0")))),
    ),
    Hostile(
        "EXIF in a text of ImageMagick",
        lambda: png(chunk(b"tEXt", b"Raw profile type exif\0\nexif\n      30\n" + (EXIF + turned(6)).hex().encode())),
    ),
    Hostile(
        "broken EXIF in a text of ImageMagick",
        lambda: png(chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 9\nno hex at all")),
    ),
    # --- JPEG
    *(Hostile(f"EXIF orientation {number}", partial(turned_jpeg, number)) for number in range(10)),
    *(
        Hostile(
            f"EXIF orientation {number} of a PNG",
            partial(turned_png, number),
        )
        for number in range(10)
    ),
    *(
        Hostile(
            f"EXIF orientation {number} behind the pixels of a PNG",
            partial(turned_png_late, number),
        )
        for number in range(1, 9)
    ),
    Hostile("huge colour profile", lambda: with_segments(*split_icc(255))),
    Hostile(
        "colour profile with wrong numbers", lambda: with_segments(segment(0xE2, b"ICC_PROFILE\0\xff\x01" + b"p" * 99))
    ),
    Hostile("EXIF of 1 MB and 60 parts", lambda: with_segments(*[segment(0xE1, EXIF + bytes(65_000))] * 60), "EXIF"),
    Hostile(
        "EXIF whose entries claim the same data", lambda: with_segments(segment(0xE1, EXIF + greedy_exif(2700, 32_000)))
    ),
    Hostile(
        "greedy EXIF of a CMYK picture",
        lambda: with_segments(segment(0xE1, EXIF + greedy_exif(2700, 32_000)), data=jpeg(photo().convert("CMYK"))),
    ),
    Hostile("greedy EXIF of a CMYK picture, in parts", lambda: greedy_cmyk(900_000)),
    Hostile("XMP of 60 kB", lambda: with_segments(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"<x " * 20_000))),
    Hostile(
        "Photoshop resources without end",
        lambda: with_segments(segment(0xED, b"Photoshop 3.0\x00" + b"8BIM\x03\xed\0\0" + b"\xff" * 60)),
    ),
    Hostile("MPF directory", lambda: with_segments(segment(0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 90))),
    Hostile("JFIF without content", lambda: with_segments(segment(0xE0, b""))),
    Hostile("Adobe marker that is cut", lambda: with_segments(segment(0xEE, b"Adobe"))),
    Hostile("5000 comments", lambda: with_segments(*[segment(0xFE, b"x")] * 5000), "segments"),
    Hostile("endless fill bytes", lambda: SOI + b"\xff" * 2_000_000 + jpeg()[2:], "segments"),
    Hostile("segment of length 0", lambda: with_segments(segment(0xE5, b"", length=0))),
    Hostile("segment of length 1", lambda: with_segments(segment(0xE5, b"", length=1))),
    Hostile("segment longer than the file", lambda: with_segments(segment(0xE5, b"", length=65_535)), DAMAGED),
    Hostile("junk between segments", lambda: jpeg()[:20] + b"\0\1\2\xff\xff\xff" + jpeg()[20:]),
    Hostile("arithmetic coding that is none", lambda: arithmetic(jpeg())),
    Hostile("lossless coding", lambda: with_frame(frame(46, 31, marker=0xC3)), DAMAGED),
    Hostile("hierarchical coding", lambda: with_frame(frame(46, 31, marker=0xC5)), DAMAGED),
    Hostile("12 bit", lambda: with_frame(frame(46, 31, precision=12)), DAMAGED),
    Hostile("255 components", lambda: with_frame(frame(46, 31, sampling=(0x11,) * 255)), DAMAGED),
    Hostile("2 components", lambda: with_frame(frame(46, 31, sampling=(0x11, 0x11))), DAMAGED),
    Hostile("sampling factor 0", lambda: with_frame(frame(46, 31, sampling=(0, 0x11, 0x11))), DAMAGED),
    Hostile("sampling factor 15", lambda: with_frame(frame(46, 31, sampling=(0xFF, 0x11, 0x11))), DAMAGED),
    Hostile(
        "sampling factors that do not fit", lambda: with_frame(frame(46, 31, sampling=(0x11, 0x22, 0x43))), DAMAGED
    ),
    Hostile("two frames", lambda: with_segments(frame(9, 9)), DAMAGED),
    Hostile("frame within the pixels", lambda: jpeg()[:-2] + frame(9, 9) + EOI, DAMAGED),
    Hostile(
        "no quantization table", lambda: b"".join(part for part in segments_of(jpeg()) if part[1] != 0xDB), DAMAGED
    ),
    Hostile("no Huffman table", lambda: b"".join(part for part in segments_of(jpeg()) if part[1] != 0xC4)),
    Hostile("broken Huffman table", lambda: with_segments(segment(0xC4, b"\0" + b"\xff" * 16 + bytes(200))), DAMAGED),
    Hostile("restart markers", lambda: jpeg(restart_marker_blocks=1)),
    Hostile("restart markers out of order", lambda: jpeg(restart_marker_blocks=1).replace(b"\xff\xd1", b"\xff\xd5")),
    Hostile("restart interval without markers", lambda: with_segments(segment(0xDD, b"\0\1"))),
    Hostile("progressive", lambda: jpeg(progressive=True)),
    Hostile("progressive with a thousand scans", lambda: scans_again(1000, 4000, 4000, progressive=True), "scans"),
    Hostile("baseline with a thousand scans", lambda: scans_again(1000, 4000, 4000, progressive=False), "scans"),
    Hostile("grey", lambda: jpeg(photo().convert("L"))),
    Hostile("CMYK", lambda: jpeg(photo().convert("CMYK"))),
    Hostile(
        "CMYK, progressive, turned",
        lambda: with_segments(segment(0xE1, EXIF + turned(6)), data=jpeg(photo().convert("CMYK"), progressive=True)),
    ),
    Hostile("two pictures in a row", lambda: jpeg() + jpeg(photo(seed=9))),
    Hostile("only markers", lambda: SOI + b"\xff\xd0" * 1000 + EOI, DAMAGED),
    Hostile("the end at once", lambda: SOI + EOI, "ends"),
    # --- PNG
    *(Hostile(f"PNG with 16 bit, colour type {color}", partial(sixteen_bit, color)) for color in (0, 2, 4, 6)),
    Hostile("PNG of colour type 5", lambda: png(color=5), DAMAGED),
    Hostile("PNG of 3 bits", lambda: png(depth=3), DAMAGED),
    Hostile("PNG with a palette that is missing", lambda: png(color=3)),
    Hostile("PNG with a palette of 1000 colours", lambda: png(chunk(b"PLTE", bytes(3000)), color=3), DAMAGED),
    Hostile(
        "PNG without pixels",
        lambda: PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)) + chunk(b"IEND", b""),
        DAMAGED,
    ),
    Hostile("PNG without its end", lambda: png()[:-12]),
    Hostile("PNG with a wrong checksum", lambda: png(chunk(b"gAMA", bytes(4), crc=5)), DAMAGED),
    Hostile("PNG with a chunk of 2 GB", lambda: png(chunk(b"tEXt", b"x", length=2**31)), DAMAGED),
    Hostile("PNG with a name of control characters", lambda: png(chunk(b"\0\1\2\3", b"x")), DAMAGED),
    Hostile("PNG with two headers", lambda: png(chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0))), DAMAGED),
    Hostile(
        "PNG with a second header of 4 GP",
        lambda: png(chunk(b"IHDR", struct.pack(">IIBBBBB", 65_500, 65_500, 8, 2, 0, 0, 0))),
        DAMAGED,
    ),
    Hostile("PNG with interlace", lambda: png(interlace=1, width=9, height=9, data=zlib.compress(bytes(700)))),
    Hostile("PNG with interlace 7", lambda: png(interlace=7), DAMAGED),
    Hostile("PNG with filter 9", lambda: png(data=zlib.compress((b"\x09" + bytes(24)) * 8)), DAMAGED),
    Hostile("PNG whose pixels end early", lambda: png(width=99, height=99, data=zlib.compress(bytes(500))), DAMAGED),
    Hostile("PNG with transparency of a wrong length", lambda: png(chunk(b"tRNS", b"x")), DAMAGED),
    Hostile("animated PNG", lambda: animated("PNG", 5)),
    Hostile("animated PNG of 2^31 frames", lambda: png(chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)))),
    Hostile(
        "animated PNG whose frames are missing",
        lambda: png(
            chunk(b"acTL", struct.pack(">II", 50, 0)),
            chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 8, 8, 0, 0, 1, 1, 0, 0)),
        ),
    ),
    Hostile(
        "animated PNG whose frame lies outside",
        lambda: png(
            chunk(b"acTL", struct.pack(">II", 2, 0)),
            chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 9999, 9999, 9, 9, 1, 1, 0, 0)),
        ),
        DAMAGED,
    ),
    # --- WebP and BMP
    Hostile("animated WebP", lambda: animated("WEBP", 5)),
    Hostile("animated WebP of 300 frames", lambda: animated("WEBP", 300)),
    Hostile("WebP whose length is a lie", lambda: b"RIFF\1\0\0\0" + encoded(photo(), "WEBP")[8:], DAMAGED),
    Hostile(
        "WebP with 100 000 chunks", lambda: encoded(photo(), "WEBP", exif=EXIF + turned(1)) + b"JUNK\0\0\0\0" * 100_000
    ),
    Hostile("WebP whose EXIF is 2 MB", lambda: encoded(photo(), "WEBP", exif=EXIF + turned(6) + bytes(2 * MIB))),
    Hostile("BMP packed by run lengths", lambda: bmp_rle(9, 2, b"\x09\1\0\0\x09\2\0\1")),
    Hostile("BMP of 16 MP of ends of lines", lambda: bmp_rle(16_000, 1000, b"\0\0" * 4000), "BMP"),
    Hostile("BMP of 8 million empty lines", lambda: bmp_rle(9, 9, b"\0\0" * 8_000_000), "BMP"),
    Hostile("BMP of 4 bits and 40 MP", lambda: bmp_rle(8000, 5000, b"\xff\x12" * 200_000, bits=4), "BMP"),
    Hostile("BMP that jumps out", lambda: bmp_rle(60_000, 9, b"\0\2\xff\xff" * 10), ""),
    Hostile("BMP whose pixels are cut", lambda: encoded(photo(), "BMP")[:-50], DAMAGED),
    Hostile(
        "BMP with a mask for every bit",
        lambda: (
            b"BM"
            + struct.pack("<IHHI", 154, 0, 0, 66)
            + struct.pack("<IiiHHIIiiIIIII", 40, 4, 4, 1, 32, 3, 64, 0, 0, 0, 0, 1, 2, 4)[:56]
            + bytes(90)
        ),
        DAMAGED + "|Unsupported",
    ),
    # --- two things at once
    Hostile("JPEG and zip", lambda: jpeg() + archive([GOOD])),
    Hostile("JPEG and HTML", lambda: with_segments(segment(0xFE, b"<script>alert(1)</script>"))),
    Hostile("PNG and JPEG", lambda: png() + jpeg()),
    Hostile("JPEG that begins like a PNG", lambda: PNG + jpeg(), "PNG"),
    Hostile("PNG that begins like a JPEG", lambda: b"\xff\xd8\xff" + png(), DAMAGED),
    Hostile("BMP and JPEG", lambda: b"BM" + jpeg(), NOT_OURS),
]


def greedy_cmyk(size: int) -> bytes:
    """A CMYK picture whose EXIF goes over several segments, all of whose entries claim the same data."""
    content = greedy_exif(size // 24, size // 2)
    parts = [content[start : start + 65_000] for start in range(0, len(content), 65_000)]
    return with_segments(*[segment(0xE1, EXIF + part) for part in parts], data=jpeg(photo().convert("CMYK")))


def truncated() -> Iterator[Hostile]:
    """Every format, cut off here and there."""
    whole = {
        "JPEG": jpeg(photo(200, 150)),
        "progressive JPEG": jpeg(photo(200, 150), progressive=True),
        "PNG": encoded(photo(200, 150), "PNG"),
        "WebP": encoded(photo(200, 150), "WEBP"),
        "BMP": encoded(photo(200, 150), "BMP"),
    }
    for form, data in whole.items():
        for part in (0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
            size = max(1, int(len(data) * part))
            yield Hostile(
                f"{form}, {size} of {len(data)} bytes", partial(bytes, data[:size]), f"{DAMAGED}|{NOT_OURS}|header"
            )


def originals() -> list[bytes]:
    """The images that are mutated: one of each kind."""
    picture = photo()
    return [
        jpeg(picture),
        jpeg(picture, progressive=True),
        jpeg(picture, subsampling=0, restart_marker_blocks=2),
        jpeg(picture.convert("CMYK")),
        jpeg(picture.convert("L")),
        with_segments(segment(0xE1, EXIF + turned(6))),
        encoded(picture, "PNG"),
        encoded(picture.quantize(16), "PNG"),
        sixteen_bit(2),
        png(chunk(b"eXIf", turned(8)), interlace=1, width=9, height=9, data=zlib.compress(bytes(700))),
        encoded(picture, "WEBP"),
        encoded(picture, "WEBP", lossless=True, exif=EXIF + turned(3)),
        encoded(picture, "BMP"),
        bmp_rle(9, 9, b"\x09\1\0\0" * 9 + b"\0\1"),
    ]


def mutations(count: int, *, seed: int = 20) -> Iterator[tuple[str, bytes]]:
    """Good images with bits flipped, bytes changed, blocks moved, or their end missing."""
    random_, whole = random.Random(seed), originals()
    for number in range(count):
        data = bytearray(whole[number % len(whole)])
        for _ in range(random_.randint(1, 6)):
            position = random_.randrange(min(len(data), random_.choice((60, 700, len(data)))))
            match random_.randrange(6):
                case 0 | 1:
                    data[position] ^= 1 << random_.randrange(8)
                case 2:
                    data[position] = random_.choice((0, 1, 0x7F, 0x80, 0xD9, 0xDA, 0xFE, 0xFF))
                case 3:
                    data[position : position + 2] = struct.pack(">H", random_.choice((0, 1, 2, 0x7FFF, 0xFFFF)))
                case 4:
                    data[position:position] = data[: random_.randrange(1, 100)]
                case _:
                    del data[position : position + random_.randint(1, 20)]
            if not data:
                data = bytearray(b"\xff")
        if number % 11 == 0:
            del data[random_.randrange(len(data)) :]
        yield f"mutation {number}", bytes(data)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, hostile in enumerate((*CORPUS, *truncated())):
        safe = "".join(letter if letter.isalnum() else "-" for letter in hostile.name)[:60]
        (folder / f"{number:03} {safe}.bin").write_bytes(hostile.make())


if __name__ == "__main__":
    main()
