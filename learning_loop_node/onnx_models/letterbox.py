"""Brings images of every size to the size of a model's input, and boxes back.

Trainings and detectors use the same function, so that a model meets the pixels that it was trained with.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidImageError, MissingExtraError
from ..geometry.boxes import Array, Floats, as_boxes

try:
    import cv2
except ImportError as error:
    raise MissingExtraError(
        "images for ONNX models are scaled with OpenCV: pip install 'learning-loop-node[onnx]'"
    ) from error

GREY = 114
"""The brightness of what is left of the input around the image, as the YOLO family has it."""


class Fit(StrEnum):
    """Where in the input the image goes. Only `stretch` changes its proportions, and leaves nothing free."""

    CENTRE = "centre"
    TOP_LEFT = "top-left"
    STRETCH = "stretch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where an image lies in the input of a model, in pixels of the input.

    The two scales are those of the scaled image, which has whole pixels: they are equal up to that, or with `stretch`
    not at all. Positions are continuous: 0 is the left border of the first pixel, 1 its right one.
    """

    left: int
    top: int
    width: int
    height: int
    scale_x: float
    scale_y: float

    def to_original(self, boxes_xyxy: Array) -> Floats:
        """Boxes of the input, `(N, 4)`, in pixels of the image. They may reach out of it.

        >>> placement(200, 100, 640, 640).to_original(np.array([[0, 160, 640, 480]]))
        array([[  0.,   0., 200., 100.]])
        """
        return (as_boxes(boxes_xyxy) - self._offsets()) / self._scales()

    def to_input(self, boxes_xyxy: Array) -> Floats:
        """Boxes of the image, `(N, 4)`, in pixels of the input; the way back of `to_original`."""
        return as_boxes(boxes_xyxy) * self._scales() + self._offsets()

    def _offsets(self) -> Floats:
        return np.array([self.left, self.top, self.left, self.top], dtype=np.float64)

    def _scales(self) -> Floats:
        return np.array([self.scale_x, self.scale_y, self.scale_x, self.scale_y], dtype=np.float64)


def placement(
    image_width: int, image_height: int, input_width: int, input_height: int, fit: Fit = Fit.CENTRE
) -> Placement:
    """Where an image of this size goes. At least one pixel of it remains, however narrow it is."""
    if image_width < 1 or image_height < 1:
        raise InvalidImageError(f"the image has no pixels: it is {image_width}×{image_height}")
    if fit is Fit.STRETCH:
        width, height = input_width, input_height
    else:
        scale = min(input_width / image_width, input_height / image_height)
        width = min(max(round(image_width * scale), 1), input_width)
        height = min(max(round(image_height * scale), 1), input_height)
    return Placement(
        left=(input_width - width) // 2 if fit is Fit.CENTRE else 0,
        top=(input_height - height) // 2 if fit is Fit.CENTRE else 0,
        width=width,
        height=height,
        scale_x=width / image_width,
        scale_y=height / image_height,
    )


def letterbox(
    image: NDArray[np.uint8],
    width: int,
    height: int,
    fit: Fit = Fit.CENTRE,
    out: NDArray[np.uint8] | None = None,
) -> tuple[NDArray[np.uint8], Placement]:
    """The image, `(H, W, 3)` uint8, scaled by one factor to fit into `(height, width, 3)`, grey around it.

    Written into `out` where that is given. Scaling is bilinear, up as well as down. `InvalidImageError` if the image
    has no pixels or another shape.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InvalidImageError(
            f"images for ONNX models have the shape (height, width, 3) and uint8 pixels; this one {image.shape} and "
            f"{image.dtype}"
        )
    place = placement(image.shape[1], image.shape[0], width, height, fit)
    canvas = np.empty((height, width, 3), dtype=np.uint8) if out is None else out
    inner = canvas[place.top : place.top + place.height, place.left : place.left + place.width]
    if place.width < width:
        canvas[:, : place.left] = GREY
        canvas[:, place.left + place.width :] = GREY
    if place.height < height:
        canvas[: place.top] = GREY
        canvas[place.top + place.height :] = GREY
    if image.shape[:2] == inner.shape[:2]:
        inner[...] = image
    else:
        cv2.resize(image, (place.width, place.height), dst=inner, interpolation=cv2.INTER_LINEAR)
    return canvas, place
