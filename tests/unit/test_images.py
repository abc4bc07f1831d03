"""Images: decoded pixels equal Pillow's, broken bytes are refused by name, arrays of any kind become JPEG."""

from __future__ import annotations

import random
import struct
import warnings
import zlib
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from PIL import Image, ImageOps

from learning_loop_node.errors import InvalidImageError, TooLargeError
from learning_loop_node.images import array_from_raw, check, decode, encode_jpeg, read_header, to_jpeg

PIXELS = 64_000_000


# Pixels equal to Pillow's


@pytest.mark.parametrize("photo", ["astronaut", "coffee", "rocket", "chelsea", "retina"])
@pytest.mark.parametrize("subsampling", [0, 1, 2, "4:1:1"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_decodes_as_with_pillow(photo, subsampling, mode):
    for number, crop in enumerate(crops_of(photo, seed=f"{photo}{subsampling}{mode}", count=4)):
        quality, progressive = (30, 75, 95, 100)[number], number % 2 == 1
        data = jpeg(crop.convert(mode), quality=quality, subsampling=subsampling, progressive=progressive)
        assert_equal_to_pillow(data)


@pytest.mark.parametrize("subsampling", ["444", "422", "420", "440", "411"])
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 16), (37, 53), (200, 301)])
def test_every_subsampling_of_libjpeg_decodes_as_with_pillow(subsampling, size):
    width, height = size
    pixels = np.ascontiguousarray(photo("coffee")[50 : 50 + height, 80 : 80 + width])
    assert_equal_to_pillow(simplejpeg.encode_jpeg(pixels, colorsubsampling=subsampling))


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_an_image_is_turned_upright(orientation, form):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(photo("chelsea")[:31, :46])
    data = encoded(image, form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))
    assert_equal_to_pillow(data)
    assert read_header(data, max_pixels=PIXELS).orientation == (orientation if 1 <= orientation <= 8 else 1)


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize(("kind", "field"), [(3, "H"), (4, "I")])
def test_orientation_in_every_spelling_of_exif(endian, kind, field):
    value = struct.pack(endian + field, 6).ljust(4, b"\0")
    tiff = (b"II*\0" if endian == "<" else b"MM\0*") + struct.pack(endian + "IH", 8, 2)
    tiff += struct.pack(endian + "HHII", 0x0100, 4, 1, 5) + struct.pack(endian + "HHI", 0x0112, kind, 1) + value
    data = with_segment(jpeg(photo_image()), b"Exif\0\0" + tiff + b"\0\0\0\0")
    assert read_header(data, max_pixels=PIXELS).orientation == 6
    assert_equal_to_pillow(data)


@pytest.mark.parametrize(
    "xmp",
    [
        pytest.param(b'<rdf:Description tiff:Orientation="8"/>', id="attribute"),
        pytest.param(b"<tiff:Orientation>8</tiff:Orientation>", id="element"),
    ],
)
def test_orientation_in_xmp(xmp):
    data = with_segment(jpeg(photo_image()), b"http://ns.adobe.com/xap/1.0/\0" + xmp)
    assert read_header(data, max_pixels=PIXELS).orientation == 8
    assert_equal_to_pillow(data)


@pytest.mark.parametrize(
    "exif",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"II*\0", id="cut"),
        pytest.param(b"XX*\0\x08\0\0\0", id="no byte order"),
        pytest.param(b"II*\0\xff\xff\xff\xff", id="points outside"),
        pytest.param(b"MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12\0\x03", id="promises more"),
    ],
)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_does_not_cost_the_image(exif, form):
    image = photo_image()
    if form == "JPEG":
        data = with_segment(jpeg(image), b"Exif\0\0" + exif)
    else:
        data = encoded(image, form, exif=b"Exif\0\0" + exif)
    assert read_header(data, max_pixels=PIXELS).orientation == 1
    assert decode(data).shape == (*image.size[::-1], 3)


