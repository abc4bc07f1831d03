"""Images in requests: what clients send is read, the fast path finds what Starlette finds, trouble has a name."""

from __future__ import annotations

import asyncio
import contextlib
from io import BytesIO

import aiohttp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from learning_loop_node.api.forms import MAX_TEXTS, Part, read_body, read_form
from learning_loop_node.api.image_requests import (
    image_from_event,
    images_from_event,
    option,
    read_images,
)
from learning_loop_node.errors import InvalidImageError, InvalidRequestError, TooLargeError

B = "5f4dcc3b5aa765d6"
DATA = b"\xff\xd8DATA\r\n--\r\n\0\xff\xd9"
IMAGE = b'Content-Disposition: form-data; name="file"; filename="x.jpg"\r\nContent-Type: image/jpeg'
PIXELS = 64_000_000


def form_of(*parts: tuple[bytes, bytes], boundary: str = B, end: bytes = b"--\r\n") -> bytes:
    """The body of a form, from pairs of header block and data."""
    line = b"--" + boundary.encode()
    return b"".join(line + b"\r\n" + head + b"\r\n\r\n" + data + b"\r\n" for head, data in parts) + line + end


PLAIN = form_of((IMAGE, DATA))
TYPE = f"multipart/form-data; boundary={B}"

FROM_CLIENTS = {
    "curl": (
        "multipart/form-data; boundary=------------------------d810234a2cdb1d61",
        form_of((IMAGE, DATA), boundary="------------------------d810234a2cdb1d61"),
    ),
    "requests": (TYPE, form_of((b'Content-Disposition: form-data; name="file"; filename="x.jpg"', DATA))),
    "requests, umlaut": (
        TYPE,
        form_of(('Content-Disposition: form-data; name="file"; filename="ü.jpg"'.encode(), DATA)),
    ),
    "httpx": (TYPE, PLAIN),
    "httpx, quotes": (
        TYPE,
        form_of(('Content-Disposition: form-data; name="file"; filename="a %22ü%22.jpg"'.encode(), DATA)),
    ),
    "aiohttp": (
        TYPE,
        form_of((b'Content-Type: image/jpeg\r\nContent-Disposition: form-data; name="file"; filename="x.jpg"', DATA)),
    ),
    "older aiohttp": (
        TYPE,
        form_of(
            (
                b"Content-Type: image/jpeg\r\nContent-Disposition: form-data; "
                b'name="file"; filename="x.jpg"; filename*=utf-8\'\'x.jpg',
                DATA,
            )
        ),
    ),
    "browser": (
        "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
        form_of((IMAGE, DATA), boundary="----WebKitFormBoundary7MA4YWxkTrZu0gW"),
    ),
    "javascript": (f'multipart/form-data; boundary="{B}"', PLAIN),
    "older .NET": (
        TYPE,
        form_of((b"Content-Type: image/jpeg\r\nContent-Disposition: form-data; name=file; filename=x.jpg", DATA)),
    ),
    "with length": (TYPE, form_of((IMAGE + b"\r\nContent-Length: 16", DATA))),
    "with encoding": (TYPE, form_of((IMAGE + b"\r\nContent-Transfer-Encoding: binary", DATA))),
    "no line break at the end": (TYPE, form_of((IMAGE, DATA), end=b"--")),
    "text behind the end": (TYPE, PLAIN + b"\r\nepilogue"),
    "lower case headers": (TYPE, form_of((IMAGE.lower(), DATA))),
    "other type's case": (f"Multipart/Form-Data; boundary={B}", PLAIN),
    "with charset": (f"multipart/form-data; charset=utf-8; boundary={B}", PLAIN),
    "text beside the file": (
        TYPE,
        form_of((b'Content-Disposition: form-data; name="source"', b"robot"), (IMAGE, DATA)),
    ),
    "nearly the boundary in the data": (TYPE, form_of((IMAGE, b"\r\n--" + B[:-1].encode() + b"X--\r\n"))),
}


# The same as Starlette finds


@pytest.mark.parametrize(("content_type", "body"), FROM_CLIENTS.values(), ids=FROM_CLIENTS)
@pytest.mark.parametrize("chunk_bytes", [10**6, 7])
async def test_reads_what_clients_send(content_type, body, chunk_bytes):
    parts = await read_form(request_of(content_type, body, chunk_bytes=chunk_bytes), max_bytes=10**6, max_parts=10)
    assert parts == await parts_by_starlette(content_type, body)
    assert [part.name for part in parts] == ["file"]


async def test_reads_what_aiohttp_sends_today():
    form = aiohttp.FormData()
    form.add_field("file", DATA, filename="Bild ü.jpg", content_type="image/jpeg")
    writer = form()
    content_type, body = writer.headers["Content-Type"], await writer.as_bytes()
    assert await images_of(content_type, body) == [DATA]


