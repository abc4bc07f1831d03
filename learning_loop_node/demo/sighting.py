"""What happened to one photograph: which answer it got, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ..client.detector import Transport
from ..data_classes import BoxDetection, ImageMetadata
from ..detector.backends.cascade import VERSION_TAG
from .photographs import Box, Photograph

UNCERTAIN = (0.3, 0.6)
"""Confidences that the node's relevance filter takes for uncertain, unless it is told otherwise."""

TRANSPORT_NAMES = {Transport.REST: "REST", Transport.SOCKETIO: "Socket.IO"}

SHARE_ON_FACE = 0.3
"""A detection with less than this share of its area on a known face is a misfire."""

SHARE_OF_FACE = 0.3
"""A known face of which no detection on it covers this share was missed."""


class Judgement(StrEnum):
    """How sure the detector is of a detection, or that it is wrong."""

    CONFIDENT = "confident"
    UNCERTAIN = "uncertain"
    WEAK = "weak"
    MISFIRE = "misfire"


@dataclass(kw_only=True, slots=True)
class Sighting:
    """A photograph that was sent to the node.

    `answer` is None and `error` set if the request failed. `causes` are those with which the image lies at the loop,
    None if it is not there.
    """

    photograph: Photograph
    transport: Transport
    answer: ImageMetadata | None = None
    error: str | None = None
    causes: tuple[str, ...] | None = None

    @property
    def model_version(self) -> str | None:
        """The model that answered; its detector says so in a tag, since an answer may be empty."""
        tags = self.answer.tags if self.answer is not None else []  # an answer without detections is falsy
        versions = [tag.removeprefix(VERSION_TAG) for tag in tags if tag.startswith(VERSION_TAG)]
        return versions[0] if versions else None

    @property
    def boxes(self) -> list[BoxDetection]:
        return self.answer.box_detections if self.answer is not None else []

    def judged(self) -> Iterator[tuple[BoxDetection, Judgement]]:
        """Each box with what to think of it."""
        for box in self.boxes:
            yield box, _judge(box, self.photograph)

    @property
    def judgements(self) -> set[Judgement]:
        return {judgement for _, judgement in self.judged()}

    @property
    def missed(self) -> list[Box]:
        """The known faces that the detector did not find; none if it did not answer."""
        if self.answer is None:
            return []
        found = [Box(box.x, box.y, box.width, box.height) for box in self.boxes]
        return [face for face in self.photograph.faces or () if not any(_shows(box, face) for box in found)]

    @property
    def is_seen_before(self) -> bool:
        """Something is uncertain, and still the image was not kept: its camera has just seen that very thing."""
        is_uncertain = any(UNCERTAIN[0] <= box.confidence <= UNCERTAIN[1] for box in self.boxes)
        return self.causes is None and is_uncertain

    @property
    def is_empty(self) -> bool:
        """The detector answered and found nothing."""
        return self.answer is not None and not self.boxes


def _judge(box: BoxDetection, photograph: Photograph) -> Judgement:
    if photograph.faces is not None and not _lies_on_a_face(box, photograph.faces):
        return Judgement.MISFIRE
    if box.confidence > UNCERTAIN[1]:
        return Judgement.CONFIDENT
    return Judgement.UNCERTAIN if box.confidence >= UNCERTAIN[0] else Judgement.WEAK


def _lies_on_a_face(box: BoxDetection, faces: tuple[Box, ...]) -> bool:
    area = Box(box.x, box.y, box.width, box.height)
    return any(_lies_on(area, face) for face in faces)


def _lies_on(box: Box, face: Box) -> bool:
    return box.shared_area(face) > SHARE_ON_FACE * box.area


def _shows(box: Box, face: Box) -> bool:
    """The box is about this face and not about an eye or a corner of it."""
    return _lies_on(box, face) and box.shared_area(face) > SHARE_OF_FACE * face.area
