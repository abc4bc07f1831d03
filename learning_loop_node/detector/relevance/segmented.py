"""Decides whether an image is worth uploading because something was outlined in it."""

from __future__ import annotations

from dataclasses import dataclass

from .rule import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmented:
    """An image with an outlined area is always relevant: there is no measure yet of having seen one before."""

    def causes(self, seen: Seen) -> set[str]:
        return {"segmentation_detection"} if seen.segmentation_count else set()