@pytest.mark.parametrize(
    ("form", "mode"),
    [
        *(("PNG", mode) for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "I;16")),
        *(("WEBP", mode) for mode in ("L", "RGB", "RGBA", "LA")),
        *(("BMP", mode) for mode in ("1", "L", "P", "RGB", "RGBA")),
    ],
)
def test_other_formats_decode_as_with_pillow(form, mode):
    rgba = photo_image().convert("RGBA")
    rgba.putalpha(photo_image().convert("L"))
    image = (
        Image.fromarray(np.asarray(rgba.convert("L")).astype(np.uint16) * 9) if mode == "I;16" else rgba.convert(mode)
    )
    assert_equal_to_pillow(encoded(image, form))


def test_palette_with_transparency_gives_no_warning():
    image = photo_image().quantize(16)
    data = encoded(image, "PNG", transparency=bytes(range(16)))
    assert np.array_equal(decode(data), np.array(image.convert("RGB")))


def test_sixteen_bits_per_channel_png_decodes_as_with_pillow():
    rows = np.random.default_rng(3).integers(0, 2**16, (20, 30, 3)).astype(">u2")
    assert_equal_to_pillow(png_of(30, 20, bit_depth=16, color=2, rows=rows.reshape(20, -1)))


def test_keeps_the_rgb_of_a_jpeg_that_is_not_ycc():
    assert_equal_to_pillow(jpeg(photo_image(), keep_rgb=True))


def test_bytes_behind_the_end_are_ignored():
    data = jpeg(photo_image())
    assert np.array_equal(decode(data + b"more" * 100), decode(data))
    assert_equal_to_pillow(data + b"more" * 100)


def test_junk_between_segments_is_skipped_as_with_pillow():
    data = jpeg(photo_image())
    assert_equal_to_pillow(data[:20] + b"\xff\xff\xff" + data[20:])


def test_decoded_pixels_may_be_written_to():
    for form in ("JPEG", "PNG", "WEBP", "BMP"):
        pixels = decode(encoded(photo_image(), form))
        pixels[0, 0] = 7
        assert pixels.flags.c_contiguous
        assert pixels.dtype == np.uint8


# Headers


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP"])
def test_header(form):
    header = read_header(encoded(Image.new("RGB", (301, 200)), form), max_pixels=PIXELS)
    assert (header.format, header.width, header.height) == (form.lower(), 301, 200)


@pytest.mark.parametrize("options", [{"lossless": True}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}, {}], ids=str)
def test_header_of_every_webp(options):
    header = read_header(encoded(Image.new("RGB", (301, 200)), "WEBP", **options), max_pixels=PIXELS)
    assert (header.width, header.height) == (301, 200)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            png_header := b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 65500, 65500) + b"\x08\x02\0\0\0",
            id="png",
        ),
        pytest.param(
            b"\xff\xd8\xff\xc0\0\x11\x08\xff\xdc\xff\xdc\x03" + bytes(9) + b"\xff\xda\0\x02\xff\xd9", id="jpeg"
        ),
        pytest.param(b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\xff\xff" * 2, id="webp"),
        pytest.param(b"BM" + bytes(12) + struct.pack("<Iii", 40, 65500, -65500) + bytes(28), id="bmp"),
    ],
)
def test_too_many_pixels_are_refused_by_the_header(data):
    with pytest.raises(TooLargeError, match=r"MAX_IMAGE_PIXELS is 64000000"):
        read_header(data, max_pixels=PIXELS)
    with pytest.raises(TooLargeError, match=r"MAX_IMAGE_PIXELS"):
        decode(data)


def test_pillow_has_no_limit_of_its_own_beside_ours():
    data = png_of(12_000, 8_000, bit_depth=1, color=0, rows=np.zeros((8_000, 1_500), np.uint8))
    assert decode(data).shape == (8_000, 12_000, 3)


