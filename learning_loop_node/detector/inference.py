"""From an image to its detections: a bounded queue, two threads that decode, one that runs the detector logic.

Images go from decoder to logic without touching the event loop; only the result does, once per batch. The inference
thread stays the same for the life of the process, because some runtimes are bound to the thread that made them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np

from ..data_classes import ImageMetadata, ModelInformation
from ..errors import (
    BusyError,
    DeadlineError,
    DetectionFailedError,
    InvalidImageError,
    NodeError,
    NodeNeedsRestartError,
    TooLargeError,
    UnavailableError,
)
from ..images import ImageInput, decode, read_header
from ..runtime.clock import Clock, SystemClock
from ..runtime.trouble import Trouble
from ..settings import DetectorSettings
from .active_model import Loaded
from .ready_queue import Exclusive, Job, ReadyQueue
from .result_check import check_batch, check_metadata
from .stages import Stages

logger = logging.getLogger(__name__)

DECODER_COUNT = 2
DECODER_NICENESS = 5
"""Decoders give way to the event loop, so that small requests are answered quickly under load."""

DECODED_AHEAD_BYTES = 256_000_000
LARGEST_BATCH = 8
"""The images of one request may have so many times the pixels of the largest image, together."""

WATCH_INTERVAL_S = 1.0
CLOSE_TIMEOUT_S = 2.0

_timeout_s: ContextVar[float | None] = ContextVar("timeout_s", default=None)


@contextlib.contextmanager
def deadline_in(timeout_s: float | None) -> Iterator[None]:
    """Within this block, detections raise `DeadlineError` that are not done after so many seconds."""
    token = _timeout_s.set(timeout_s)
    try:
        yield
    finally:
        _timeout_s.reset(token)


@dataclass(frozen=True, slots=True)
class Detected:
    """What was found in each image of a request, and the model that found it."""

    items: list[ImageMetadata]
    model_info: ModelInformation


@dataclass(slots=True)
class Counts:
    """What has been done since the start."""

    images: int = 0
    batches: int = 0
    failed: int = 0
    refused: int = 0
    expired: int = 0
    outside: int = 0


_Outcome = tuple[Job | Exclusive, Any, BaseException | None]


class Inference:
    """Runs the detector logic on images, in batches where it can. As a service it watches over a logic that hangs.

    `require` gives the model that answers, or raises why there is none; `on_restart` is called when the logic asks
    for a new process.
    """

    name = "inference"

    def __init__(
        self,
        settings: DetectorSettings,
        *,
        require: Callable[[], Loaded],
        on_restart: Callable[[], None] = lambda: None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._require = require
        self._on_restart = on_restart
        self._clock = clock or SystemClock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: list[threading.Thread] = []
        self._to_decode: SimpleQueue[Job | None] = SimpleQueue()
        self._ready = ReadyQueue(DECODED_AHEAD_BYTES)
        self._open_jobs: set[Job] = set()
        self._busy_since: float | None = None
        self._broken: BaseException | None = None
        self._closing = False
        self._trouble = Trouble(self._clock)
        self.pending = 0
        self.counts = Counts()
        self.stages = Stages()

    def note_refusal(self) -> None:
        """Count a request whose image was refused before it came here."""
        self.counts.failed += 1

    def open(self) -> None:
        """Start the threads; called once, within the running event loop."""
        self._loop = asyncio.get_running_loop()
        works = [("decode", self._decode_forever)] * DECODER_COUNT + [("inference", self._infer_forever)]
        for index, (name, work) in enumerate(works):
            thread = threading.Thread(target=self._guarded, args=(work,), name=f"{name}-{index}", daemon=True)
            thread.start()
            self._threads.append(thread)

    async def aclose(self) -> None:
        """Answer what waits with an error and end the threads."""
        self._fail_open_jobs(UnavailableError("the node is stopping"))
        self._closing = True
        for work in self._ready.close():
            if not work.future.done():
                work.future.set_exception(UnavailableError("the node is stopping"))
        for _ in range(DECODER_COUNT):
            self._to_decode.put(None)
        await asyncio.to_thread(self._join)

    @property
    def is_hanging(self) -> bool:
        """Whether one call of the detector logic has taken longer than it may."""
        since = self._busy_since
        return since is not None and self._clock.now() - since > self._settings.inference_hang_s

    async def run(self) -> None:
        """Watch the inference thread; raises if it died or hangs, which ends the process."""
        while True:
            await self._clock.sleep(WATCH_INTERVAL_S)
            if self._broken is not None:
                raise RuntimeError("a thread of the inference path died") from self._broken
            if self.is_hanging:
                limit_s = self._settings.inference_hang_s
                text = f"the detector logic has been busy for more than {limit_s:g} s (INFERENCE_HANG_S)"
                self.counts.failed += self._fail_open_jobs(DetectionFailedError(text))
                raise RuntimeError(text)

    async def detect(self, images: Sequence[ImageInput], *, explicit_batch: bool = False) -> Detected:
        """What is in these images; more than one makes one call of `batch_evaluate`.

        Raises `NoModelError`, `BusyError`, `DeadlineError`, `InvalidImageError`, `TooLargeError` or
        `DetectionFailedError`.
        """
        if self._loop is None or self._closing:
            raise UnavailableError("the node is not running")
        model_info = self._require().model_info
        if not images:
            return Detected([], model_info)
        try:
            self._check_images(images)
        except NodeError:
            self.counts.failed += 1
            raise
        if self.pending and self.pending + len(images) > self._settings.queue_size:
            self.counts.refused += 1
            raise BusyError(f"{self.pending} images are waiting already; try again shortly")
        job = Job(images, self._loop.create_future(), explicit_batch or len(images) > 1)
        return await self._answer(job)

    async def run_exclusively(self, function: Callable[[], None]) -> None:
        """Run a function in the inference thread, between two detections. It may take as long as it likes."""
        await self.put_exclusive(function)

    def put_exclusive(self, function: Callable[[], None]) -> asyncio.Future[None]:
        """The same without waiting: the future is done when the function is."""
        if self._loop is None or self._closing:
            raise UnavailableError("the node is not running")
        future: asyncio.Future[None] = self._loop.create_future()
        self._ready.put(Exclusive(function, future))
        return future

    def _check_images(self, images: Sequence[ImageInput]) -> None:
        max_pixels = self._settings.max_pixels
        for image in images:
            if not isinstance(image, bytes | np.ndarray):
                raise InvalidImageError(f"an image is a NumPy array or bytes, not {type(image).__name__}")
        headers = [read_header(image, max_pixels=max_pixels) for image in images if isinstance(image, bytes)]
        if sum(header.width * header.height for header in headers) > LARGEST_BATCH * max_pixels:
            raise TooLargeError(
                f"the images of one request have more than {LARGEST_BATCH} times MAX_IMAGE_PIXELS ({max_pixels}) "
                "together; send them in several"
            )

    async def _answer(self, job: Job) -> Detected:
        assert self._loop is not None
        timeout_s = _timeout_s.get()
        expiry = None if timeout_s is None else self._loop.call_later(max(timeout_s, 0), self._expire, job, timeout_s)
        self.pending += len(job.images)
        self._open_jobs.add(job)
        job.queued_at = self._clock.now()
        if any(isinstance(image, bytes) for image in job.images):
            self._to_decode.put(job)
        else:
            job.pixels = list(job.images)  # type: ignore[arg-type]  # no bytes among them
            self._ready.put(job)
        try:
            return await job.future
        finally:
            if expiry:
                expiry.cancel()

    def _expire(self, job: Job, timeout_s: float) -> None:
        if not job.future.done():
            self.counts.expired += 1
            job.future.set_exception(DeadlineError(f"no result within timeout_s={timeout_s:g}"))

    def _fail_open_jobs(self, error: NodeError) -> int:
        """Answer what waits with this error; returns how many requests these are."""
        waiting = [job for job in self._open_jobs if not job.future.done()]
        for job in waiting:
            job.future.set_exception(error)
        return len(waiting)

    # --- decoding threads

    def _decode_forever(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), DECODER_NICENESS)
        while (job := self._to_decode.get()) is not None:
            self._decode(job)
            del job  # or the last image would stay in memory until the next one comes

    def _decode(self, job: Job) -> None:
        self._ready.wait_for_room()
        if job.future.done():
            self._post([(job, None, None)])
            return
        began = self._clock.now()
        job.waited_s = began - job.queued_at
        try:
            job.pixels = [decode(image) if isinstance(image, bytes) else image for image in job.images]
        except (NodeError, MemoryError) as error:
            self._post([(job, None, error)])
        else:
            job.queued_at = self._clock.now()
            job.decode_s = job.queued_at - began
            self._ready.put(job)

    # --- inference thread

    def _infer_forever(self) -> None:
        while (first := self._ready.take()) is not None:
            if isinstance(first, Exclusive):
                self._run_function(first)  # not watched: to load a model may take longer than any detection should
            else:
                self._busy_since = began = self._clock.now()
                self._infer(first, began)
                self._busy_since = None
            del first

    def _run_function(self, work: Exclusive) -> None:
        try:
            work.function()
        except Exception as error:
            self._post([(work, None, error)])
        else:
            self._post([(work, None, None)])

    def _infer(self, first: Job, began: float) -> None:
        """Run the logic on this job and on those like it that wait, and post what comes out."""
        try:
            model = self._require()
        except NodeError as error:
            self._post([(first, None, error)])
            return
        jobs = [first] if first.explicit else self._ready.take_alike(first, model.max_batch_size)
        current = [job for job in jobs if not job.future.done()]
        outcomes: list[_Outcome] = [(job, None, None) for job in jobs if job not in current]
        if len(current) == 1:
            outcomes.append(self._outcome(model, current[0]))
        elif current:
            outcomes += self._outcomes_together(model, current)
        took_s = self._clock.now() - began
        for job in current:
            job.waited_s += max(0.0, began - job.queued_at)
            job.inference_s = took_s
        self._post(outcomes)

    def _outcomes_together(self, model: Loaded, jobs: list[Job]) -> list[_Outcome]:
        """One call for several requests; if it fails, each on its own, so that a bad image costs its request only."""
        try:
            items = check_batch(model.logic.batch_evaluate([job.pixels[0] for job in jobs]), len(jobs))
        except Exception as error:
            if not isinstance(error, NotImplementedError) and self._trouble.is_news(f"together: {error}"):
                logger.warning("batch_evaluate failed on %d images, trying one by one: %s", len(jobs), error)
            return [self._outcome(model, job) for job in jobs]
        self._note_call(len(jobs))
        return [self._checked(model, job, [item]) for job, item in zip(jobs, items, strict=True)]

    def _outcome(self, model: Loaded, job: Job) -> _Outcome:
        """Run the logic for one request."""
        try:
            items = _evaluate_batch(model, job.pixels) if job.explicit else [model.logic.evaluate(job.pixels[0])]
        except NodeNeedsRestartError as error:
            assert self._loop is not None
            self._loop.call_soon_threadsafe(self._on_restart)
            return job, None, UnavailableError(f"the detector logic asks for a new process: {error}")
        except Exception as error:
            if self._trouble.is_news(f"{type(error).__name__}: {error}"):
                logger.exception("the detector logic failed; the same again is logged once an hour")
            cause = error if isinstance(error, DetectionFailedError) else _named(error)
            return job, None, cause
        self._note_call(len(items))
        return self._checked(model, job, items)

    def _note_call(self, images: int) -> None:
        self.counts.batches += 1
        self.stages.batch.observe(images)

    def _checked(self, model: Loaded, job: Job, items: list[ImageMetadata]) -> _Outcome:
        try:
            for item, pixels in zip(items, job.pixels, strict=True):
                self.counts.outside += check_metadata(item, pixels.shape)
        except Exception as error:
            if self._trouble.is_news(f"result: {error}"):
                logger.error("the result of the detector logic cannot be used: %s", error)
            return job, None, error if isinstance(error, DetectionFailedError) else _named(error)
        return job, Detected(items, model.model_info), None

    # --- back to the event loop

    def _post(self, outcomes: list[_Outcome]) -> None:
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._deliver, outcomes)

    def _deliver(self, outcomes: list[_Outcome]) -> None:
        for work, result, error in outcomes:
            if isinstance(work, Job):
                self.pending -= len(work.images)
                self._open_jobs.discard(work)
                self.stages.note(work)
            if work.future.done():  # somebody else has answered, and counted it
                continue
            if isinstance(work, Job):
                if error is None and result is not None:
                    self.counts.images += len(work.images)
                elif error is not None:
                    self.counts.failed += 1
            if error is not None:
                work.future.set_exception(error)
            else:
                work.future.set_result(result)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # whatever it is, the watch must hear of it
            self._broken = error
            logger.critical("the thread %s died", threading.current_thread().name, exc_info=error)

    def _join(self) -> None:
        for thread in self._threads:
            thread.join(CLOSE_TIMEOUT_S)


def _evaluate_batch(model: Loaded, images: list[np.ndarray]) -> list[ImageMetadata]:
    """One `batch_evaluate`; one by one where the logic has none or raises `NotImplementedError`."""
    try:
        return check_batch(model.logic.batch_evaluate(images), len(images))
    except (NotImplementedError, AttributeError) as error:
        if isinstance(error, AttributeError) and hasattr(model.logic, "batch_evaluate"):
            raise
        return [model.logic.evaluate(image) for image in images]


def _named(error: Exception) -> DetectionFailedError:
    """The user's exception as one of ours; its text comes first, as clients of 0.27 know it."""
    text = str(error) or type(error).__name__
    failure = DetectionFailedError(text)
    failure.__cause__ = error
    return failure
