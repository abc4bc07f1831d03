"""Reads multipart requests as a stream: small parts stay in memory, large ones go to a file in the loop's folder."""

from __future__ import annotations

import contextlib
import errno
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from ..errors import InvalidRequestError, StorageFullError, TooLargeError
from ..runtime.threads import io_bound

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

IN_MEMORY_BYTES = 2 * 2**20
CHUNK_BYTES = 2**20

HOW = "send multipart/form-data, as curl -F 'files=@name' does"


@dataclass
class Part:
    """One part of a request. Its content is in memory or, if large, in a file that lives as long as the request."""

    name: str
    filename: str
    headers: dict[str, str]
    size_bytes: int = 0
    _start: bytearray = field(default_factory=bytearray)
    _file: BinaryIO | None = None

    async def read(self) -> bytes:
        if self._file is None:
            return bytes(self._start)
        return await io_bound(self._read_at, 0, self.size_bytes)

    async def chunks(self) -> AsyncIterator[bytes]:
        for offset in range(0, self.size_bytes, CHUNK_BYTES):
            if self._file is None:
                yield bytes(self._start[offset : offset + CHUNK_BYTES])
            else:
                yield await io_bound(self._read_at, offset, CHUNK_BYTES)

    def _read_at(self, offset: int, length: int) -> bytes:
        assert self._file is not None
        self._file.seek(offset)
        return self._file.read(length)


@asynccontextmanager
async def received_parts(
    request: Request, *, folder: Path, max_bytes: int, max_parts: int
) -> AsyncIterator[list[Part]]:
    """All parts of a request, in their order. `folder` takes the large ones while the block is open.

    `TooLargeError` is raised before or while reading; `InvalidRequestError` says what is wrong with the form.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise TooLargeError(f"the request has {announced} bytes; the limit is {max_bytes}")
    reader = _Reader(folder, max_parts)
    parser = _parser_of(request, reader)
    received = 0
    try:
        try:
            async for chunk in request.stream():
                received += len(chunk)
                if received > max_bytes:
                    raise TooLargeError(f"the request has more than {max_bytes} bytes")
                parser.write(chunk)
                if reader.waiting_bytes > CHUNK_BYTES:
                    await io_bound(reader.spill)
            parser.finalize()
            if not reader.is_complete:
                raise InvalidRequestError(f"the form ends in the middle; {HOW}")
        except FormParserError as error:
            raise InvalidRequestError(f"the form cannot be read ({error}); {HOW}") from error
        except ClientDisconnect as error:
            raise InvalidRequestError("the client went away in the middle of the request") from error
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise StorageFullError("the loop's disk is full") from error
            raise
        yield reader.parts
    finally:
        reader.close()


class _Reader:
    """Collects what the parser finds."""

    def __init__(self, folder: Path, max_parts: int) -> None:
        self.parts: list[Part] = []
        self.is_complete = False
        self.waiting_bytes = 0
        self._folder = folder
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

    def spill(self) -> None:
        """Move what waits in memory into files, where it is too much. Runs in a thread, while the parser rests."""
        for part in self.parts:
            if part._file is None and part.size_bytes > IN_MEMORY_BYTES:
                part._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
            if part._file is not None and part._start:
                part._file.write(part._start)
                part._start.clear()
        self.waiting_bytes = 0

    def close(self) -> None:
        for part in self.parts:
            if part._file is not None:
                with contextlib.suppress(OSError):
                    part._file.close()

    def _begin(self) -> None:
        if len(self.parts) >= self._max_parts:
            raise TooLargeError(f"the form has more than {self._max_parts} parts; send several requests")
        self._headers = {}

    def _take_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")
        self._header.clear()
        self._value.clear()

    def _open_part(self) -> None:
        disposition, options = parse_options_header(self._headers.get("content-disposition", ""))
        if disposition != b"form-data" or b"name" not in options:
            raise InvalidRequestError(f"part {len(self.parts) + 1} of the form has no name; {HOW}")
        name, filename = (options.get(key, b"").decode("utf-8", "replace") for key in (b"name", b"filename"))
        self.parts.append(Part(name=name, filename=filename, headers=self._headers))

    def _take(self, data: bytes, start: int, end: int) -> None:
        part = self.parts[-1]
        part._start += data[start:end]
        part.size_bytes += end - start
        if part.size_bytes > IN_MEMORY_BYTES:
            self.waiting_bytes += end - start

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
    """A JSON text that came as a part."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidRequestError(f"{what} is not valid JSON: {error}") from error
