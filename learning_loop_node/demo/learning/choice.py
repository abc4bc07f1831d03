"""Which of the images that a detector has kept are labelled, if there is not time for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...client.images import ImageRecord

KINDS = ("box_detections", "point_detections")


def choose(records: Sequence[ImageRecord], budget: int) -> list[ImageRecord]:
    """The images whose detections are the most doubtful, at most `budget`.

    An image is as doubtful as its detections together: each adds its entropy, in bits, that of a coin which falls with
    the detection's confidence on the one side (Shannon 1948). Equally doubtful ones come in the order given.
    """
    return sorted(records, key=lambda record: -doubt(record.data))[:budget]


def doubt(data: dict[str, Any]) -> float:
    """The sum of the entropies of all detections in the record of an image."""
    return sum(_entropy(float(entry["confidence"])) for kind in KINDS for entry in data.get(kind) or ())


def _entropy(confidence: float) -> float:
    from math import log2

    if not 0 < confidence < 1:
        return 0.0
    return -confidence * log2(confidence) - (1 - confidence) * log2(1 - confidence)