async def test_reads_several_files_in_their_order():
    heads = [b'Content-Disposition: form-data; name="files"; filename="%d.jpg"' % number for number in range(3)]
    body = form_of(*((head, bytes([number]) * 300_000) for number, head in enumerate(heads)))
    images = await read_images(request_of(TYPE, body), part="files", max_bytes=10**6, max_parts=3)
    assert [len(image) for image in images] == [300_000] * 3
    assert [image[0] for image in images] == [0, 1, 2]


async def test_empty_file_is_a_file():
    assert await images_of(TYPE, form_of((IMAGE, b""))) == [b""]


NAMES = st.text(st.characters(codec="utf-8", exclude_characters='\r\n"'), max_size=8)
PIECES = st.sampled_from(
    [
        b"\r\n",
        b"--",
        b"\r\n--",
        b"--" + B.encode(),
        b"\r\n--" + B.encode(),
        b"--" + B.encode() + b"--",
        b"\r",
        b"\n",
        b"ab",
    ]
)


@st.composite
def bodies(draw) -> bytes:
    """Forms that are nearly or really plain: odd names and headers, the boundary in the data, other ends."""
    parts = []
    for _ in range(draw(st.integers(1, 2))):
        disposition = f'form-data; name="{draw(NAMES)}"'
        if draw(st.booleans()):
            disposition += f'; filename="{draw(NAMES)}"'
        lines = [f"Content-Disposition: {disposition}".encode()]
        if draw(st.booleans()):
            lines.append(
                draw(st.sampled_from([b"Content-Type: a/b", b"content-type:a", b"Content-Type: ", b"X-Y: z", b"x"]))
            )
        head = b"\r\n".join(draw(st.permutations(lines)))
        parts.append((head, b"".join(draw(st.lists(PIECES | st.binary(max_size=3), max_size=5)))))
    return form_of(*parts, end=draw(st.sampled_from([b"--\r\n", b"--", b"--\n", b"\r\n", b"", b"--\r\n\r\n"])))


@settings(max_examples=400, deadline=None)
@given(body=bodies())
def test_finds_what_starlette_finds(body):
    async def compare() -> None:
        try:
            found = await read_form(request_of(TYPE, body), max_bytes=10**6, max_parts=10)
        except InvalidRequestError as error:
            if "ends before" not in str(error):  # what is cut off, Starlette leaves out in silence
                with pytest.raises(HTTPException):
                    await parts_by_starlette(TYPE, body)
        else:
            assert found == await parts_by_starlette(TYPE, body)

    asyncio.run(compare())


@settings(max_examples=200, deadline=None)
@given(position=st.integers(0, len(PLAIN) - 1), byte=st.integers(0, 255), cut=st.integers(0, len(PLAIN)))
def test_no_damage_has_an_unnamed_error(position, byte, cut):
    changed = bytearray(PLAIN)
    changed[position] = byte
    for body in (bytes(changed), PLAIN[:cut], PLAIN[cut:]):
        with contextlib.suppress(InvalidRequestError):
            asyncio.run(images_of(TYPE, body))


# What is refused


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        pytest.param(TYPE, b"", "the body is empty", id="empty body"),
        pytest.param(TYPE, form_of(), "part 'file' is missing, the form has no file", id="no parts"),
        pytest.param(TYPE, PLAIN.replace(b'"file"', b'"image"'), "has only 'image'", id="other name"),
        pytest.param(TYPE, PLAIN.replace(b'; filename="x.jpg"', b""), "has no file", id="a text instead of a file"),
        pytest.param(TYPE, PLAIN.replace(b' name="file";', b""), 'a part has no "name"', id="no name"),
        pytest.param(TYPE, PLAIN[:-30], "ends before its closing boundary", id="cut"),
        pytest.param(TYPE, form_of((IMAGE, DATA), boundary="other"), "cannot be read", id="other boundary"),
        pytest.param("multipart/form-data", PLAIN, "names no boundary", id="no boundary"),
        pytest.param("multipart/form-data; boundary=", PLAIN, "names no boundary", id="empty boundary"),
        pytest.param(f"multipart/form-data; boundary={'x' * 1000}", PLAIN, "cannot be read", id="long boundary"),
        pytest.param("multipart/form-data; boundary=ü", PLAIN, "cannot be read", id="strange boundary"),
        pytest.param("", PLAIN, "got none", id="no content type"),
        pytest.param("image/jpeg", DATA, "got 'image/jpeg'", id="bare image"),
        pytest.param("application/x-www-form-urlencoded", b"file=x", "got 'application/x-www", id="form without parts"),
        pytest.param("application/json", b"{}", "got 'application/json'", id="json"),
        pytest.param(TYPE, form_of(*[(IMAGE, b"x")] * 4), "at most 3 may be sent at once", id="many files"),
        pytest.param(
            TYPE,
            form_of(*[(b'Content-Disposition: form-data; name="a"', b"x")] * (MAX_TEXTS + 1)),
            "more than 1000 parts that are no files",
            id="many texts",
        ),
        pytest.param(
            TYPE,
            form_of((b'Content-Disposition: form-data; name="a"', b"x" * 100_000)),
            "the form has no file",
            id="long text",
        ),
        pytest.param(TYPE, form_of((IMAGE + b"\r\nX: " + b"y" * 100_000, DATA)), "cannot be read", id="long header"),
        pytest.param(TYPE, form_of((IMAGE + b"\r\nX: y" * 1000, DATA)), "cannot be read", id="many headers"),
    ],
)
async def test_refuses_with_a_remedy(content_type, body, text):
    with pytest.raises(InvalidRequestError, match=text) as caught:
        await images_of(content_type, body)
    assert "curl -F 'file=@image.jpg'" in str(caught.value)


