"""Packs model files into zip archives, and unpacks archives from anywhere without trusting a word of them.

Everything in the directory of an archive is checked before the first byte is written; while writing, the bytes are
counted, because sizes can be lies. These functions block; call them through `runtime/threads.py`.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from uuid import uuid4

from ..errors import ArchiveRefusedError, InvalidRequestError, RefusedError, StorageFullError
from .files import make_folder, sync_folder

MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """What an archive may hold. The ratio of unpacked to packed size counts only above `harmless_bytes`."""

    max_entries: int = 10_000
    max_bytes: int = 4096 * MEBIBYTE
    max_ratio: float = 200
    harmless_bytes: int = 10 * MEBIBYTE
    max_depth: int = 32
    free_bytes_left: int = 64 * MEBIBYTE  # on the disk, when all is unpacked


def unpack(archive: Path, folder: Path, *, limits: ArchiveLimits | None = None) -> list[Path]:
    """Unpack a zip archive into a new or empty folder, and return the files, synced to the disk.

    Regular files only, with their paths; if they all lie in one folder that also holds `model.json`, without this
    folder. When the archive is refused, the folder is left empty; nothing outside it is ever touched.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise RefusedError(f"{folder} is not an empty folder; unpack into a new one")
    limits = limits or ArchiveLimits()
    make_folder(folder)
    try:
        with _translated(archive), archive.open("rb") as file:
            _check_directory(file, archive.stat().st_size, limits)
            with zipfile.ZipFile(file) as source:
                entries = _checked_entries(source, archive.stat().st_size, limits)
                _check_free_space(folder, entries, limits)
                return _extract(source, entries, folder)
    except BaseException:
        _empty(folder)
        raise


