"""What is decoded and waits for the inference thread."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..images import ImageInput

if TYPE_CHECKING:
    from .inference import Detected


@dataclass(slots=True, eq=False)
class Job:
    """The images of one request on their way. `explicit` ones were sent as a batch and stay one call.

    `queued_at` is when it came into the queue in which it waits; the seconds say how it fared before.
    """

    images: Sequence[ImageInput]
    future: asyncio.Future[Detected]
    explicit: bool
    pixels: list[np.ndarray] = field(default_factory=list)
    queued_at: float = 0.0
    waited_s: float = 0.0
    decode_s: float | None = None
    inference_s: float | None = None

    @property
    def size_bytes(self) -> int:
        return sum(array.nbytes for array in self.pixels)

    def fits(self, other: Job) -> bool:
        """Whether the two can go to the logic together."""
        mine, others = self.pixels[0], other.pixels[0]
        return not other.explicit and mine.shape == others.shape and mine.dtype == others.dtype


@dataclass(slots=True, eq=False)
class Exclusive:
    """A function to run between two detections."""

    function: Callable[[], None]
    future: asyncio.Future[None]


class ReadyQueue:
    """Work for the inference thread, first in, first out.

    When more than `ahead_bytes` wait decoded, decoders wait, too, so that a queue of large images does not fill the
    memory.
    """

    def __init__(self, ahead_bytes: int) -> None:
        self._ahead_bytes = ahead_bytes
        self._size_bytes = 0
        self._work: deque[Job | Exclusive] = deque()
        self._is_closed = False
        lock = threading.Lock()
        self._filled = threading.Condition(lock)
        self._emptied = threading.Condition(lock)

    def wait_for_room(self) -> None:
        """Called by a decoder before it decodes."""
        with self._emptied:
            while self._size_bytes > self._ahead_bytes and not self._is_closed:
                self._emptied.wait()

    def put(self, work: Job | Exclusive) -> None:
        with self._filled:
            self._work.append(work)
            self._size_bytes += work.size_bytes if isinstance(work, Job) else 0
            self._filled.notify()

    def take(self) -> Job | Exclusive | None:
        """The next work; waits for it. None when the queue is closed."""
        with self._filled:
            while not self._work and not self._is_closed:
                self._filled.wait()
            if self._is_closed:
                return None
            work = self._work.popleft()
            self._took(work)
            return work

    def take_alike(self, first: Job, limit: int) -> list[Job]:
        """`first` and up to `limit - 1` jobs that wait and fit it, but none from behind a function."""
        jobs = [first]
        passed_over: list[Job] = []
        with self._filled:
            while len(jobs) < limit and self._work and isinstance(work := self._work[0], Job):
                self._work.popleft()
                (jobs if first.fits(work) else passed_over).append(work)
            self._work.extendleft(reversed(passed_over))
            for job in jobs[1:]:
                self._took(job)
        return jobs

    def close(self) -> list[Job | Exclusive]:
        """Let everyone go who waits; what was left is handed back."""
        with self._filled:
            self._is_closed = True
            left = list(self._work)
            self._work.clear()
            self._filled.notify_all()
            self._emptied.notify_all()
        return left

    def _took(self, work: Job | Exclusive) -> None:
        self._size_bytes -= work.size_bytes if isinstance(work, Job) else 0
        self._emptied.notify_all()