async def test_refuses_an_announced_length_before_the_body_is_read():
    request = request_of(TYPE, PLAIN, headers={"content-length": "1001"}, chunks_allowed=0)
    with pytest.raises(TooLargeError, match="1001 bytes, the limit MAX_REQUEST_BYTES is 1000"):
        await read_images(request, part="file", max_bytes=1000, max_parts=1)


async def test_refuses_a_long_body_while_it_comes_in():
    request = request_of(TYPE, b"x" * 5000, chunk_bytes=100, chunks_allowed=11)
    with pytest.raises(TooLargeError, match="MAX_REQUEST_BYTES is 1000"):
        await read_images(request, part="file", max_bytes=1000, max_parts=1)


@pytest.mark.parametrize("length", ["abc", "-1", "1e3", "", "²"])
async def test_refuses_a_length_that_is_no_number(length):
    with pytest.raises(InvalidRequestError, match="content-length"):
        await read_body(request_of(TYPE, PLAIN, headers={"content-length": length}), max_bytes=1000)


async def test_a_connection_that_ends_has_a_name():
    with pytest.raises(InvalidRequestError, match="connection ended"):
        await read_body(request_of(TYPE, PLAIN, chunk_bytes=10, disconnect_after=3), max_bytes=1000)


async def test_who_stalls_is_not_waited_for():
    async def receive():
        await asyncio.Event().wait()

    headers = [(b"content-length", b"10")]
    request = Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)
    with pytest.raises(InvalidRequestError, match="did not arrive within 0 s"):
        await read_body(request, max_bytes=1000, patience_s=0)


async def test_reads_a_body_in_any_number_of_chunks():
    for chunk_bytes in (1, 3, len(PLAIN)):
        body = await read_body(request_of(TYPE, PLAIN, chunk_bytes=chunk_bytes), max_bytes=len(PLAIN))
        assert bytes(body) == PLAIN


# Options


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        pytest.param({}, "", None, id="absent"),
        pytest.param({"creation-date": "a"}, "", "a", id="hyphen"),
        pytest.param({"creation_date": "a"}, "", "a", id="underscore"),
        pytest.param({"creation_date": "a", "creation-date": "b"}, "", "b", id="hyphen first"),
        pytest.param({"creation-date": "b", "creation_date": "a"}, "", "b", id="hyphen first, other order"),
        pytest.param({}, "creation_date=c", "c", id="query"),
        pytest.param({}, "creation-date=c", "c", id="query with hyphen"),
        pytest.param({"creation-date": "a"}, "creation_date=c", "a", id="header before query"),
        pytest.param({"creation-date": ""}, "", "", id="empty"),
        pytest.param({"creation-date": "Küche".encode().decode("latin-1")}, "", "Küche", id="utf-8"),
        pytest.param({"creation-date": "Küche"}, "", "Küche", id="latin-1"),
    ],
)
@pytest.mark.parametrize("name", ["creation_date", "creation-date"])
def test_option(headers, query, expected, name):
    request = request_of("", b"", headers=headers, query=query)
    assert option(request, name, also_query=True) == expected
    if query and not headers:
        assert option(request, name) is None


# Events


def test_an_event_with_a_raw_image():
    array = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    data = {"image": {"bytes": array.tobytes(), "dtype": "uint8", "shape": [2, 2, 3]}}
    for extra in ({}, {"format": "raw"}):
        assert np.array_equal(image_from_event({"image": data["image"] | extra}, max_pixels=PIXELS), array)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP"])
def test_an_event_with_an_encoded_image_keeps_its_bytes(form):
    data = encoded(form)
    image = {"format": "jpeg", "bytes": data}
    assert image_from_event({"image": image}, max_pixels=PIXELS) == data
    assert images_from_event({"images": [image, image]}, max_pixels=PIXELS) == [data, data]


