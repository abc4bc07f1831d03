"""Reads the files of a multipart form, within limits.

Nearly every request is a plain form of one file, which a small parser reads in microseconds. Whatever is not exactly
that goes to python-multipart, and both find the same.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from ..errors import InvalidRequestError, TooLargeError

MAX_TEXTS = 1000  # of a form, beside its files, as in 0.27; nobody reads them
PATIENCE_S = 60.0
SLOWEST_BYTES_PER_S = 20_000
_SLICE_BYTES = 256 * 1024  # parsed at a time, before other requests have their turn


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a multipart form."""

    name: str
    filename: str
    content_type: str
    data: bytes


async def read_form(request: Request, *, max_bytes: int, max_parts: int, example: str = "file") -> list[Part]:
    """All files of a form, in their order. `example` is the name of a part that the messages of errors show."""
    content_type = request.headers.get("content-type", "")
    if content_type[:19].lower() != "multipart/form-data":
        given = f"'{shortened(content_type)}'" if content_type else "none"
        raise InvalidRequestError(f"content type: expected multipart/form-data, got {given}; {remedy(example)}")
    body = await read_body(request, max_bytes=max_bytes)
    plain = _plain_part(content_type, body)
    if plain is not None:
        return [plain]
    try:
        return await _parts_of_any_form(content_type, body, max_parts)
    except FormParserError as error:
        raise InvalidRequestError(f"the multipart form cannot be read: {error}; {remedy(example)}") from error


async def read_body(request: Request, *, max_bytes: int, patience_s: float = PATIENCE_S) -> bytes | bytearray:
    """The body of a request, refused as soon as it is known to be too long: by its header, or while it comes in.

    Who has lost its network in the middle is not waited for: a body has `patience_s`, and more the longer it is.
    """
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal():
        raise InvalidRequestError(f"content-length: '{shortened(announced)}' is not a number")
    length = int(announced[:20])
    if length > max_bytes:
        raise _too_long(announced, max_bytes)
    body: bytes | bytearray = b""
    limit_s = patience_s + (length or max_bytes) / SLOWEST_BYTES_PER_S
    try:
        async with asyncio.timeout(limit_s):
            async for chunk in request.stream():
                if len(body) + len(chunk) > max_bytes:
                    raise _too_long(f"more than {max_bytes}", max_bytes)
                if not body:
                    body = chunk
                    continue
                if isinstance(body, bytes):
                    body = bytearray(body)
                body += chunk
    except ClientDisconnect as error:
        raise InvalidRequestError("the connection ended before the body did") from error
    except TimeoutError as error:
        raise InvalidRequestError(f"the body did not arrive within {limit_s:.0f} s, only {len(body)} bytes") from error
    return body


def remedy(part: str) -> str:
    """How to send a file as the part of this name."""
    return f"send the image as `curl -F '{part}=@image.jpg'` does"


# The plain form of one file

_CONTENT_TYPE = re.compile(r'multipart/form-data; ?boundary=("?)([0-9A-Za-z\'()+_,./:=?-]{1,70})\1', re.ASCII)
_PLAIN_TEXT = rb'([^"\\;\x00-\x1f\x7f-\xff]*)'
_DISPOSITION = re.compile(
    rb'content-disposition: form-data; name="' + _PLAIN_TEXT + rb'"; filename="' + _PLAIN_TEXT + b'"'
)
_PART_TYPE = re.compile(rb"content-type: ([^\x00-\x1f\x7f-\xff]*[^\x00-\x20\x7f-\xff])")
_PLAIN_HEADER_BYTES = 1000


