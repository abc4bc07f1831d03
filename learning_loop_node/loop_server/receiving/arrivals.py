"""Counts what became of the images that were sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..storage.images import NewImage
from ..wire.images import StoredImage


@dataclass(slots=True)
class Arrivals:
    """Images since the start. `received = stored + repeated + refused`, but for those of requests in progress.

    `repeated` were there already, under the same key. A request that is refused counts with all of its images, as far
    as its form could be read.
    """

    received: int = 0
    stored: int = 0
    stored_bytes: int = 0
    repeated: int = 0
    refused: int = 0

    @contextmanager
    def of_request(self) -> Iterator[Arrival]:
        """Note what becomes of the images of one request; whatever is raised refuses them."""
        arrival = Arrival(self)
        try:
            yield arrival
        except BaseException:
            self.refused += arrival.count
            raise


class Arrival:
    """The images of one request."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self.count = 0

    def received(self, count: int) -> None:
        self.count = count
        self._arrivals.received += count

    def kept(self, images: Sequence[NewImage], results: Sequence[StoredImage]) -> None:
        """Call it last: what was kept is no longer refused."""
        stored = [image.size_bytes for image, result in zip(images, results, strict=True) if result.stored]
        self._arrivals.stored += len(stored)
        self._arrivals.stored_bytes += sum(stored)
        self._arrivals.repeated += len(results) - len(stored)
        self.count = 0