def test_an_event_without_images():
    assert images_from_event({"images": []}, max_pixels=PIXELS) == []


RAW = {"bytes": b"1234", "dtype": "uint8", "shape": [2, 2]}


@pytest.mark.parametrize(
    ("image", "text"),
    [
        pytest.param(None, "got NoneType", id="nothing"),
        pytest.param(b"\xff\xd8\xff", "got bytes", id="bare bytes"),
        pytest.param({}, "the keys 'bytes' and 'dtype' and 'shape' are missing", id="empty"),
        pytest.param({"bytes": b"1234", "dtype": "uint8"}, "the key 'shape' is missing", id="no shape"),
        pytest.param({"format": "jpeg"}, "'bytes' is missing", id="no bytes"),
        pytest.param({"format": "png", "bytes": b""}, "'png' is neither 'raw' nor 'jpeg'", id="format"),
        pytest.param({"format": ["jpeg"], "bytes": b""}, "neither 'raw' nor 'jpeg'", id="format as list"),
        pytest.param({"format": "jpeg", "bytes": "text"}, "bytes: expected bytes, got str", id="text as bytes"),
        pytest.param({"format": "jpeg", "bytes": b"text"}, "not a JPEG", id="not an image"),
        pytest.param({"format": "jpeg", "bytes": b"\xff\xd8\xff"}, "ends", id="cut"),
        pytest.param(RAW | {"dtype": "object"}, "dtype: 'object'", id="dtype"),
        pytest.param(RAW | {"shape": [2, -2]}, "shape", id="shape"),
        pytest.param(RAW | {"bytes": b"1"}, "bytes: 1 bytes", id="length"),
    ],
)
def test_events_name_what_is_wrong(image, text):
    with pytest.raises(InvalidImageError, match=f"^could not parse image from data: image.*{text}"):
        image_from_event({"image": image}, max_pixels=PIXELS)
    with pytest.raises(InvalidImageError, match=rf"^could not parse images from data: images\[0\].*{text}"):
        images_from_event({"images": [image]}, max_pixels=PIXELS)


@pytest.mark.parametrize("data", [None, [], "text", {}, {"image": {}}], ids=repr)
def test_events_without_the_key(data):
    with pytest.raises(InvalidRequestError, match=r"^could not parse images from data: "):
        images_from_event(data, max_pixels=PIXELS)


@pytest.mark.parametrize("images", [None, {}, "text", 5, b"x"], ids=repr)
def test_images_that_are_no_list(images):
    with pytest.raises(InvalidRequestError, match=r"^could not parse images from data: images: expected a list"):
        images_from_event({"images": images}, max_pixels=PIXELS)


def test_events_with_too_many_pixels():
    for image in (RAW | {"shape": [9000, 9000]}, {"format": "jpeg", "bytes": encoded("PNG", (9000, 9000))}):
        with pytest.raises(TooLargeError, match=r"^could not parse image from data: image: .*MAX_IMAGE_PIXELS"):
            image_from_event({"image": image}, max_pixels=PIXELS)


# Helpers


def request_of(
    content_type: str,
    body: bytes,
    *,
    headers: dict[str, str] | None = None,
    query: str = "",
    chunk_bytes: int = 65_536,
    chunks_allowed: int | None = None,
    disconnect_after: int | None = None,
) -> Request:
    """A request whose body comes in chunks, of which only so many may be asked for."""
    chunks = [body[start : start + chunk_bytes] for start in range(0, len(body), chunk_bytes)] or [b""]
    sent = 0

    async def receive():
        nonlocal sent
        assert chunks_allowed is None or sent < chunks_allowed, "the body was read on"
        if disconnect_after is not None and sent >= disconnect_after:
            return {"type": "http.disconnect"}
        sent += 1
        return {"type": "http.request", "body": chunks[sent - 1], "more_body": sent < len(chunks)}

    raw = [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    if content_type:
        raw.append((b"content-type", content_type.encode("latin-1")))
    scope = {"type": "http", "method": "POST", "path": "/", "headers": raw, "query_string": query.encode(), "app": None}
    return Request(scope, receive)


async def images_of(content_type: str, body: bytes) -> list[bytes]:
    return await read_images(request_of(content_type, body), part="file", max_bytes=10**7, max_parts=3)


async def parts_by_starlette(content_type: str, body: bytes) -> list[Part]:
    async with request_of(content_type, body).form() as form:
        return [
            Part(name, value.filename or "", value.content_type or "", await value.read())
            for name, value in form.multi_items()
            if isinstance(value, UploadFile)
        ]


def encoded(form: str, size: tuple[int, int] = (20, 10)) -> bytes:
    file = BytesIO()
    Image.new("1" if form == "PNG" else "RGB", size).save(file, form)
    return file.getvalue()
