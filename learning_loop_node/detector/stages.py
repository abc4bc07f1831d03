"""How long requests stay in each stage on their way to their detections."""

from __future__ import annotations

from ..runtime.histogram import SMALL_NUMBERS, Histogram
from .ready_queue import Job


class Stages:
    """Seconds per request, and images per call of the logic. `batch` belongs to the inference thread, the rest to the
    event loop."""

    def __init__(self) -> None:
        self.wait = Histogram()
        self.decode = Histogram()
        self.inference = Histogram()
        self.batch = Histogram(SMALL_NUMBERS)

    def note(self, job: Job) -> None:
        """Take over what a job that has come to the logic knows of its way; arrays were not decoded."""
        if job.inference_s is None:
            return
        self.wait.observe(job.waited_s)
        self.inference.observe(job.inference_s)
        if job.decode_s is not None:
            self.decode.observe(job.decode_s)

    def by_name(self) -> dict[str, Histogram]:
        return {"wait": self.wait, "decode": self.decode, "inference": self.inference}