# What is refused


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"", "empty", id="no bytes"),
        pytest.param(b"hello, world", "not a JPEG, PNG, WebP or BMP", id="text"),
        pytest.param(b"BM like a text that begins so", "not a JPEG", id="text like BMP"),
        pytest.param(b"GIF89a\x01\0\x01\0\0\0\0;", "not a JPEG", id="gif"),
        pytest.param(b"\xff\xd8\xff", "ends within its header", id="three bytes of JPEG"),
        pytest.param(b"\xff\xd8\xff\xd9", "before its pixels", id="empty JPEG"),
        pytest.param(b"\xff\xd8\xff\xe0" + bytes(500), "ends within its header", id="zeros"),
        pytest.param(b"\xff\xd8\xff\xda\0\x02\xff\xd9", "no frame header", id="no frame"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "does not begin", id="only a PNG signature"),
        pytest.param(png_header[:20], "ends within its header", id="half a PNG header"),
        pytest.param(b"RIFF\0\0\0\0WEBPVP8X", "ends within its header", id="half a WebP header"),
        pytest.param(b"RIFF\0\0\0\0WEBPABCD" + bytes(40), "no header that we know", id="unknown WebP"),
        pytest.param(
            b"\xff\xd8\xff\xc0\0\x11\x08\0\0\0\x08\x03" + bytes(9) + b"\xff\xda\0\x02\xff\xd9",
            "no pixels",
            id="height 0",
        ),
    ],
)
def test_what_is_no_image_is_refused_by_its_header(data, text):
    for function in (lambda: read_header(data, max_pixels=PIXELS), lambda: decode(data), lambda: to_jpeg(data)):
        with pytest.raises(InvalidImageError, match=text):
            function()


@pytest.mark.parametrize("missing", [1, 2, 3, 100, 2000, 0.5, 0.9])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_jpeg_is_refused(missing, progressive):
    data = jpeg(Image.fromarray(photo("coffee")[:200, :300]), progressive=progressive)
    cut = data[: -missing if isinstance(missing, int) else int(len(data) * (1 - missing))]
    with pytest.raises(InvalidImageError, match=r"truncated|ends"):
        read_header(cut, max_pixels=PIXELS)
    with pytest.raises(InvalidImageError):
        decode(cut)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "BMP"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_other_truncated_images_are_refused(form, part):
    data = encoded(Image.fromarray(photo("coffee")[:200, :300]), form)
    with pytest.raises(InvalidImageError):
        decode(data[: int(len(data) * part)])


def test_a_jpeg_of_endless_scans_is_refused():
    data = jpeg(Image.new("L", (4000, 4000), 80), progressive=True)
    last = data.rindex(b"\xff\xda")
    with pytest.raises(InvalidImageError, match="scans"):
        decode(data[:last] + data[last:-2] * 80 + b"\xff\xd9")


def test_a_jpeg_of_endless_scans_of_one_channel_is_refused():
    data = jpeg(Image.new("RGB", (4000, 4000), 80))
    scan = b"\xff\xda\0\x08\x01\x01\x00\x00\x3f\x00" + b"\x28\xa0"  # of the first channel of three
    with pytest.raises(InvalidImageError, match="scans"):
        decode(data[: data.index(b"\xff\xda")] + scan * 100 + b"\xff\xd9")


@pytest.mark.parametrize(
    ("repeated", "text"),
    [
        pytest.param(b"\xff\xe0\0\2", "segments", id="segments"),
        pytest.param(b"\xff", "segments", id="fill bytes"),
        pytest.param(b"\xff\xe1\xff\xff" + b"Exif\0\0".ljust(65533, b"\0"), "EXIF", id="exif"),
    ],
)
def test_an_endless_header_is_refused(repeated, text):
    with pytest.raises(InvalidImageError, match=text):
        read_header(b"\xff\xd8\xff" + repeated[1:] + repeated * (5_000_000 // len(repeated)), max_pixels=PIXELS)


def test_mutated_images_are_decoded_as_with_pillow_or_refused():
    random_ = random.Random(20)
    originals = [
        jpeg(photo_image()),
        jpeg(photo_image(), progressive=True),
        jpeg(photo_image().convert("CMYK")),
        jpeg(photo_image(), exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
        *(encoded(photo_image(), form) for form in ("PNG", "WEBP", "BMP")),
    ]
    for number in range(700):
        data = bytearray(originals[number % len(originals)])
        for _ in range(random_.randint(1, 6)):
            data[random_.randrange(min(len(data), random_.choice((60, 700, len(data)))))] = random_.randrange(256)
        if number % 5 == 0:
            del data[random_.randrange(len(data)) :]
        try:
            pixels = decode(bytes(data), max_pixels=200_000)
        except (InvalidImageError, TooLargeError):
            continue
        assert pixels.shape[2] == 3
        assert_equal_to_pillow(bytes(data), unless_pillow_refuses=True)


# Whether they can be decoded


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (8, 8), (301, 200)])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"keep_rgb": True}, {"subsampling": 0}], ids=str)
def test_check_lets_pass_what_can_be_decoded(size, options):
    check(jpeg(photo_image().resize(size), **options))
    check(jpeg(photo_image().convert("L").resize(size)))
    check(jpeg(photo_image().convert("CMYK").resize(size)))


