"""Reads protobuf messages field by field, in place, without believing what they say of their own size."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from enum import IntEnum

from ..errors import ModelRefusedError

LONGEST_VARINT_BITS = 64


class WireType(IntEnum):
    """How a field is written. Groups, which protobuf once had as well, are in no ONNX file."""

    VARINT = 0
    FIXED64 = 1
    BYTES = 2
    FIXED32 = 5


Field = tuple[int, int, int, int]
"""Number, wire type, and where the content begins and ends; of a varint, its value and where it ends."""

_SIZES = {WireType.FIXED64: 8, WireType.FIXED32: 4}


class WireReader:
    """The bytes of a message that may come from anybody; after `max_fields` fields it is refused, whole."""

    def __init__(self, data: bytes | mmap.mmap, *, max_fields: int) -> None:
        self.data = data
        self._fields_left = self._max_fields = max_fields

    def fields(self, begin: int, end: int) -> Iterator[Field]:
        """The fields between two positions, which a message must fill exactly; `ModelRefusedError` if it does not."""
        at = begin
        while at < end:
            self._count()
            tag, at = self._varint(at, end)
            number, wire_type = tag >> 3, tag & 7
            if not 0 < tag >> 3 < 2**29:
                raise ModelRefusedError(f"the file is no ONNX model: there is no field {number} (at byte {at})")
            if wire_type == WireType.VARINT:
                value, at = self._varint(at, end)
                yield number, wire_type, value, at
                continue
            if wire_type == WireType.BYTES:
                size, at = self._varint(at, end)
            elif wire_type in _SIZES:
                size = _SIZES[WireType(wire_type)]
            else:
                raise ModelRefusedError(f"the file is no ONNX model: field {number} has the wire type {wire_type}")
            if size > end - at:
                raise ModelRefusedError(
                    f"the file is damaged or no ONNX model: at byte {at} there should be {size} more, and there are "
                    f"{end - at}"
                )
            yield number, wire_type, at, at + size
            at += size

    def bytes_of(self, begin: int, end: int) -> bytes:
        """What lies between two positions."""
        return bytes(self.data[begin:end])

    def _count(self) -> None:
        self._fields_left -= 1
        if self._fields_left < 0:
            raise ModelRefusedError(f"the ONNX file consists of more than {self._max_fields} parts")

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        data = self.data
        value = shift = 0
        while at < end and shift < LONGEST_VARINT_BITS:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & (2**64 - 1), at
            shift += 7
        raise ModelRefusedError(f"the file is damaged or no ONNX model: a number ends nowhere (at byte {at})")
