"""Reads multipart requests as a stream: small ones stay in memory, large ones go to a file in the loop's folder."""

from __future__ import annotations

import codecs
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from ...data_classes import codec
from ...errors import InvalidDataError, InvalidRequestError, TooLargeError
from ...runtime.threads import io_bound
from ..storage.blobs import disk_errors

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

IN_MEMORY_BYTES = 16 * 2**20
CHUNK_BYTES = 2**20

HOW = "send multipart/form-data, as curl -F 'files=@name' does"


@dataclass
class Part:
    """One part of a request. Its content can be read while the request is open."""

    name: str
    filename: str
    headers: dict[str, str]
    size_bytes: int
    _offset: int
    _contents: _Contents

    async def read(self) -> bytes:
        return await self._contents.read(self._offset, self.size_bytes)

    async def chunks(self) -> AsyncIterator[bytes]:
        end = self._offset + self.size_bytes
        for offset in range(self._offset, end, CHUNK_BYTES):
            yield await self._contents.read(offset, min(CHUNK_BYTES, end - offset))


@asynccontextmanager
async def received_parts(
    request: Request, *, folder: Path, max_bytes: int, max_parts: int
) -> AsyncIterator[list[Part]]:
    """All parts of a request, in their order. Their contents, if large, lie in `folder` while the block is open.

    `TooLargeError` is raised before or while reading; `InvalidRequestError` says what is wrong with the form.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise TooLargeError(f"the request has {announced} bytes; the limit is {max_bytes}")
    contents = _Contents(folder)
    reader = _Reader(contents, max_parts)
    parser = _parser_of(request, reader)
    received = 0
    try:
        try:
            async for chunk in request.stream():
                received += len(chunk)
                if received > max_bytes:
                    raise TooLargeError(f"the request has more than {max_bytes} bytes")
                parser.write(chunk)
                await contents.make_room()
            parser.finalize()
            if not reader.is_complete:
                raise InvalidRequestError(f"the form ends in the middle; {HOW}")
        except FormParserError as error:
            raise InvalidRequestError(f"the form cannot be read ({error}); {HOW}") from error
        except ClientDisconnect as error:
            raise InvalidRequestError("the client went away in the middle of the request") from error
        yield reader.parts
    finally:
        contents.close()


class _Contents:
    """The contents of all parts of a request, one after the other: in memory, or all in a file without a name."""

    def __init__(self, folder: Path) -> None:
        self.size_bytes = 0
        self._folder = folder
        self._tail = bytearray()
        self._file: BinaryIO | None = None

    def append(self, data: bytes) -> None:
        self._tail += data
        self.size_bytes += len(data)

    async def make_room(self) -> None:
        """Move what is in memory into the file if it is too much."""
        if len(self._tail) > IN_MEMORY_BYTES:
            with disk_errors():
                await io_bound(self._spill)

    async def read(self, offset: int, length: int) -> bytes:
        if self._file is None:
            return bytes(self._tail[offset : offset + length])
        with disk_errors():
            return await io_bound(self._read_file, offset, length)

    def close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()

    def _spill(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
        view = memoryview(self._tail)
        while view:
            view = view[os.write(self._file.fileno(), view) :]
        view.release()
        self._tail = bytearray()

    def _read_file(self, offset: int, length: int) -> bytes:
        assert self._file is not None
        if self._tail:
            self._spill()
        pieces = []
        while length > 0 and (piece := os.pread(self._file.fileno(), length, offset)):
            pieces.append(piece)
            offset, length = offset + len(piece), length - len(piece)
        return b"".join(pieces)


class _Reader:
    """Collects what the parser finds."""

    def __init__(self, contents: _Contents, max_parts: int) -> None:
        self.parts: list[Part] = []
        self.is_complete = False
        self._contents = contents
        self._max_parts = max_parts
        self._headers: dict[str, str] = {}
        self._header = bytearray()
        self._value = bytearray()

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._take,
            "on_header_field": self._take_header,
            "on_header_value": self._take_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._open_part,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) >= self._max_parts:
            raise TooLargeError(f"the form has more than {self._max_parts} parts; send several requests")
        self._headers = {}

    def _take_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._header.clear()
        self._value.clear()

    def _open_part(self) -> None:
        disposition, options = parse_options_header(self._headers.get("content-disposition", ""))
        if disposition != b"form-data" or b"name" not in options:
            raise InvalidRequestError(f"part {len(self.parts) + 1} of the form has no name; {HOW}")
        name, filename = (options.get(key, b"").decode("utf-8", "replace") for key in (b"name", b"filename"))
        self.parts.append(Part(name, filename, self._headers, 0, self._contents.size_bytes, self._contents))

    def _take(self, data: bytes, start: int, end: int) -> None:
        self._contents.append(data[start:end])
        self.parts[-1].size_bytes += end - start

    def _end(self) -> None:
        self.is_complete = True


def _parser_of(request: Request, reader: _Reader) -> MultipartParser:
    content_type, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if content_type != b"multipart/form-data" or not boundary:
        raise InvalidRequestError(f"the body must be a form with its boundary in the header Content-Type; {HOW}")
    try:
        return MultipartParser(boundary, reader.callbacks())
    except FormParserError as error:
        raise InvalidRequestError(f"the boundary of the form cannot be used ({error})") from error


def read_json(text: bytes, what: str) -> Any:
    """A JSON text that came as a part; strictly, since others shall be able to read what we make of it."""
    try:
        value = codec.from_json(text.removeprefix(codecs.BOM_UTF8))
        codec.to_json(value)  # refuses what is too deep to be written again
        return value
    except InvalidDataError as error:
        raise InvalidRequestError(f"{what} is {error}") from error
