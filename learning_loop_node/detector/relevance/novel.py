"""Decides whether an image is worth uploading because something new came into view (not among the default rules)."""

from __future__ import annotations

from dataclasses import dataclass

from .rule import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Novel:
    """An image is relevant if a box or point is new to its camera, however sure the model is of it.

    Detections below `min_confidence` do not count. With `categories`, only these do.
    """

    min_confidence: float = 0.0
    categories: frozenset[str] | None = None

    def causes(self, seen: Seen) -> set[str]:
        counts = seen.is_new & (seen.confidences >= self.min_confidence)
        if self.categories is None:
            return {"novel"} if counts.any() else set()
        return {"novel"} if any(seen.categories[index] in self.categories for index in counts.nonzero()[0]) else set()
