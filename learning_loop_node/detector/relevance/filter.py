"""Decides which images are worth uploading: asks every rule."""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from ...data_classes import ImageMetadata
from ...errors import RefusedError
from ...runtime.clock import Clock, SystemClock
from ...settings import DetectorSettings, load_settings
from .crowded import Crowded
from .history import MEMORY_S, CameraHistory
from .rule import Rule, Seen
from .segmented import Segmented
from .uncertain import Uncertain

logger = logging.getLogger(__name__)


class KeepsImages(Protocol):
    """What the filter needs of an outbox."""

    async def save(
        self,
        image: NDArray[Any] | bytes,
        image_metadata: ImageMetadata | None = None,
        upload_priority: bool = False,
    ) -> None: ...


def default_rules(settings: DetectorSettings) -> list[Rule]:
    """The rules of 0.27; add your own behind them."""
    return [
        Uncertain(low=settings.min_uncertain_threshold, high=settings.max_uncertain_threshold),
        Segmented(),
        Crowded(),
    ]


class RelevanceFilter:
    """Knows what each camera has seen lately and asks the rules about every image. Used from one thread only.

    Images without a camera id share one history. A camera that sends nothing for an hour is forgotten; with more than
    `settings.max_cameras` cameras, so is the one whose last image is the oldest.

    An `outbox` is only needed for `may_upload_detections`.
    """

    def __init__(
        self,
        outbox: KeepsImages | None = None,
        *,
        rules: Sequence[Rule] | None = None,
        settings: DetectorSettings | None = None,
        clock: Clock | None = None,
    ) -> None:
        settings = settings or load_settings().detector
        self.outbox = outbox
        self.rules: list[Rule] = default_rules(settings) if rules is None else list(rules)
        self.rule_failures: Counter[str] = Counter()
        self._max_cameras = settings.max_cameras
        self._clock = clock or SystemClock()
        self._cameras: OrderedDict[str | None, _Camera] = OrderedDict()

    @property
    def camera_count(self) -> int:
        """Cameras that are remembered, those without an id together as one."""
        return len(self._cameras)

    @property
    def size_bytes(self) -> int:
        """Memory that all histories take."""
        return sum(camera.history.size_bytes for camera in self._cameras.values())

    def causes(self, metadata: ImageMetadata, camera_id: str | None) -> list[str]:
        """Why this image should be kept, in the order of the rules; empty if it need not. The image counts as seen."""
        now = self._clock.now()
        is_new = self._history_of(camera_id, now).mark_new(metadata, now)
        seen = Seen.in_image(metadata, is_new, camera_id)
        return list(dict.fromkeys(cause for rule in self.rules for cause in self._ask(rule, seen)))

    async def may_upload_detections(
        self, image_metadata: ImageMetadata, cam_id: str | None, image: NDArray[Any] | bytes
    ) -> list[str]:
        """Save the image to the outbox if there is a cause, with the causes added to its tags; returns them."""
        if self.outbox is None:
            raise RefusedError("there is no outbox to save the image to: construct RelevanceFilter(outbox)")
        causes = self.causes(image_metadata, cam_id)
        if causes:
            image_metadata.tags.extend(causes)
            await self.outbox.save(image, image_metadata)
        return causes

    def _history_of(self, camera_id: str | None, now: float) -> CameraHistory:
        camera = self._cameras.pop(camera_id, None) or _Camera()
        camera.last_image = now
        self._cameras[camera_id] = camera
        while len(self._cameras) > self._max_cameras or self._oldest.last_image < now - MEMORY_S:
            self._cameras.popitem(last=False)
        return camera.history

    @property
    def _oldest(self) -> _Camera:
        return next(iter(self._cameras.values()))

    def _ask(self, rule: Rule, seen: Seen) -> list[str]:
        """The rule's causes; none, and a line in the log, if it fails. Repeated failures are logged more rarely."""
        try:
            return sorted(_checked(rule.causes(seen)))
        except Exception as error:
            name = type(rule).__name__
            self.rule_failures[name] += 1
            count = self.rule_failures[name]
            if count & (count - 1) == 0:
                logger.exception("relevance rule %s failed (%d so far); the other rules decide: %s", name, count, error)
            return []


class _Camera:
    def __init__(self) -> None:
        self.history = CameraHistory()
        self.last_image = 0.0


def _checked(causes: object) -> set[str]:
    if not isinstance(causes, set | frozenset) or not all(isinstance(cause, str) for cause in causes):
        raise TypeError(f"causes() must return a set of texts, not {causes!r}")
    return set(causes)
