"""Images as the body of one request, in the form in which 0.27 sends them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from .store import Content, Item

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Batch:
    """The items of a request and its body."""

    items: tuple[Item, ...]
    body: bytes
    content_type: str

    @classmethod
    def of(cls, contents: Sequence[tuple[Item, Content]]) -> Batch:
        """Parts named `files` in pairs, JSON first; the key of an image is a header of both its parts."""
        boundary = uuid4().hex
        pieces: list[bytes] = []
        for item, content in contents:
            for ending, content_type, data in (
                ("json", "text/plain; charset=utf-8", content.metadata),
                ("jpg", "image/jpeg", content.jpeg),
            ):
                file_name = quote(f"{item.stem}.{ending}", safe="")
                head = (
                    f"--{boundary}\r\n"
                    f"Content-Type: {content_type}\r\n"
                    f"Idempotency-Key: {content.key}\r\n"
                    f'Content-Disposition: form-data; name="files"; filename="{file_name}"\r\n\r\n'
                )
                pieces += [head.encode(), data, b"\r\n"]
        pieces.append(f"--{boundary}--\r\n".encode())
        items = tuple(item for item, _ in contents)
        return cls(items, b"".join(pieces), f"multipart/form-data; boundary={boundary}")

    def payload(self) -> Payload:
        """The body for aiohttp; unlike a stream it can be sent again after a login."""
        return _Body(self.body, content_type=self.content_type)


class _Body(Payload):
    """Writes bytes piece by piece, so that other work gets its turn between them."""

    def __init__(self, value: bytes, **arguments: Any) -> None:
        super().__init__(value, **arguments)
        self._size = len(value)

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        view = memoryview(self._value)[:content_length]
        for start in range(0, len(view), CHUNK_BYTES):
            await writer.write(view[start : start + CHUNK_BYTES])

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return bytes(self._value).decode(encoding, errors)
