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
    """How the image gets the shape of the input.

    It is scaled by one factor until it fits into the `centre` or at the `top-left`; or each side is, with `stretch`.
    With `crop`, its longer side is cut on both ends instead, as for models that classify.
    """

    CENTRE = "centre"
    TOP_LEFT = "top-left"
    STRETCH = "stretch"
    CROP = "crop"


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
    """Where an image of this size goes. At least one pixel of it remains, however narrow it is.

    With `crop` the image is what remains of it.
    """
    if image_width < 1 or image_height < 1:
        raise InvalidImageError(f"the image has no pixels: it is {image_width}×{image_height}")
    if fit in (Fit.STRETCH, Fit.CROP):
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
    has no pixels or another shape. With `crop`, the place is that of the part that is left.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InvalidImageError(
            f"images for ONNX models have the shape (height, width, 3) and uint8 pixels; this one {image.shape} and "
            f"{image.dtype}"
        )
    if fit is Fit.CROP:
        image = _middle(image, width, height)
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


def _middle(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The largest part around the middle that has these proportions, as nearly as whole pixels can."""
    image_height, image_width = image.shape[:2]
    scale = min(image_width / width, image_height / height)
    part_width, part_height = max(round(width * scale), 1), max(round(height * scale), 1)
    left, top = (image_width - part_width) // 2, (image_height - part_height) // 2
    return image[max(top, 0) : top + part_height, max(left, 0) : left + part_width]
