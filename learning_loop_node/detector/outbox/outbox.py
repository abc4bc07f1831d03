"""Keeps images until the loop has them: within limits, safe on disk before `save` returns."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Container
from typing import TYPE_CHECKING, TypeGuard

from ...data_classes import Context, ImageMetadata, codec
from ...enums import OutboxMode
from ...errors import SettingError, StorageFullError
from ...images import ImageInput, read_header, to_jpeg
from ...runtime.loose_tasks import start
from ...runtime.threads import OwnThreads
from ...settings import DiskFull, Settings, load_settings
from .folder_store import FolderStore
from .given_key import take_given_key
from .status import Counts, Dropped, OutboxStatus
from .store import Item, OutboxStore

if TYPE_CHECKING:
    from .uploader import Uploader

logger = logging.getLogger(__name__)

OVERHEAD_BYTES = 16_384
"""What the folder of an image and its small files take on the disk beside the image."""

IMAGES_AT_ONCE = 2
"""So many are decoded or encoded at a time: one of 64 megapixels takes up to half a gigabyte meanwhile."""

STOP_S = 5.0


class Outbox:
    """Saves images and hands them to an uploader.

    A node gives it an `Uploader`. Without one, as in programs written for 0.27, `upload` sends what waits, and
    `ensure_continuous_upload` goes on sending until `ensure_continuous_upload_stopped`.
    """

    UPLOAD_INTERVAL_S: float = 5.0
    """Kept for old programs; sending begins at once."""

    def __init__(self, store: OutboxStore | None = None, settings: Settings | None = None) -> None:
        self._settings = settings or load_settings()
        self.store = store or FolderStore(self._settings.node.data_folder / "outbox")
        self.counts = Counts()
        self.last_error: str | None = None
        self.uploader: Uploader | None = None
        self.changed = asyncio.Event()
        """Set when something was saved or the mode has changed; the uploader clears it."""
        self.in_flight: Container[Item] = ()
        """What is being sent now and should not give way to new images."""

        self.BATCH_SIZE = 20
        self.MAX_UPLOAD_LENGTH = self._settings.outbox.max_size
        self.UPLOAD_TIMEOUT_S: float = 30.0

        self._mode = OutboxMode.CONTINUOUS_UPLOAD
        self._saver = OwnThreads("outbox saver")
        self._images = OwnThreads("outbox images", IMAGES_AT_ONCE)
        self._opening = threading.Lock()
        self._is_open = False
        self._own_upload: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Find what is there from earlier, and bring it within the limits. Never raises for the state of the disk."""
        await self._saver.run(self._ensure_open)

    async def aclose(self) -> None:
        """Finish the saves that have begun. Closing twice is fine; saving afterwards opens it again."""
        await self._stop_own_upload()
        await self._images.aclose()
        await self._saver.aclose()
        self._is_open = False

    async def save(
        self, image: ImageInput, image_metadata: ImageMetadata | None = None, upload_priority: bool = False
    ) -> None:
        """Keep an image for the loop; when this returns it survives a power cut.

        Arrays and other formats are stored as JPEG, a JPEG byte for byte. `InvalidImageError` for what is no image,
        `InvalidDataError` for metadata that cannot be JSON, `StorageFullError` if it is not kept. Cancelling is safe:
        the image is kept or not, but never in part.
        """
        key = take_given_key()
        metadata = ImageMetadata() if image_metadata is None else image_metadata
        codec.check_finite(metadata, "metadata")
        content = codec.to_json(metadata)
        jpeg = image if self._is_jpeg(image) else await self._as_jpeg(image)
        await self._saver.run(self._save, asyncio.get_running_loop(), jpeg, content, upload_priority, key)

    async def checked(self, image: ImageInput) -> ImageInput:
        """An image ready to be saved: what is encoded has been decoded to its last pixel, or `InvalidImageError`."""
        return await self._as_jpeg(image, checks_pixels=True) if isinstance(image, bytes) else image

    def status(self) -> OutboxStatus:
        """How things stand. Touches no disk."""
        usage, counts = self.store.usage(), self.counts
        dropped = counts.dropped | {
            Dropped.DELETED_BY_HAND.value: usage.gone,
            Dropped.QUARANTINE_FULL.value: usage.quarantine_dropped,
        }
        return OutboxStatus(
            mode=self.get_mode(),
            items=usage.items,
            priority_items=usage.priority_items,
            size_bytes=usage.size_bytes,
            oldest_age_s=None if usage.oldest_at is None else max(0.0, time.time() - usage.oldest_at),
            quarantine_items=usage.quarantine_items,
            found=usage.found,
            saved=counts.saved,
            refused=counts.refused,
            sent=counts.sent,
            retried=counts.retried,
            quarantined=usage.quarantined,
            dropped={reason: count for reason, count in dropped.items() if count},
            last_error=self.last_error,
        )

    def get_mode(self) -> OutboxMode:
        """Whether what waits is being sent."""
        return self._mode if self.uploader else OutboxMode.STOPPED

    async def set_mode(self, mode: OutboxMode | str) -> None:
        """Start or stop sending; stopping waits some seconds for the batches that are on their way."""
        try:
            mode = OutboxMode(mode)
        except ValueError as error:
            known = " or ".join(OutboxMode)
            raise SettingError(f"{mode!r} is not a valid OutboxMode; use {known}") from error
        if mode is OutboxMode.CONTINUOUS_UPLOAD:
            self.ensure_continuous_upload()
        else:
            await self.ensure_continuous_upload_stopped()

    def ensure_continuous_upload(self) -> None:
        """Send from now on, whenever something waits."""
        self._mode = OutboxMode.CONTINUOUS_UPLOAD
        if self.uploader is None:
            self.uploader = self._make_uploader()
            self._own_upload = start(self.uploader.run(), name="outbox upload")
        self.changed.set()

    async def ensure_continuous_upload_stopped(self) -> bool:
        """Stop sending. False if batches were still on their way after some seconds."""
        self._mode = OutboxMode.STOPPED
        self.changed.set()
        is_idle = self.uploader is None or await self.uploader.is_idle_within(STOP_S)
        await self._stop_own_upload()
        return is_idle

    async def upload(self) -> None:
        """Send what waits, once, whatever the mode. What fails stays; see `last_error`."""
        await self.open()
        if self.uploader is not None:
            await self.uploader.upload_all()
            return
        uploader = self._make_uploader()
        try:
            await uploader.upload_all()
        finally:
            await uploader.http.aclose()

    def get_upload_folders(self) -> list[str]:
        """The folders of what waits, in the order of sending."""
        self._ensure_open()
        self.store.refresh()
        usage = self.store.usage()
        items = self.store.first(usage.items, usage.size_bytes)
        return [str(self.store.path / item.lane / item.name) for item in items]

    @property
    def path(self) -> str:
        """The folder of the outbox."""
        return str(self.store.path)

    @property
    def target_uri(self) -> str:
        """Where images are sent."""
        from ...client.http import origin_of

        loop = self._settings.loop
        return f"{origin_of(loop.host)}/api/{loop.organization}/projects/{loop.project}/images"

    @property
    def upload_counter(self) -> int:
        """Images sent since the start; may be set."""
        return self.counts.sent

    @upload_counter.setter
    def upload_counter(self, count: int) -> None:
        self.counts.sent = count

    def _is_jpeg(self, image: ImageInput) -> TypeGuard[bytes]:
        limit = self._settings.detector.max_pixels
        return isinstance(image, bytes) and read_header(image, max_pixels=limit).format == "jpeg"

    async def _as_jpeg(self, image: ImageInput, *, checks_pixels: bool = False) -> bytes:
        limit = self._settings.detector.max_pixels
        return await self._images.run(to_jpeg, image, max_pixels=limit, checks_pixels=checks_pixels)

    def _ensure_open(self) -> None:
        with self._opening:
            if self._is_open:
                return
            self.store.open()
            self._is_open = True
        if self._settings.outbox.disk_full is DiskFull.OLDEST:
            self._make_room(0, is_priority=True)

    def _save(
        self, loop: asyncio.AbstractEventLoop, jpeg: bytes, metadata: bytes, is_priority: bool, key: str | None
    ) -> None:
        """In the saver's thread, so that limits are judged for one image after the other."""
        self._ensure_open()
        try:
            self._make_room(len(jpeg) + len(metadata) + OVERHEAD_BYTES, is_priority=is_priority)
            self.store.add(jpeg, metadata, is_priority=is_priority, key=key)
        except StorageFullError:
            self.counts.refused += 1
            raise
        self.counts.saved += 1
        with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile; the image is safe
            loop.call_soon_threadsafe(self.changed.set)

    def _make_room(self, size_bytes: int, *, is_priority: bool) -> None:
        """Let old images give way until a new one fits; `StorageFullError` if that is not enough or not wanted.

        A disk that others have filled is not emptied for them: the outbox just grows no more.
        """
        freed_bytes = 0
        while reason := self._lacks(size_bytes, freed_bytes, is_priority=is_priority):
            item = self.store.oldest(skip=self.in_flight)
            if self._settings.outbox.disk_full is DiskFull.REFUSE or item is None:
                raise StorageFullError(self._explain(reason))
            freed_bytes += item.size_bytes
            if self.store.remove([item]):
                self.counts.dropped[reason.value] = self.counts.dropped.get(reason.value, 0) + 1

    def _lacks(self, size_bytes: int, freed_bytes: int, *, is_priority: bool) -> Dropped | None:
        limits, usage = self._settings.outbox, self.store.usage()
        new = int(size_bytes > 0 and not is_priority)
        if usage.items - usage.priority_items + new > self.MAX_UPLOAD_LENGTH:
            return Dropped.TOO_MANY
        if usage.size_bytes + size_bytes > limits.max_bytes:
            return Dropped.TOO_MANY_BYTES
        if size_bytes > 0 and freed_bytes < size_bytes:
            return Dropped.DISK_FULL if self.store.free_bytes() < limits.min_free_bytes + size_bytes else None
        return None

    def _explain(self, reason: Dropped) -> str:
        limits = self._settings.outbox
        match reason:
            case Dropped.TOO_MANY:
                what = f"{self.MAX_UPLOAD_LENGTH} images wait (MAX_OUTBOX_SIZE)"
            case Dropped.TOO_MANY_BYTES:
                what = f"{limits.max_bytes} bytes are the limit (MAX_OUTBOX_BYTES)"
            case _:
                what = f"{limits.min_free_bytes} bytes of the disk are to stay free (OUTBOX_MIN_FREE_BYTES)"
        remedy = "OUTBOX_DISK_FULL=refuse" if limits.disk_full is DiskFull.REFUSE else "there is nothing left to drop"
        return f"the outbox is full: {what}, and {remedy}"

    def _make_uploader(self) -> Uploader:
        from ...client.http import LoopHttp
        from .uploader import Uploader

        loop = self._settings.loop
        uploader = Uploader(self, LoopHttp(loop), Context(organization=loop.organization, project=loop.project))
        self.uploader = None
        return uploader

    async def _stop_own_upload(self) -> None:
        if self._own_upload is None or self.uploader is None:
            return
        task, uploader = self._own_upload, self.uploader
        self._own_upload = self.uploader = None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await uploader.http.aclose()