def test_check_refuses_what_decode_refuses():
    dice = random.Random(21)
    originals = [
        jpeg(photo_image()),
        jpeg(photo_image(), progressive=True),
        jpeg(photo_image().convert("L")),
        jpeg(photo_image().convert("CMYK")),
        *(encoded(photo_image(), form) for form in ("PNG", "WEBP", "BMP")),
    ]
    refused = 0
    for number in range(1400):
        data = bytearray(originals[number % len(originals)])
        for _ in range(dice.randint(1, 6)):
            data[dice.randrange(min(len(data), dice.choice((60, 700, len(data)))))] = dice.randrange(256)
        if number % 5 == 0:
            del data[dice.randrange(len(data)) :]
        outcomes = [outcome_of(partial(act, bytes(data), max_pixels=200_000)) for act in (decode, check)]
        assert outcomes[0] == outcomes[1]
        refused += outcomes[0] is not None
    assert 300 < refused < 1300


def outcome_of(act: Callable[[], object]) -> type[Exception] | None:
    try:
        act()
    except (InvalidImageError, TooLargeError) as error:
        return type(error)
    return None


# Arrays become JPEG


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        pytest.param(np.full((8, 9), 200, np.uint8), 200, id="rank 2"),
        pytest.param(np.full((8, 9, 1), 200, np.uint8), 200, id="one channel"),
        pytest.param(np.full((8, 9, 3), 200, np.uint8), 200, id="rgb"),
        pytest.param(np.full((8, 9, 4), 200, np.uint8), 200, id="alpha is dropped"),
        pytest.param(np.full((8, 9), True), 255, id="bool"),
        pytest.param(np.full((8, 9), 200 * 257, np.uint16), 200, id="uint16 fills its range"),
        pytest.param(np.full((8, 9), 65535, ">u2"), 255, id="other byte order"),
        pytest.param(np.full((8, 9), 200, np.int64), 200, id="int64"),
        pytest.param(np.full((8, 9), 300, np.int32), 255, id="clipped above"),
        pytest.param(np.full((8, 9), -5, np.int16), 0, id="clipped below"),
        pytest.param(np.full((8, 9), 100, np.int8), 100, id="int8"),
        pytest.param(np.full((8, 9), 2**63, np.uint64), 255, id="uint64"),
        pytest.param(np.full((8, 9), 1.0), 255, id="float of 0 to 1"),
        pytest.param(np.full((8, 9), 0.5, np.float16), 128, id="half"),
        pytest.param(np.full((8, 9), 200.0, np.float32), 200, id="float of 0 to 255"),
        pytest.param(np.full((8, 9), np.nan), 0, id="not a number"),
        pytest.param(np.full((8, 9), np.inf), 255, id="infinite"),
        pytest.param(np.full((8, 9), -np.inf), 0, id="minus infinite"),
        pytest.param(np.full((8, 9), 1e300), 255, id="huge"),
        pytest.param(np.full((16, 18, 3), 200, np.uint8)[::-2, ::2, ::-1], 200, id="not contiguous"),
        pytest.param(np.asfortranarray(np.full((8, 9, 3), 200, np.uint8)), 200, id="column by column"),
        pytest.param(np.full((1, 1), 200, np.uint8), 200, id="one pixel"),
    ],
)
def test_encodes_arrays(array, expected):
    before = array.copy()
    pixels = decode(encode_jpeg(array))
    assert pixels.shape == (*array.shape[:2], 3)
    assert np.abs(pixels.astype(int) - expected).max() <= 2
    assert np.array_equal(array, before, equal_nan=array.dtype.kind == "f")


