"""From detection to outbox, through the relevance filter, after the answer was given."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, replace
from typing import Protocol

from ..data_classes import ImageMetadata
from ..errors import NodeError
from ..images import ImageInput
from ..runtime.clock import Clock, SystemClock
from ..runtime.trouble import Trouble

logger = logging.getLogger(__name__)

MAX_WAITING = 200
MAX_WAITING_BYTES = 256_000_000


class Filter(Protocol):
    """Says why an image would be worth a human's look; an empty list means it is not."""

    def causes(self, metadata: ImageMetadata, camera_id: str | None) -> list[str]: ...


class Keeper(Protocol):
    """Keeps an image for the loop."""

    async def save(
        self, image: ImageInput, image_metadata: ImageMetadata | None = None, upload_priority: bool = False
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Seen:
    """A detected image whose relevance is to be decided."""

    image: ImageInput
    metadata: ImageMetadata
    camera_id: str | None


class Intake:
    """Decides about detected images one after the other; alone touches the filter's histories.

    What does not fit into the queue is dropped and counted: answering quickly comes first, and nothing here was
    promised to be kept.
    """

    name = "intake"

    def __init__(self, relevance_filter: Filter, outbox: Keeper, clock: Clock | None = None) -> None:
        self._filter = relevance_filter
        self._outbox = outbox
        self._queue: asyncio.Queue[Seen] = asyncio.Queue()
        self._trouble = Trouble(clock or SystemClock())
        self._waiting_bytes = 0
        self._keeping: asyncio.Future[None] | None = None
        self.kept: Counter[str] = Counter()
        """Images kept, by cause."""
        self.kept_count = 0
        self.not_relevant_count = 0
        self.dropped: Counter[str] = Counter()
        """Images that were relevant or might have been, and were not kept, by reason."""

    @property
    def waiting_count(self) -> int:
        return self._queue.qsize()

    def put(self, image: ImageInput, metadata: ImageMetadata, camera_id: str | None) -> None:
        """Take note of an image; the decision comes later."""
        size = image_size(image)
        if self._queue.qsize() >= MAX_WAITING or self._waiting_bytes + size > MAX_WAITING_BYTES:
            self.dropped["filter_busy"] += 1
            return
        self._waiting_bytes += size
        self._queue.put_nowait(Seen(image, metadata, camera_id))

    async def run(self) -> None:
        while True:
            await self._decide(await self._queue.get())

    async def drain(self) -> None:
        """Decide about everything that waits; for an orderly stop, when `run` has ended."""
        if self._keeping is not None and not self._keeping.done():
            await self._keeping
        while not self._queue.empty():
            await self._decide(self._queue.get_nowait())

    async def _decide(self, seen: Seen) -> None:
        self._waiting_bytes -= image_size(seen.image)
        causes = self._filter.causes(seen.metadata, seen.camera_id)
        if not causes:
            self.not_relevant_count += 1
            return
        # Shielded, so that a stop in this very moment does not lose the image: `drain` waits for it.
        self._keeping = asyncio.ensure_future(self._keep(seen, causes))
        await asyncio.shield(self._keeping)

    async def _keep(self, seen: Seen, causes: list[str]) -> None:
        stored = replace(seen.metadata, tags=[*seen.metadata.tags, *causes])
        try:
            await self._outbox.save(seen.image, stored)
        except NodeError as error:
            self.dropped[error.code] += 1
            if self._trouble.is_news(str(error)):
                logger.warning("a relevant image could not be kept: %s", error)
        else:
            self.kept_count += 1
            self.kept.update(causes)


def image_size(image: ImageInput) -> int:
    """Bytes that an image holds in memory."""
    return len(image) if isinstance(image, bytes) else image.nbytes
