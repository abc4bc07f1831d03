"""Decides whether an image is worth uploading because there is unexpectedly much in it."""

from __future__ import annotations

from dataclasses import dataclass

from .rule import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowded:
    """An image is relevant if it has this many detections or more, new or not, of whichever type."""

    from_count: int = 80

    def causes(self, seen: Seen) -> set[str]:
        return {"unexpected_observations_count"} if seen.count >= self.from_count else set()