def pack(files: Iterable[Path], target: Path) -> None:
    """Write files into a flat zip archive, as the loop hands models out. The same files always give the same bytes.

    They are not compressed: weights hardly shrink, and a transfer of plain bytes is easy to resume.
    """
    sources = list(files)
    names = [source.name for source in sources]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InvalidRequestError(f"a flat archive holds each name once; these come twice: {', '.join(sorted(twice))}")
    aside = target.with_name(f".{target.name}.{uuid4().hex}.tmp")
    try:
        with aside.open("xb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for source in sources:
                    entry = zipfile.ZipInfo(source.name)
                    entry.external_attr = (stat.S_IFREG | 0o644) << 16
                    with source.open("rb") as content, archive.open(entry, "w", force_zip64=True) as written:
                        shutil.copyfileobj(content, written, MEBIBYTE)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(target)
    except BaseException:
        with suppress(OSError):
            aside.unlink()
        raise
    sync_folder(target.parent)


# The directory


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file of the archive and where it goes."""

    info: zipfile.ZipInfo
    path: PurePosixPath


_COMPRESSIONS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED, _PATCHED, _STRONGLY_ENCRYPTED = 0x1, 0x20, 0x40
_END_RECORD = b"PK\x05\x06"
_END_RECORD_BYTES, _END_BYTES = 22, 65_535 + 22 + 20 + 56
_LARGEST_DIRECTORY_ENTRY = 1024  # bytes, on average
_LARGEST_PATH = 1024  # bytes
_LARGEST_NAME = 255  # bytes, as file systems have it
_DRIVE = re.compile(r"[A-Za-z]:")
_NO_CONTENT = "__MACOSX"  # what macOS adds when somebody packs a folder there
_LARGEST_REASON = 150  # characters of what zipfile says, which may repeat names
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError)


def _check_directory(file: BinaryIO, file_size: int, limits: ArchiveLimits) -> None:
    """Bound the directory and count its lines before zipfile reads it as a whole and makes an object of each line."""
    tail_start = max(0, file_size - _END_BYTES)
    file.seek(tail_start)
    tail = file.read()
    end = tail.rfind(_END_RECORD)
    if end < 0 or len(tail) - end < _END_RECORD_BYTES:
        raise ArchiveRefusedError("not a zip archive, or one that is cut off")
    (directory_bytes,) = struct.unpack_from("<I", tail, end + 12)
    if tail[end - 20 : end - 16] == b"PK\x06\x07":
        end -= 76
        if end < 0 or tail[end : end + 4] != b"PK\x06\x06":  # where zipfile looks for it depends on Python's version
            raise ArchiveRefusedError("its zip64 record is not where it should be")
        (directory_bytes,) = struct.unpack_from("<Q", tail, end + 40)
    directory_start = tail_start + end - directory_bytes
    if directory_start < 0 or directory_bytes > limits.max_entries * _LARGEST_DIRECTORY_ENTRY:
        raise ArchiveRefusedError(f"the directory claims {directory_bytes} bytes, which is too much")
    file.seek(directory_start)
    count = _count_of_lines(file.read(directory_bytes))
    if count > limits.max_entries:
        raise ArchiveRefusedError(f"{count} entries, the limit is {limits.max_entries}")


def _count_of_lines(directory: bytes) -> int:
    position = count = 0
    while directory.startswith(b"PK\x01\x02", position) and position + 46 <= len(directory):
        position += 46 + sum(struct.unpack_from("<HHH", directory, position + 28))
        count += 1
    return count


def _checked_entries(source: zipfile.ZipFile, archive_bytes: int, limits: ArchiveLimits) -> list[_Entry]:
    infos, entries = source.infolist(), []
    for info in infos:
        path = _path_of(info, limits)
        _check_kind(info)
        if not info.is_dir() and path.parts[0] != _NO_CONTENT:
            entries.append(_Entry(info, path))
        elif info.file_size and info.is_dir():
            raise ArchiveRefusedError(f"{_shown(info)} is a folder with content")
    if not entries:
        raise ArchiveRefusedError("the archive holds no files")
    _check_sizes(infos, archive_bytes, limits)
    _check_overlap(source, infos)
    _check_collisions(entries)
    return _hoisted(entries)


def _path_of(info: zipfile.ZipInfo, limits: ArchiveLimits) -> PurePosixPath:
    """The name as a relative path of plain parts. The original is judged, zipfile's own is cut off at the first NUL."""
    name = info.orig_filename
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise ArchiveRefusedError(f"{_shown(info)} has control characters in its name")
    if "\\" in name:
        raise ArchiveRefusedError(f"{_shown(info)} has a backslash in its name")
    if name.startswith("/") or _DRIVE.match(name):
        raise ArchiveRefusedError(f"{_shown(info)} has an absolute name")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ArchiveRefusedError(f"{_shown(info)} leads out of the folder")
    if not parts:
        raise ArchiveRefusedError(f"{_shown(info)} has an empty name")
    if len(parts) > limits.max_depth:
        raise ArchiveRefusedError(f"{_shown(info)} lies deeper than {limits.max_depth} folders")
    if len(name.encode()) > _LARGEST_PATH or any(len(part.encode()) > _LARGEST_NAME for part in parts):
        raise ArchiveRefusedError(f"{_shown(info)} has too long a name")
    return PurePosixPath(*parts)


def _check_kind(info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or (kind == stat.S_IFDIR and not info.is_dir()):
        raise ArchiveRefusedError(f"{_shown(info)} is no regular file (a link, a device or the like)")
    if info.flag_bits & (_ENCRYPTED | _STRONGLY_ENCRYPTED):
        raise ArchiveRefusedError(f"{_shown(info)} is encrypted")
    if info.flag_bits & _PATCHED or info.compress_type not in _COMPRESSIONS:
        raise ArchiveRefusedError(f"{_shown(info)} is neither stored nor deflated")


def _check_sizes(infos: list[zipfile.ZipInfo], archive_bytes: int, limits: ArchiveLimits) -> None:
    total = sum(info.file_size for info in infos)
    if total > limits.max_bytes:
        raise ArchiveRefusedError(f"it unpacks to {total} bytes, the limit is {limits.max_bytes}")
    if total > limits.harmless_bytes and total > limits.max_ratio * archive_bytes:
        raise ArchiveRefusedError(
            f"{archive_bytes} bytes unpack to {total}, more than {limits.max_ratio:g} times as much"
        )


def _check_overlap(source: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> None:
    """No byte may belong to two entries: that is how small archives grow without bounds (CVE-2024-0450)."""
    assert source.fp is not None
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise ArchiveRefusedError(f"{_shown(info)} overlaps with another entry")
        header = b""
        if info.header_offset < source.start_dir:  # zip64 has room for places that no file can have
            source.fp.seek(info.header_offset)
            header = source.fp.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise ArchiveRefusedError(f"{_shown(info)} is not where the directory says")
        end = info.header_offset + 30 + sum(struct.unpack_from("<HH", header, 26)) + info.compress_size
        if end > source.start_dir:
            raise ArchiveRefusedError(f"{_shown(info)} reaches into the directory")


def _check_collisions(entries: list[_Entry]) -> None:
    files = set[PurePosixPath]()
    for entry in entries:
        if entry.path in files:
            raise ArchiveRefusedError(f"{_shown(entry.info)} comes twice")
        files.add(entry.path)
    for entry in entries:
        if not files.isdisjoint(entry.path.parents):
            raise ArchiveRefusedError(f"{_shown(entry.info)} lies in something that is a file")


def _hoisted(entries: list[_Entry]) -> list[_Entry]:
    top = {entry.path.parts[0] for entry in entries}
    if len(top) > 1 or PurePosixPath(*top, "model.json") not in {entry.path for entry in entries}:
        return entries
    return [_Entry(entry.info, entry.path.relative_to(*top)) for entry in entries]


def _shown(info: zipfile.ZipInfo) -> str:
    text = ascii(info.orig_filename)
    return text if len(text) <= 100 else f"{text[:97]}…'"


# The content


def _check_free_space(folder: Path, entries: list[_Entry], limits: ArchiveLimits) -> None:
    needed = sum(entry.info.file_size for entry in entries) + limits.free_bytes_left
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageFullError(f"unpacking needs {needed} bytes in {folder}, {free} are free")


def _extract(source: zipfile.ZipFile, entries: list[_Entry], folder: Path) -> list[Path]:
    files, folders = [], {folder}
    for entry in entries:
        file = folder / entry.path
        if file.parent not in folders:
            make_folder(file.parent)
            folders.add(file.parent)
        _write(source, entry.info, file)
        files.append(file)
    for written_to in folders:
        sync_folder(written_to)
    return files


def _write(source: zipfile.ZipFile, info: zipfile.ZipInfo, file: Path) -> None:
    written = 0
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "wb") as target:
        for block in _blocks(source, info):
            written += len(block)
            if written > info.file_size:
                raise ArchiveRefusedError(f"{_shown(info)} is longer than the directory says")
            target.write(block)
        target.flush()
        os.fsync(target.fileno())
    if written != info.file_size:
        raise ArchiveRefusedError(f"{_shown(info)} is shorter than the directory says")


def _blocks(source: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content of an entry; what is wrong with it is told with its name."""
    try:
        with source.open(info) as content:
            while block := content.read(MEBIBYTE):
                yield block
    except _BROKEN as error:
        reason = str(error) or type(error).__name__
        raise ArchiveRefusedError(f"{_shown(info)} is broken: {reason[:_LARGEST_REASON]}") from error


def _empty(folder: Path) -> None:
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()


@contextmanager
def _translated(archive: Path) -> Iterator[None]:
    """Let what zipfile and the disk raise become our errors."""
    try:
        yield
    except _BROKEN as error:
        reason = str(error) or type(error).__name__
        raise ArchiveRefusedError(f"{archive.name} is broken: {reason[:_LARGEST_REASON]}") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError(f"no room to unpack {archive.name}: {error}") from error
        raise
