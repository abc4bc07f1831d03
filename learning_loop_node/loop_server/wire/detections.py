"""Detections in images that are at the loop already."""

from __future__ import annotations

from .ground import ShortText
from .images import Findings


class DetectionsOf(Findings):
    """What models found in one image."""

    image_id: ShortText