def test_infinity_does_not_decide_the_range_of_floats():
    array = np.full((16, 16), 0.5)
    array[:8, :8] = np.inf
    pixels = decode(encode_jpeg(array))
    assert abs(int(pixels[12, 12, 0]) - 128) <= 2
    assert pixels[2, 2, 0] >= 253


def test_encodes_at_quality_95():
    pixels = photo("coffee")[:100, :100]
    expected = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=95, colorsubsampling="420")
    assert encode_jpeg(pixels) == expected


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.zeros(8, np.uint8), id="rank 1"),
        pytest.param(np.zeros((2, 8, 8, 3), np.uint8), id="rank 4"),
        pytest.param(np.zeros((8, 8, 2), np.uint8), id="two channels"),
        pytest.param(np.zeros((3, 8, 8), np.uint8), id="channels first"),
        pytest.param(np.zeros((0, 8, 3), np.uint8), id="no rows"),
        pytest.param(np.zeros((65_501, 1), np.uint8), id="too high"),
        pytest.param(np.zeros((8, 8), np.complex64), id="complex"),
        pytest.param(np.full((8, 8), "a"), id="texts"),
        pytest.param(np.full((8, 8), None), id="objects"),
        pytest.param([[1, 2], [3, 4]], id="a list"),
    ],
)
def test_refuses_arrays_that_are_no_images(array):
    with pytest.raises(InvalidImageError, match=r"array"):
        encode_jpeg(array)


# Whatever programs hand over


def test_a_jpeg_stays_byte_for_byte():
    data = jpeg(photo_image(), quality=40, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0") + b"behind"
    assert to_jpeg(data) == data
    assert to_jpeg(bytearray(data)) == data  # type: ignore[arg-type]


def test_other_formats_become_upright_jpeg_of_quality_95():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(photo_image(), "PNG", exif=exif)
    assert to_jpeg(data) == encode_jpeg(decode(data))


def test_what_is_neither_array_nor_bytes_is_refused():
    with pytest.raises(InvalidImageError, match="not str"):
        to_jpeg("image.jpg")  # type: ignore[arg-type]


# Raw arrays


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.uint8).reshape(2, 4, 3),
        np.arange(8, dtype=np.uint16).reshape(2, 4),
        np.arange(8, dtype=">f4").reshape(2, 4),
        np.arange(8, dtype=np.float64).reshape(2, 2, 2),
        np.array([[True, False]]),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
@pytest.mark.parametrize("spelling", [lambda dtype: str(dtype), lambda dtype: dtype.str], ids=["name", "code"])
def test_a_raw_array_arrives_as_sent(array, spelling):
    data = array.tobytes()
    received = array_from_raw(data, spelling(array.dtype), list(array.shape), max_pixels=PIXELS)
    assert np.array_equal(received, array)
    assert received.dtype == array.dtype
    assert not received.flags.writeable
    assert np.shares_memory(received, np.frombuffer(data, np.uint8))


