"""OpenCV, which draws labelled scenes; the scenes of the loop's generated projects need none."""

from __future__ import annotations

from typing import Any

from ...errors import MissingExtraError

try:
    import cv2 as installed
except ImportError as error:
    raise MissingExtraError(
        "labelled scenes are drawn with OpenCV: pip install 'learning-loop-node[onnx]', or '.[demo]' in a checkout"
    ) from error

cv2: Any = installed
"""Untyped: its stubs know arrays of no shape and no kind of numbers."""
