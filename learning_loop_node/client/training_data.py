"""Fetches many images, and what is known about them, into a folder: none of them half, none silently missing."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import stat
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import aiohttp

from ..data_classes import codec
from ..errors import (
    DownloadError,
    InvalidImageError,
    InvalidRequestError,
    LoopError,
    LoopUnreachableError,
    NodeError,
    StorageFullError,
    TooLargeError,
    TransferBrokenError,
    UnavailableError,
)
from ..images import LARGEST_PIXELS, check, read_header
from ..runtime.files import sync_filesystem
from ..runtime.threads import OwnThreads, io_bound
from .failures import retry_hint_of, status_of_refusal
from .http import LARGEST_JSON_BYTES, read_body
from .images import IDS_PER_REQUEST, LARGEST_IMAGE_BYTES
from .place import Place, entries_of, part_of_path
from .transfer import LOWEST_RATE_BYTES_S, SETTLING_S, STALL_S

logger = logging.getLogger(__name__)

T = TypeVar("T")

AT_ONCE = 10
"""Images that are on their way at a time."""

RECORDS_AT_ONCE = 3
"""Requests for records at a time; each has up to a hundred."""

THREADS = min(4, os.cpu_count() or 2)
"""Threads that check images and write them."""

MEMORY_BYTES = 4 * 2**20
"""An image that is larger is written to the disk while it arrives."""

SYNC_EVERY = 250
"""Images after which all that came is brought to the disk."""

WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
LONGEST_PAUSE_S = 120.0
LEFT_OVER_S = 3600.0
"""What a download that was killed left behind is removed after this time; before, it may belong to another one."""

_TRY_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
_NOT_OURS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@dataclass(slots=True, kw_only=True)
class FetchedRecords:
    """What the loop knows about images, in the order asked for, and the ids of which it knows nothing."""

    records: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class FetchedImages:
    """How many images came and how many were there already; ids of those that the loop lacks, and of the corrupt."""

    fetched_count: int = 0
    present_count: int = 0
    missing: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)

    @property
    def skipped_count(self) -> int:
        return len(self.missing) + len(self.corrupt)


class TrainingData:
    """Images of one project and their records.

    What the loop does not have is left out and named. What fails otherwise is tried again after growing waits, and ends
    in `DownloadError` when nothing has arrived over all of them. With `checks_pixels` each image is decoded once,
    otherwise only its header and its end are looked at. `on_progress` is told which share is done, from 0 to 1.
    """

    def __init__(
        self,
        place: Place,
        *,
        checks_pixels: bool = True,
        at_once: int = AT_ONCE,
        on_progress: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._place = place
        self._http = place.http
        self._checks_pixels = checks_pixels
        self._at_once = at_once
        self._on_progress = on_progress
        self._arrived_count = 0
        self._part_count = 0
        self._token = uuid4().hex

    async def ids(self, query: str = "") -> list[str]:
        """The ids of the project's images, or of those that the query selects (`state=complete`)."""
        path = self._place.path(f"/data?{query}")
        try:
            answer = await self._patiently("the list of images", lambda: self._http.json("GET", path))
            return [str(entry) for entry in entries_of(answer, "image_ids")]
        except DownloadError:
            raise
        except NodeError as error:
            raise DownloadError(f"the list of images: {error}") from error

    async def records(self, ids: Sequence[str], *, per_request: int = IDS_PER_REQUEST) -> FetchedRecords:
        """What the loop knows about these images, with their annotations."""
        found = FetchedRecords()
        usable = [image_id for image_id in ids if _is_name(image_id, found.missing)]
        chunks = [usable[start : start + per_request] for start in range(0, len(usable), per_request)]
        answers: dict[int, list[dict[str, Any]]] = {}

        async def fetch(index: int) -> None:
            answers[index] = await self._records_of(chunks[index])
            self._on_progress(len(answers) / len(chunks))

        await self._each(range(len(chunks)), fetch, RECORDS_AT_ONCE)
        found.records = [record for index in range(len(chunks)) for record in answers[index]]
        known = {str(record.get("id")) for record in found.records}
        found.missing += [image_id for image_id in usable if image_id not in known]
        self._on_progress(1.0)
        return found

    async def images(self, ids: Sequence[str], folder: Path) -> FetchedImages:
        """Put `<id>.jpg` into the folder for each id that is not there yet."""
        found = FetchedImages()
        usable = [image_id for image_id in dict.fromkeys(ids) if _is_name(image_id, found.missing)]
        wanted = await io_bound(_not_in, folder, usable)
        found.present_count = len(usable) - len(wanted)
        done_count = 0
        threads = OwnThreads("image check", THREADS)

        async def fetch(image_id: str) -> None:
            nonlocal done_count
            if await self._fetch(image_id, folder, threads, found) and found.fetched_count % SYNC_EVERY == 0:
                await io_bound(sync_filesystem, folder)  # while others arrive
            done_count += 1
            self._on_progress(done_count / len(wanted))

        try:
            await self._each(wanted, fetch, self._at_once)
        finally:
            await threads.aclose()
        if found.fetched_count:
            await io_bound(sync_filesystem, folder)
        self._on_progress(1.0)
        return found

    async def _each(self, items: Sequence[T], act: Callable[[T], Awaitable[None]], at_once: int) -> None:
        """Do it for all, some at a time; the first error ends the others."""
        waiting = iter(items)

        async def work() -> None:
            for item in waiting:
                await act(item)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(at_once, len(items))):
                    group.create_task(work(), name="training data")
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _records_of(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        path = self._place.path("/images?ids=" + ",".join(ids))

        async def ask() -> Any:
            async with self._http.request("GET", path) as answer:
                body = await read_body(answer, LARGEST_JSON_BYTES)
            return await io_bound(codec.from_json, body)

        try:
            answer = await self._patiently(f"the data of {len(ids)} images", ask)
        except NodeError as error:
            if not _is_of_the_request(error):
                raise
            logger.error("the data of %d images is missing: %s", len(ids), error)
            return []
        try:
            return [record for record in entries_of(answer, "images") if isinstance(record, dict)]
        except LoopError as error:
            raise DownloadError(str(error)) from error

    async def _fetch(self, image_id: str, folder: Path, threads: OwnThreads, found: FetchedImages) -> bool:
        """Whether it came."""
        path = self._place.path(f"/images/{image_id}/main")
        file = folder / f"{image_id}.jpg"
        for is_last in (False, True):  # what arrives corrupt is asked for once more: it may have become so on the way
            try:
                await self._patiently(f"image {image_id}", lambda: self._receive(path, file, threads))
                found.fetched_count += 1
                return True
            except (InvalidImageError, TooLargeError) as error:
                if is_last:
                    logger.error("image %s is corrupt and left out: %s", image_id, error)
                    found.corrupt.append(image_id)
            except NodeError as error:
                if not _is_of_the_request(error):
                    raise
                logger.error("image %s is missing: %s", image_id, error)
                found.missing.append(image_id)
                break
        return False

    async def _receive(self, path: str, file: Path, threads: OwnThreads) -> None:
        """Put the image into its place; `InvalidImageError` or `TooLargeError` if it is none that we can use."""
        self._part_count += 1
        part = _Part(file, f"{self._token}-{self._part_count}")
        try:
            async with self._http.request("GET", path, stall_s=STALL_S) as answer:
                if answer.content_type == "text/html":
                    raise TransferBrokenError(f"{path} is answered with a web page; is LOOP_HOST right?")
                await self._receive_body(answer, part, threads)
            await threads.run(part.finish, checks_pixels=self._checks_pixels)
        except BaseException:
            part.discard()  # at once: to wait here could be cancelled, too, before a thread has begun with it
            raise

    async def _receive_body(self, answer: aiohttp.ClientResponse, part: _Part, threads: OwnThreads) -> None:
        clock = self._http.clock
        began, size_bytes = clock.now(), 0
        async for chunk in answer.content.iter_any():
            size_bytes += len(chunk)
            if size_bytes > LARGEST_IMAGE_BYTES:
                raise TooLargeError(f"the image has more than {LARGEST_IMAGE_BYTES} bytes")
            if part.add(chunk) > MEMORY_BYTES:
                await threads.run(part.spill)
            elapsed_s = clock.now() - began
            if elapsed_s > SETTLING_S and size_bytes < LOWEST_RATE_BYTES_S * elapsed_s:
                raise TransferBrokenError(f"it arrives with less than {LOWEST_RATE_BYTES_S} bytes per second")

    async def _patiently(self, what: str, act: Callable[[], Awaitable[T]]) -> T:
        """Do it, and do it again where that may help, until all waits are through and nothing else arrived either."""
        tries, arrived_count = 0, self._arrived_count
        while True:
            try:
                result = await act()
                self._arrived_count += 1
                return result
            except NodeError as error:
                if _is_of_the_request(error) or not _is_of_the_loop(error):
                    raise
                if self._arrived_count != arrived_count:
                    tries, arrived_count = 0, self._arrived_count
                if tries == len(WAITS_S) or not _may_pass(error):
                    raise DownloadError(f"{what}: {error}") from error
                pause_s = max(WAITS_S[tries], min(_hint_of(error), LONGEST_PAUSE_S))
                tries += 1
                logger.warning("%s did not come, trying again in %.0f s: %s", what, pause_s, error)
            await self._http.clock.sleep(pause_s)


class _Part:
    """An image that is not complete yet: in memory, or what is too much of it in a hidden file beside its place.

    `spill` and `finish` run in threads, which go on when who waits for them is cancelled; hence the lock. The file is
    used by its number: each call of the system costs the interpreter lock, and Python's own files make several more.
    """

    def __init__(self, file: Path, token: str) -> None:
        self._file = file
        self._aside = file.with_name(f".{file.name}.{token}{_ENDING}")
        self._descriptor: int | None = None
        self._pieces: list[bytes] = []
        self._pieces_bytes = 0
        self._lock = threading.Lock()
        self._is_over = False

    def add(self, chunk: bytes) -> int:
        """How many bytes are in memory then."""
        self._pieces.append(chunk)
        self._pieces_bytes += len(chunk)
        return self._pieces_bytes

    def spill(self) -> None:
        """Write what is in memory to the disk."""
        with self._lock, _disk_errors(self._file):
            if not self._is_over:
                self._write(self._take())

    def finish(self, *, checks_pixels: bool) -> None:
        """Let it have its name, if it is an image."""
        with self._lock, _disk_errors(self._file):
            if self._is_over:
                return
            content = self._take()
            if self._descriptor is not None:
                self._write(content)
                content = self._aside.read_bytes()
            _check(content, checks_pixels=checks_pixels)
            if self._descriptor is None:
                self._write(content)
            self._close()
            self._aside.replace(self._file)
            self._is_over = True

    def discard(self) -> None:
        """Leave nothing on the disk, unless it is finished."""
        with self._lock:
            self._is_over = True
            self._close()
            with contextlib.suppress(FileNotFoundError):
                self._aside.unlink()

    def _take(self) -> bytes:
        content = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self._pieces_bytes = [], 0
        return content

    def _write(self, content: bytes) -> None:
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._descriptor = os.open(self._aside, flags, 0o644)
        view = memoryview(content)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _check(content: bytes, *, checks_pixels: bool) -> None:
    if checks_pixels:
        check(content)
    else:
        read_header(content, max_pixels=LARGEST_PIXELS)


_ENDING = ".part"


def _not_in(folder: Path, ids: Sequence[str]) -> list[str]:
    """The ids without a file. The folder is made, and what a killed download has left in it is removed."""
    with _disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        missing = [image_id for image_id in ids if not _has_content(folder / f"{image_id}.jpg")]
        if missing:
            for part in folder.glob(f".*{_ENDING}"):
                with contextlib.suppress(FileNotFoundError):
                    if part.stat().st_mtime < time.time() - LEFT_OVER_S:
                        part.unlink()
        return missing


def _has_content(file: Path) -> bool:
    """Empty is what a power cut leaves of a file that was not synced."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > 0


def _is_name(image_id: str, missing: list[str]) -> bool:
    try:
        part_of_path(image_id)
    except InvalidRequestError as error:
        logger.error("an image is missing: %s", error)
        missing.append(image_id)
        return False
    return True


def _may_pass(error: NodeError) -> bool:
    """Whether another try may help."""
    status = status_of_refusal(error)
    if status is not None:
        return status >= 500 or status in _TRY_LATER
    return isinstance(error, LoopUnreachableError | TransferBrokenError | UnavailableError)


def _is_of_the_loop(error: NodeError) -> bool:
    """Whether the loop caused it, or the way there; not what came, nor our disk."""
    return isinstance(error, LoopError) or status_of_refusal(error) is not None


def _is_of_the_request(error: NodeError) -> bool:
    """Whether the loop says that it does not have just this."""
    status = status_of_refusal(error)
    return status is not None and 400 <= status < 500 and status not in (*_TRY_LATER, *_NOT_OURS)


def _hint_of(error: NodeError) -> float:
    """How long the loop asks us to wait."""
    hint_s = retry_hint_of(error)
    if hint_s is None and isinstance(error, UnavailableError):
        return error.retry_after_s
    return hint_s or 0.0


@contextmanager
def _disk_errors(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error)
        raise StorageFullError(f"{file} cannot be written: {reason}") from error
