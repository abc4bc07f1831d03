"""A detection and when it was last seen (for programs that use the filter's parts by their old names)."""

from __future__ import annotations

from datetime import datetime, timedelta

from .detections import BoxDetection, PointDetection


class Observation:
    """A detection that a camera saw, with the time of the last sighting."""

    def __init__(self, detection: BoxDetection | PointDetection) -> None:
        self.detection = detection
        self.last_seen = datetime.now()

    def update_last_seen(self) -> None:
        self.last_seen = datetime.now()

    def is_older_than(self, forget_time_in_s: float) -> bool:
        return self.last_seen < datetime.now() - timedelta(seconds=forget_time_in_s)
