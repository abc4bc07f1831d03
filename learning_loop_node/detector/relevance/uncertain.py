"""Decides whether an image is worth uploading because the model is unsure about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .rule import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertain:
    """An image is relevant if the model is neither sure nor nearly sure of the contrary, both bounds included.

    Counted are boxes and points that this camera has not just seen, and every statement about the whole image.
    """

    low: float = 0.3
    high: float = 0.6

    def causes(self, seen: Seen) -> set[str]:
        if self._any_between(seen.confidences[seen.is_new]) or self._any_between(seen.classification_confidences):
            return {"uncertain"}
        return set()

    def _any_between(self, confidences: NDArray[np.float64]) -> bool:
        return confidences.size > 0 and bool(((self.low <= confidences) & (confidences <= self.high)).any())