def _plain_part(content_type: str, body: bytes | bytearray) -> Part | None:
    """The one file of a form that holds nothing else and is written as common clients do, else None."""
    match = _CONTENT_TYPE.fullmatch(content_type)
    if match is None:
        return None
    delimiter = b"\r\n--" + match[2].encode()
    opening = len(delimiter)  # the first delimiter has no line break before it, but one after it
    if not body.startswith(delimiter[2:] + b"\r\n"):
        return None
    header_end = body.find(b"\r\n\r\n", opening, _PLAIN_HEADER_BYTES)
    data_end = len(body) - len(delimiter) - (4 if body.endswith(b"\r\n") else 2)
    if header_end < 0 or header_end + 4 > data_end or not body.startswith(delimiter + b"--", data_end):
        return None
    if body.find(delimiter, header_end + 2, data_end + len(delimiter) - 1) >= 0:
        return None
    disposition = part_type = None
    for line in bytes(body[opening:header_end]).split(b"\r\n"):
        name, colon, value = line.partition(b":")
        line = name.lower() + colon + value
        if disposition is None and (found := _DISPOSITION.fullmatch(line)):
            disposition = found
        elif part_type is None and (found := _PART_TYPE.fullmatch(line)):
            part_type = found
        else:
            return None
    if disposition is None:
        return None
    data = bytes(memoryview(body)[header_end + 4 : data_end])
    return Part(disposition[1].decode(), disposition[2].decode(), part_type[1].decode() if part_type else "", data)


# Any other form


async def _parts_of_any_form(content_type: str, body: bytes | bytearray, max_parts: int) -> list[Part]:
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not boundary:
        raise FormParserError("the content type names no boundary")
    if not body:
        raise FormParserError("the body is empty")
    form = _Form(max_parts)
    parser = MultipartParser(
        boundary,
        {
            "on_part_data": form.add_data,
            "on_part_end": form.end_part,
            "on_header_field": form.add_header_name,
            "on_header_value": form.add_header_value,
            "on_header_end": form.end_header,
            "on_headers_finished": form.begin_data,
            "on_end": form.end,
        },
    )
    view = memoryview(body)
    for start in range(0, len(body), _SLICE_BYTES):
        parser.write(bytes(view[start : start + _SLICE_BYTES]))
        await asyncio.sleep(0)
    if not form.is_complete:
        raise FormParserError("the body ends before its closing boundary")
    return form.files


class _Form:
    """Collects the files of a form from what python-multipart reports. Texts are counted and forgotten."""

    def __init__(self, max_files: int) -> None:
        self.files: list[Part] = []
        self.is_complete = False
        self._max_files = max_files
        self._text_count = 0
        self._header_name = self._header_value = b""
        self._headers: dict[bytes, bytes] = {}
        self._file: Part | None = None
        self._data = bytearray()

    def add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def end_header(self) -> None:
        name = self._header_name.lower()
        if name == b"content-disposition" or name not in self._headers:  # which of two counts, as in Starlette
            self._headers[name] = self._header_value
        self._header_name = self._header_value = b""

    def begin_data(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        if b"name" not in options:
            raise FormParserError('a part has no "name" in its Content-Disposition')
        if b"filename" in options:
            content_type = self._headers.get(b"content-type", b"").decode("latin-1")
            self._file = Part(text_of(options[b"name"]), text_of(options[b"filename"]), content_type, b"")
            if len(self.files) >= self._max_files:
                raise FormParserError(f"at most {self._max_files} may be sent at once, as files")
        else:
            self._file = None
            self._text_count += 1
            if self._text_count > MAX_TEXTS:
                raise FormParserError(f"there are more than {MAX_TEXTS} parts that are no files")
        self._headers = {}

    def add_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._data += data[start:end]

    def end_part(self) -> None:
        if self._file is not None:
            self.files.append(replace(self._file, data=bytes(self._data)))
        self._data = bytearray()

    def end(self) -> None:
        self.is_complete = True


def _too_long(length: str, max_bytes: int) -> TooLargeError:
    return TooLargeError(f"the body has {length} bytes, the limit MAX_REQUEST_BYTES is {max_bytes}")


def text_of(value: bytes) -> str:
    """What a header says, in UTF-8 or else in Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def shortened(text: str) -> str:
    """The beginning of a text from outside, as much as belongs into a message."""
    return text if len(text) <= 80 else f"{text[:77]}…"
