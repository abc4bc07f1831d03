"""Looks into an ONNX file before any library opens it, because such a file can name others to be read.

Weights may lie outside the file ("external data"), at a path that the file tells. Libraries have been led to read files
anywhere that way more than once, so everything but a plain file beside the model is refused here, wherever in the
model it is named: among the weights, in attributes, in graphs inside attributes, in functions, in training data.
"""

from __future__ import annotations

import mmap
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ModelRefusedError
from .wire import Field, WireReader, WireType

MAX_FIELDS = 5_000_000
MAX_DEPTH = 64
"""Messages inside messages; a graph in an attribute of a node of a graph is three deeper."""

MAX_NAME_BYTES = 255
MAX_METADATA_BYTES = 2**20

FLATBUFFER_MARK = b"ORTM"
"""Of the format that ONNX Runtime has beside ONNX, which it recognises by its content."""

COMPILED_OP = b"EPContext"
"""A node that stands for something compiled for one machine, and may name a file of its own."""

EXTERNAL_KEYS = {"location", "offset", "length", "checksum"}

# Which fields of a message there are, and which of them hold messages to look into; `None` is anything else.
SCHEMA: dict[str, dict[int, str | None]] = {
    "ModelProto": dict.fromkeys((1, 2, 3, 4, 5, 6, 8, 26))
    | {7: "GraphProto", 14: "StringStringEntryProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": dict.fromkeys((3, 4)) | {1: "GraphProto", 2: "GraphProto"},
    "GraphProto": dict.fromkeys((2, 10, 11, 12, 13, 14, 16))
    | {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": dict.fromkeys((1, 2, 3, 4, 6, 7, 8, 9, 10)) | {5: "AttributeProto"},
    "AttributeProto": dict.fromkeys((1, 2, 3, 4, 7, 8, 9, 13, 14, 15, 20, 21))
    | {5: "TensorProto", 6: "GraphProto", 10: "TensorProto", 11: "GraphProto"}
    | {22: "SparseTensorProto", 23: "SparseTensorProto"},
    "FunctionProto": dict.fromkeys((1, 4, 5, 6, 8, 9, 10, 12, 13, 14)) | {7: "NodeProto", 11: "AttributeProto"},
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto", 3: None},
    "TensorProto": dict.fromkeys((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16)) | {13: "StringStringEntryProto"},
    "StringStringEntryProto": {1: None, 2: None},
}
_OP_TYPE = 4
_DATA_LOCATION = 14


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """An ONNX file that may be opened, its metadata, and the names of the files beside it that hold its weights."""

    path: Path
    metadata: dict[str, str]
    data_files: list[str] = field(default_factory=list)


def check_file(file: Path) -> CheckedFile:
    """Look through an ONNX file; `ModelRefusedError` if it is none, or names data that is not a file beside it."""
    if not file.is_file():
        raise ModelRefusedError(f"there is no file {file}")
    path = file.resolve()
    try:
        with path.open("rb") as stream:
            if not path.stat().st_size:
                raise ModelRefusedError("it is empty")
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _checked(path, content)
    except OSError as error:
        raise ModelRefusedError(f"{file.name} cannot be read: {error.strerror}") from error
    except ModelRefusedError as error:
        raise ModelRefusedError(f"{file.name} is refused: {error}") from error


def _checked(path: Path, content: mmap.mmap) -> CheckedFile:
    if content[4:8] == FLATBUFFER_MARK:
        raise ModelRefusedError("it is in ONNX Runtime's own format (ort), not in ONNX")
    look = _Look(WireReader(content, max_fields=MAX_FIELDS), path.parent)
    look.through(len(content))
    if not look.has_graph:
        raise ModelRefusedError("it is no ONNX model: it has no graph")
    return CheckedFile(path, look.metadata, sorted(look.data_files))


class _Look:
    """One walk through a model, without recursion: the innermost message that is not done yet comes last."""

    def __init__(self, reader: WireReader, folder: Path) -> None:
        self._reader = reader
        self._folder = folder
        self.metadata: dict[str, str] = {}
        self.data_files: set[str] = set()
        self.has_graph = False

    def through(self, end: int) -> None:
        open_messages = [("ModelProto", self._reader.fields(0, end))]
        while open_messages:
            kind, fields = open_messages[-1]
            inner = self._next_message(kind, fields)
            if inner is None:
                open_messages.pop()
            elif len(open_messages) == MAX_DEPTH:
                raise ModelRefusedError(f"its graphs are nested more than {MAX_DEPTH} deep")
            else:
                open_messages.append(inner)

    def _next_message(self, kind: str, fields: Iterator[Field]) -> tuple[str, Iterator[Field]] | None:
        """The next message to look into, None at the end of this one; what holds no messages is looked at here."""
        for number, wire_type, begin, end in fields:
            inner = _kind_of(kind, number, wire_type)
            if kind == "NodeProto" and number == _OP_TYPE and wire_type == WireType.BYTES:
                if self._reader.bytes_of(begin, min(end, begin + 20)) == COMPILED_OP:
                    raise ModelRefusedError("it has parts compiled for one machine (EPContext); export it without")
            elif inner == "TensorProto":
                self._look_at_tensor(begin, end)
            elif inner == "StringStringEntryProto":
                key, value = self._entry(begin, end)
                self.metadata[key] = value
            elif inner is not None:
                self.has_graph |= kind == "ModelProto" and inner == "GraphProto"
                return inner, self._reader.fields(begin, end)
        return None

    def _look_at_tensor(self, begin: int, end: int) -> None:
        """A tensor is external if anything in it says so: how a library merges what is said twice does not matter."""
        is_external = False
        external: dict[str, str] = {}
        for number, wire_type, inner_begin, inner_end in self._reader.fields(begin, end):
            if _kind_of("TensorProto", number, wire_type) is not None:
                key, value = self._entry(inner_begin, inner_end)
                if key in external or key not in EXTERNAL_KEYS:
                    raise ModelRefusedError(f"its external data has the key {key[:80]!r}, unknown or twice")
                external[key] = value
            elif number == _DATA_LOCATION:
                if wire_type != WireType.VARINT:
                    raise ModelRefusedError("a tensor does not say where its data are")
                is_external |= inner_begin != 0
        if is_external or external:
            self._look_at_data_file(external)

    def _look_at_data_file(self, external: dict[str, str]) -> None:
        name = external.get("location", "")
        if not is_plain_name(name):
            raise ModelRefusedError(
                f"its data are at {name[:200]!r}; external data must be a plain file in the model's folder"
            )
        try:
            found = (self._folder / name).lstat()
        except OSError as error:
            raise ModelRefusedError(f"its data are in {name!r}, which is not beside it ({error.strerror})") from error
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise ModelRefusedError(
                f"its data are in {name!r}, which is a link, folder or device; put the file itself there"
            )
        offset, length = (_number(external, key) for key in ("offset", "length"))
        if offset + length > found.st_size:
            raise ModelRefusedError(f"its data are {length} bytes from {offset} on in {name!r}, which is shorter")
        self.data_files.add(name)

    def _entry(self, begin: int, end: int) -> tuple[str, str]:
        """A key and its value; each may be there once, so that nobody reads another one than we do."""
        parts: dict[int, str] = {}
        for number, wire_type, inner_begin, inner_end in self._reader.fields(begin, end):
            _kind_of("StringStringEntryProto", number, wire_type)
            if wire_type != WireType.BYTES or number in parts:
                raise ModelRefusedError("a key or value is there twice, or is no text")
            if inner_end - inner_begin > MAX_METADATA_BYTES:
                raise ModelRefusedError(f"a text of its metadata is longer than {MAX_METADATA_BYTES} bytes")
            try:
                parts[number] = self._reader.bytes_of(inner_begin, inner_end).decode()
            except UnicodeDecodeError as error:
                raise ModelRefusedError("a text of its metadata is not UTF-8") from error
        return parts.get(1, ""), parts.get(2, "")


def is_plain_name(name: str) -> bool:
    """Whether a text can only mean a file in the folder itself, on every system.

    >>> [is_plain_name(name) for name in ("weights.bin", "../weights.bin", "/weights.bin", "..")]
    [True, False, False, False]
    """
    return (
        0 < len(name.encode()) <= MAX_NAME_BYTES
        and name not in (".", "..")
        and name.isprintable()
        and not set(name) & set('/\\:*?"<>|')
    )


def _kind_of(kind: str, number: int, wire_type: int) -> str | None:
    """Which message a field holds, None if it holds something else."""
    try:
        inner = SCHEMA[kind][number]
    except KeyError:
        raise ModelRefusedError(
            f"{kind} has a field {number}, which this version does not know; it is damaged, or made for newer readers"
        ) from None
    if inner is not None and wire_type != WireType.BYTES:
        raise ModelRefusedError(f"it is no ONNX model: field {number} of {kind} should be a message")
    return inner


def _number(external: dict[str, str], key: str) -> int:
    text = external.get(key, "0")
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise ModelRefusedError(f"the {key} of its external data is {text[:40]!r}; it should be a number of bytes")
    return int(text)
