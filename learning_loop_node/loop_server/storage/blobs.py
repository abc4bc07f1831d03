"""Files by their content: whoever knows the hash finds the bytes, and the same bytes are kept once."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import time
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import uuid4

from ...errors import NotFoundError, StorageFullError
from ...runtime.files import make_folder, sync_folder
from ...runtime.threads import io_bound

FRESH_S = 3600.0
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Blob:
    """What was kept."""

    sha256: str
    size_bytes: int


class BlobStore(Protocol):
    """Keeps bytes under the SHA-256 of their content. What a method answered for survives a power cut, whole."""

    async def open(self) -> None: ...

    async def aclose(self) -> None: ...

    async def write(self, chunks: AsyncIterable[bytes]) -> Blob:
        """Keep a content of any length that arrives in pieces; nothing is kept if they end with an error."""
        ...

    async def write_all(self, contents: Sequence[bytes]) -> list[Blob]:
        """Keep several small contents; cheaper than one after the other."""
        ...

    async def path(self, sha256: str) -> Path:
        """A file on this machine with this content, to be read only. `NotFoundError` if there is none."""
        ...

    async def remove(self, hashes: Sequence[str]) -> list[str]:
        """Remove contents that nobody uses; returns which.

        What was written within the last hour stays, even if it had been there before: whoever wrote it may not have
        noted yet that it is used. Unknown hashes are no error.
        """
        ...

    def all(self) -> AsyncIterator[list[str]]:
        """The hashes of all contents, in portions."""
        ...


class FolderBlobs:
    """A folder with one file per content, in 256 folders by the first two digits of the hash."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._unfinished = root / "unfinished"
        self._leaving = root / "leaving"

    async def open(self) -> None:
        """Make the folders, and remove what a crash left half-written."""
        await io_bound(self._prepare)

    async def aclose(self) -> None:
        """Nothing stays open."""

    async def write(self, chunks: AsyncIterable[bytes]) -> Blob:
        digest, size_bytes = hashlib.sha256(), 0
        aside = self._unfinished / uuid4().hex
        with disk_errors():
            stream: BinaryIO = await io_bound(aside.open, "wb")
            try:
                async for chunk in chunks:
                    await io_bound(_append, stream, digest, chunk)
                    size_bytes += len(chunk)
                await io_bound(_finish, stream)
                blob = Blob(digest.hexdigest(), size_bytes)
                await io_bound(self._move_in, {blob.sha256: aside})
                await io_bound(sync_folder, self._place(blob.sha256).parent)
            except BaseException:
                stream.close()
                with contextlib.suppress(OSError):
                    aside.unlink()
                raise
        return blob

    async def write_all(self, contents: Sequence[bytes]) -> list[Blob]:
        with disk_errors():
            return await io_bound(self._write_all, contents)

    async def path(self, sha256: str) -> Path:
        file = self._place(sha256)
        if not await io_bound(file.is_file):
            raise NotFoundError(f"the content {sha256} is missing on the disk")
        return file

    async def remove(self, hashes: Sequence[str]) -> list[str]:
        return await io_bound(self._remove_all, hashes)

    async def all(self) -> AsyncIterator[list[str]]:
        for folder in sorted(await io_bound(_folders_in, self._root)):
            yield await io_bound(_hashes_in, folder)

    def _prepare(self) -> None:
        make_folder(self._root)
        shutil.rmtree(self._unfinished, ignore_errors=True)
        make_folder(self._unfinished)
        make_folder(self._leaving)
        for aside in self._leaving.iterdir():  # a crash came before it was known whether they may go
            make_folder(self._place(aside.name).parent)
            aside.replace(self._place(aside.name))

    def _place(self, sha256: str) -> Path:
        return self._root / sha256[:2] / sha256

    def _write_all(self, contents: Sequence[bytes]) -> list[Blob]:
        blobs = [Blob(hashlib.sha256(content).hexdigest(), len(content)) for content in contents]
        waiting: dict[str, Path] = {}
        try:
            for blob, content in zip(blobs, contents, strict=True):
                if blob.sha256 in waiting or self._has(blob):
                    continue
                aside = waiting[blob.sha256] = self._unfinished / uuid4().hex
                with aside.open("wb") as stream:
                    stream.write(content)
                    _finish(stream)
            self._move_in(waiting)
            for folder in {self._place(blob.sha256).parent for blob in blobs}:
                sync_folder(folder)  # also where somebody else has just moved the same content in
        except BaseException:
            for aside in waiting.values():
                aside.unlink(missing_ok=True)
            raise
        return blobs

    def _has(self, blob: Blob) -> bool:
        """Whether it is there; if so, it counts as written now."""
        with contextlib.suppress(OSError):
            place = self._place(blob.sha256)
            if place.stat().st_size == blob.size_bytes:
                os.utime(place)
                return True
        return False

    def _remove_all(self, hashes: Sequence[str]) -> list[str]:
        return [sha256 for sha256 in hashes if is_hash(sha256) and self._remove(sha256)]

    def _remove(self, sha256: str) -> bool:
        """Set aside, looked at, and only then removed: somebody may write the same content at the same time."""
        place, aside = self._place(sha256), self._leaving / sha256
        try:
            if _is_fresh(place):
                return False
            place.rename(aside)
            if _is_fresh(aside):
                aside.rename(place)
                return False
            aside.unlink()
        except FileNotFoundError:
            return False
        return True

    def _move_in(self, written: dict[str, Path]) -> None:
        for sha256, aside in written.items():
            place = self._place(sha256)
            make_folder(place.parent)
            aside.replace(place)


def is_hash(name: str) -> bool:
    """Whether this is a SHA-256 as we write it."""
    return re.fullmatch("[0-9a-f]{64}", name) is not None


def _is_fresh(file: Path) -> bool:
    return file.stat().st_mtime > time.time() - FRESH_S


def _folders_in(root: Path) -> list[Path]:
    return [folder for folder in root.iterdir() if re.fullmatch("[0-9a-f]{2}", folder.name)]


def _hashes_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if is_hash(file.name)]


def _append(stream: BinaryIO, digest: hashlib._Hash, chunk: bytes) -> None:
    stream.write(chunk)
    digest.update(chunk)


def _finish(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
    stream.close()


@contextmanager
def disk_errors() -> Iterator[None]:
    """A disk that keeps nothing more becomes `StorageFullError`."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFullError(f"the loop's disk refuses to keep the data: {error.strerror}") from error
        raise