@pytest.mark.parametrize(
    ("data", "dtype", "shape", "text"),
    [
        pytest.param(b"1234", "object", [2, 2], "dtype: 'object'", id="object"),
        pytest.param(b"1234", "O", [2, 2], "dtype", id="object code"),
        pytest.param(b"1234", "V1000000", [2, 2], "dtype", id="huge item"),
        pytest.param(b"1234", "u1,u1", [2, 2], "dtype", id="fields"),
        pytest.param(b"1234", "datetime64[s]", [2, 2], "dtype", id="time"),
        pytest.param(b"1234", "complex64", [2, 2], "dtype", id="complex"),
        pytest.param(b"1234", "S1", [2, 2], "dtype", id="text"),
        pytest.param(b"1234", "", [2, 2], "dtype", id="empty dtype"),
        pytest.param(b"1234", None, [2, 2], "dtype", id="no dtype"),
        pytest.param(b"1234", ["u1"], [2, 2], "dtype", id="list as dtype"),
        pytest.param(b"1234", "x" * 10**6, [2, 2], "dtype", id="long dtype"),
        pytest.param(b"1234", "uint8", [4], "shape", id="rank 1"),
        pytest.param(b"1234", "uint8", [1, 2, 2, 1], "shape", id="rank 4"),
        pytest.param(b"1234", "uint8", [], "shape", id="rank 0"),
        pytest.param(b"1234", "uint8", None, "shape", id="no shape"),
        pytest.param(b"1234", "uint8", "22", "shape", id="shape as text"),
        pytest.param(b"1234", "uint8", [2, -2], "shape", id="negative"),
        pytest.param(b"1234", "uint8", [-1, 4], "shape", id="the rest"),
        pytest.param(b"", "uint8", [0, 4], "shape", id="no rows"),
        pytest.param(b"1234", "uint8", [2.0, 2], "shape", id="float side"),
        pytest.param(b"1234", "uint8", [True, 4], "shape", id="bool side"),
        pytest.param(b"1234", "uint8", [2, "2"], "shape", id="text side"),
        pytest.param(b"1234", "uint8", [2**40, 2**40], "shape", id="overflow"),
        pytest.param(b"1234", "uint8", [16385, 1], "shape", id="long side"),
        pytest.param(b"123", "uint8", [2, 2], "bytes: 3 bytes", id="too few bytes"),
        pytest.param(b"12345", "uint8", [2, 2], "bytes", id="too many bytes"),
        pytest.param(b"1234", "uint16", [2, 2], "need 8", id="bytes of another type"),
        pytest.param("1234", "uint8", [2, 2], "bytes", id="text as bytes"),
        pytest.param(None, "uint8", [2, 2], "bytes", id="no bytes"),
    ],
)
def test_refuses_raw_arrays_by_the_key_that_is_wrong(data, dtype, shape, text):
    with pytest.raises(InvalidImageError, match=text) as caught:
        array_from_raw(data, dtype, shape, max_pixels=PIXELS)
    assert len(str(caught.value)) < 250


def test_refuses_a_raw_array_of_too_many_pixels():
    with pytest.raises(TooLargeError, match="MAX_IMAGE_PIXELS"):
        array_from_raw(b"", "uint8", [9000, 9000], max_pixels=PIXELS)


# Helpers


def photo(name: str) -> np.ndarray:
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    file = next(folder / f"{name}{suffix}" for suffix in (".png", ".jpg") if (folder / f"{name}{suffix}").exists())
    return np.array(Image.open(file).convert("RGB"))


def photo_image() -> Image.Image:
    return Image.fromarray(photo("chelsea")[100:131, 150:196])


def crops_of(name: str, *, seed: str, count: int) -> list[Image.Image]:
    random_, pixels = random.Random(seed), photo(name)
    crops = []
    for _ in range(count):
        height, width = random_.randint(1, 200), random_.randint(1, 200)
        top, left = random_.randint(0, pixels.shape[0] - height), random_.randint(0, pixels.shape[1] - width)
        crops.append(Image.fromarray(pixels[top : top + height, left : left + width]))
    return crops


def encoded(image: Image.Image, form: str, **options) -> bytes:
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def jpeg(image: Image.Image, **options) -> bytes:
    return encoded(image, "JPEG", **options)


def with_segment(data: bytes, content: bytes) -> bytes:
    """The JPEG with an APP1 segment in front."""
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + data[2:]


def png_of(width: int, height: int, *, bit_depth: int, color: int, rows: np.ndarray) -> bytes:
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bit_depth, color, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines, 1)),
        (b"IEND", b""),
    ]
    packed = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def assert_equal_to_pillow(data: bytes, *, unless_pillow_refuses: bool = False) -> None:
    pixels = decode(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = np.array(ImageOps.exif_transpose(Image.open(BytesIO(data))).convert("RGB"))
        except Exception:
            if unless_pillow_refuses:
                return
            raise
    assert np.array_equal(pixels, expected)
