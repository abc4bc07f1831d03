"""Receives a large file: streamed to disk, continued where it broke off, checked before it counts."""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from ..errors import HashMismatchError, NodeError, StorageFullError, TooLargeError, TransferBrokenError
from ..runtime.threads import io_bound
from .failures import status_of_refusal
from .http import Login, LoopHttp

CHUNK_BYTES = 2**20
STALL_S = 30.0
LOWEST_RATE_BYTES_S = 1024
SETTLING_S = 60.0
"""The rate is judged after this time."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes on disk so far and, if the loop said so, of the whole file."""

    received_bytes: int
    total_bytes: int | None


@dataclass(frozen=True, slots=True)
class Received:
    """A file that is complete; `is_verified` if its hash was announced and is right."""

    file: Path
    size_bytes: int
    is_verified: bool


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the loop says about a file: its hash, its length, and the tag that changes with its content."""

    sha256: str | None = None
    total_bytes: int | None = None
    tag: str | None = None

    @property
    def identifies(self) -> bool:
        """Whether a later part can be told to belong to the same content."""
        return self.sha256 is not None or self.tag is not None


async def receive_file(
    http: LoopHttp,
    path: str,
    file: Path,
    *,
    login: Login = Login.IF_GIVEN,
    largest_bytes: int,
    on_progress: Callable[[Progress], None] | None = None,
) -> Received:
    """Download to this file; memory stays flat.

    What was received before an error stays beside it (`<name>.part`), and the next call continues there if the loop
    offers that. Raises `TransferBrokenError` for what ends early, stalls or trickles, `HashMismatchError` for a wrong
    hash (then nothing stays), `TooLargeError`, `StorageFullError`; what `on_progress` raises ends the transfer.
    """
    part = Part(file)
    try:
        offset, known = await io_bound(part.open)
        if known.total_bytes is None or offset != known.total_bytes:
            known = await _receive(http, path, part, offset, known, login, largest_bytes, on_progress)
        return await io_bound(part.finish, known)
    except NodeError as error:
        if status_of_refusal(error) != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        await io_bound(part.discard)
        raise TransferBrokenError(f"{path} is shorter than what was received of it; it begins anew") from error
    finally:
        await io_bound(part.close)


async def _receive(
    http: LoopHttp,
    path: str,
    part: Part,
    offset: int,
    known: Announcement,
    login: Login,
    largest_bytes: int,
    on_progress: Callable[[Progress], None] | None,
) -> Announcement:
    headers = {"Accept-Encoding": "identity"}
    if offset and known.identifies:
        headers["Range"] = f"bytes={offset}-"
        if known.tag:
            headers["If-Range"] = known.tag
    began = http.clock.now()
    async with http.request("GET", path, login=login, stall_s=STALL_S, headers=headers) as answer:
        if answer.content_type == "text/html":
            raise TransferBrokenError(f"{path} is answered with a web page instead of a file; is LOOP_HOST right?")
        announced = announcement_of(answer.headers, offset if answer.status == 206 else 0)
        if answer.status == 206 and not _continues(answer.headers, offset, known, announced):
            await io_bound(part.discard)
            raise TransferBrokenError(f"{path} has changed since its transfer began; it begins anew")
        received = offset if answer.status == 206 else 0
        await io_bound(part.begin, received, announced)
        first = received
        if (announced.total_bytes or 0) > largest_bytes:
            raise TooLargeError(f"{path} has {announced.total_bytes} bytes; {largest_bytes} are the limit")
        async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
            received += len(chunk)
            if received > largest_bytes:
                await io_bound(part.discard)
                raise TooLargeError(f"{path} has more than {largest_bytes} bytes, which are the limit")
            await io_bound(part.write, chunk)
            elapsed_s = http.clock.now() - began
            if elapsed_s > SETTLING_S and received - first < LOWEST_RATE_BYTES_S * elapsed_s:
                raise TransferBrokenError(f"{path} arrives with less than {LOWEST_RATE_BYTES_S} bytes per second")
            if on_progress:
                on_progress(Progress(received, announced.total_bytes))
    return announced


def announcement_of(headers: Mapping[str, str], offset: int = 0) -> Announcement:
    """What these headers say about the whole file, if they belong to the part that begins at `offset`."""
    if headers.get("Content-Encoding", "identity") != "identity":
        return Announcement(sha256=_sha256_of(headers))
    length, tag = headers.get("Content-Length", ""), headers.get("ETag", "")
    return Announcement(
        sha256=_sha256_of(headers),
        total_bytes=offset + int(length) if length.isdecimal() else None,
        tag=tag if tag.startswith('"') else None,
    )


def _sha256_of(headers: Mapping[str, str]) -> str | None:
    plain = headers.get("X-Content-SHA256", "").strip().lower()
    if re.fullmatch("[0-9a-f]{64}", plain):
        return plain
    match = re.search(r"sha-256=:([A-Za-z0-9+/=]+):", headers.get("Repr-Digest", ""))
    try:
        digest = base64.b64decode(match[1], validate=True) if match else b""
    except binascii.Error:
        return None
    return digest.hex() if len(digest) == 32 else None


def _continues(headers: Mapping[str, str], offset: int, known: Announcement, announced: Announcement) -> bool:
    """Whether a partial answer is the rest of what we have."""
    begins_there = headers.get("Content-Range", "").startswith(f"bytes {offset}-")
    return (
        begins_there
        and announced.sha256 == known.sha256
        and announced.tag == known.tag
        and known.total_bytes in (None, announced.total_bytes)
    )


class Part:
    """A file that is not complete yet, with a note beside it of what was announced. Its methods block."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._part = file.with_name(file.name + ".part")
        self._note = file.with_name(file.name + ".announced")
        self._open: BinaryIO | None = None

    def open(self) -> tuple[int, Announcement]:
        """How many bytes are there, and of what."""
        try:
            data = json.loads(self._note.read_bytes())
            known = Announcement(sha256=data["sha256"], total_bytes=data["total_bytes"], tag=data["tag"])
            return self._part.stat().st_size, known
        except (OSError, ValueError, KeyError, TypeError):
            self.discard()
            return 0, Announcement()

    def begin(self, offset: int, announced: Announcement) -> None:
        """Go on writing at `offset`, which is the end, or anew at 0."""
        with _disk_errors(self._part):
            self._part.parent.mkdir(parents=True, exist_ok=True)
            self._open = self._part.open("r+b" if offset else "wb")
            self._open.seek(offset)
            self._open.truncate()
            self._note.write_text(json.dumps(asdict(announced)))

    def write(self, chunk: bytes) -> None:
        assert self._open is not None
        with _disk_errors(self._part):
            self._open.write(chunk)
            self._open.flush()

    def finish(self, announced: Announcement) -> Received:
        """Check what has arrived, and let it have its name."""
        self.close()
        with _disk_errors(self._part):
            return self._finish(announced)

    def _finish(self, announced: Announcement) -> Received:
        size_bytes = self._part.stat().st_size
        if announced.total_bytes not in (None, size_bytes):
            raise TransferBrokenError(f"{size_bytes} of {announced.total_bytes} bytes have arrived")
        if announced.sha256 is not None:
            with self._part.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != announced.sha256:
                self.discard()
                raise HashMismatchError(f"the file has the SHA-256 {found}; {announced.sha256} was announced")
        self._part.replace(self._file)
        self._note.unlink(missing_ok=True)
        return Received(self._file, size_bytes, announced.sha256 is not None)

    def close(self) -> None:
        if self._open is not None:
            with _disk_errors(self._part):
                self._open.close()
            self._open = None

    def discard(self) -> None:
        """Forget what is there."""
        self.close()
        with _disk_errors(self._part):
            self._part.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)


@contextmanager
def _disk_errors(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error)
        raise StorageFullError(f"{file} cannot be written: {reason}") from error
