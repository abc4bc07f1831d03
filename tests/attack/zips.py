"""Writes zip archives byte by byte, true or not: every field of every structure can be given."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
END_64, LOCATOR_64 = b"PK\x06\x06", b"PK\x06\x07"
UTF8 = 0x800
FULL = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of an archive. What is None follows from the content; `local` are other values for the local header."""

    name: bytes
    content: bytes = b""
    packed: bytes | None = None
    method: int = 0
    mode: int = 0o100644
    flags: int = UTF8
    crc: int | None = None
    size: int | None = None
    packed_size: int | None = None
    needed: int = 20
    made_by: int = 0x0314
    offset: int | None = None
    extra: bytes = b""
    local_extra: bytes = b""
    comment: bytes = b""
    local: dict[str, int | bytes] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        if self.packed is not None:
            return self.packed
        return deflate(self.content) if self.method == 8 else self.content

    def values(self) -> dict[str, int]:
        return {
            "crc": zlib.crc32(self.content) if self.crc is None else self.crc,
            "size": len(self.content) if self.size is None else self.size,
            "packed_size": len(self.data) if self.packed_size is None else self.packed_size,
            "flags": self.flags,
            "method": self.method,
        }

    def local_header(self) -> bytes:
        says = self.values() | {key: value for key, value in self.local.items() if isinstance(value, int)}
        name = self.local.get("name", self.name)
        assert isinstance(name, bytes)
        fields = (self.needed, says["flags"], says["method"], 0, 33, says["crc"], says["packed_size"], says["size"])
        return LOCAL + struct.pack("<HHHHHIIIHH", *fields, len(name), len(self.local_extra)) + name + self.local_extra

    def central_header(self, offset: int) -> bytes:
        says = self.values()
        fields = (self.made_by, self.needed, says["flags"], says["method"], 0, 33, says["crc"])
        sizes = (says["packed_size"], says["size"], len(self.name), len(self.extra), len(self.comment), 0, 0)
        place = offset if self.offset is None else self.offset
        head = struct.pack("<HHHHHHIIIHHHHH", *fields, *sizes)
        return CENTRAL + head + struct.pack("<II", self.mode << 16, place) + self.name + self.extra + self.comment


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The record at the end, and what may stand around it. None means the truth."""

    count: int | None = None
    directory_bytes: int | None = None
    directory_offset: int | None = None
    comment: bytes = b""
    comment_bytes: int | None = None
    before: bytes = b""
    between: bytes = b""
    behind: bytes = b""
    with_64: Callable[[int, int, int], bytes] | None = None


def archive(
    entries: Sequence[Entry], *, directory: Sequence[Entry] | None = None, gap: bytes = b"", end: End | None = None
) -> bytes:
    """The archive; `directory` may list others than are there, and `gap` stands between the entries.

    The place of an entry in the directory is that of the entry with the same number, 0 where there is none.
    """
    end = end or End()
    body, places = bytearray(), []
    for entry in entries:
        places.append(len(body))
        body += entry.local_header() + entry.data + gap
    listed = entries if directory is None else directory
    places += [0] * max(0, len(listed) - len(places))
    central = b"".join(entry.central_header(place) for entry, place in zip(listed, places, strict=False))
    body += end.between
    directory_offset = len(body) if end.directory_offset is None else end.directory_offset
    directory_bytes = len(central) if end.directory_bytes is None else end.directory_bytes
    count = min(len(listed), 0xFFFF) if end.count is None else end.count
    body += central
    if end.with_64 is not None:
        body += end.with_64(len(listed), directory_bytes, len(body))
    comment_bytes = len(end.comment) if end.comment_bytes is None else end.comment_bytes
    last = (0, 0, count & 0xFFFF, count & 0xFFFF, directory_bytes & FULL, directory_offset & FULL, comment_bytes)
    body += END + struct.pack("<HHHHIIH", *last) + end.comment
    return end.before + bytes(body) + end.behind


def deflate(content: bytes, level: int = 9) -> bytes:
    """A bare deflate stream."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def zeros(size: int) -> tuple[bytes, int]:
    """A bare deflate stream of so many zeros, and their CRC, without ever holding them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block, packed, crc, left = bytes(2**20), bytearray(), 0, size
    while left:
        piece = block[: min(left, len(block))]
        packed += packer.compress(piece)
        crc = zlib.crc32(piece, crc)
        left -= len(piece)
    return bytes(packed + packer.flush()), crc


def record_64(
    *, count: int | None = None, directory_bytes: int | None = None, offset: int | None = None, extensible: bytes = b""
) -> Callable[[int, int, int], bytes]:
    """The zip64 record and its locator, with these values in place of the true ones."""

    def write(true_count: int, true_bytes: int, place: int) -> bytes:
        number = true_count if count is None else count
        size = true_bytes if directory_bytes is None else directory_bytes
        start = place - true_bytes if offset is None else offset
        fields = (44 + len(extensible), 45, 45, 0, 0, number, number, size, start)
        record = END_64 + struct.pack("<QHHIIQQQQ", *fields) + extensible
        return record + LOCATOR_64 + struct.pack("<IQI", 0, place, 1)

    return write


def extra_64(*values: int) -> bytes:
    """The zip64 extra field with these 64-bit values."""
    return struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values)


def extra(kind: int, content: bytes) -> bytes:
    """An extra field of any kind."""
    return struct.pack("<HH", kind, len(content)) + content
