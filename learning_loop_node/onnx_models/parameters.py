"""What `model.json` may say below `onnx` about how a model is read; every key may be left out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, TypeVar

from ..data_classes.codec import from_dict, to_dict
from ..errors import InvalidDataError, ModelRefusedError
from .letterbox import Fit

logger = logging.getLogger(__name__)

KEY = "onnx"
CHANNELS = 3
MAX_DETECTIONS = 300
E = TypeVar("E", bound=StrEnum)


class Layout(StrEnum):
    """What the outputs of a model mean. N images, C categories; boxes are in pixels of the input unless normalised."""

    YOLOV5 = "yolov5"
    """One output `(N, A, 5 + C)`: cx, cy, width, height, score of there being something, scores of categories."""
    YOLOV8 = "yolov8"
    """One output `(N, 4 + C, A)`: cx, cy, width, height, scores of categories."""
    END_TO_END = "end_to_end"
    """One output `(N, K, 6)`: x1, y1, x2, y2, score, category; what overlaps has been removed."""
    NMS = "nms"
    """Number of boxes `(N, 1)`, boxes x1, y1, x2, y2 `(N, K, 4)`, scores and categories `(N, K)`."""
    RT_DETR = "rt_detr"
    """One output `(N, Q, 4 + C)`: cx, cy, width, height, normalised, scores of categories."""
    RT_DETR_END_TO_END = "rt_detr_end_to_end"
    """One output `(N, K, 6)`: cx, cy, width, height, normalised, score, category."""
    RT_DETR_SIZED = "rt_detr_sized"
    """A second input with the size of the image; categories `(N, Q)`, boxes x1, y1, x2, y2 `(N, Q, 4)`, scores."""
    DETR = "detr"
    """Boxes cx, cy, width, height, normalised, `(N, Q, 4)` and scores of categories `(N, Q, C)` or `(N, Q, C + 1)`."""
    CLASSIFIER = "classifier"
    """One output `(N, C)`: a score for each category of the whole image."""


class Activation(StrEnum):
    """What makes probabilities of a model's scores."""

    NONE = "none"
    SIGMOID = "sigmoid"
    SOFTMAX = "softmax"


class Background(StrEnum):
    """Which of C + 1 scores is that of nothing being there; `none` where each one belongs to a category."""

    FIRST = "first"
    LAST = "last"
    NONE = "none"


class Color(StrEnum):
    """The order of the channels."""

    RGB = "rgb"
    BGR = "bgr"


@dataclass(frozen=True, kw_only=True, slots=True)
class OnnxParameters:
    """How a model is fed and read. What is None follows from the layout.

    A pixel from 0 to 255 becomes `(pixel * scale - mean) / std`, with one mean and std per channel.
    """

    layout: Layout | None = None
    iou_threshold: float | None = None
    max_detections: int = MAX_DETECTIONS
    scale: float | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    color: Color = Color.RGB
    letterbox: Fit | None = None
    activation: Activation | None = None
    background: Background | None = None
    normalised: bool | None = None

    @staticmethod
    def from_json(data: Any) -> OnnxParameters:
        """From the object below `onnx`; `ModelRefusedError` names the key that is wrong. None counts as empty."""
        if data is None:
            return OnnxParameters()
        if not isinstance(data, Mapping):
            raise ModelRefusedError(f"{KEY} in model.json must be an object")
        known = {one.name for one in fields(OnnxParameters)}
        if unknown := sorted(set(map(str, data)) - known):
            logger.warning("%s in model.json has the keys %s, which are not known here", KEY, ", ".join(unknown))
        try:
            given = from_dict(_Given, data)
        except InvalidDataError as error:
            raise ModelRefusedError(f"model.json: {str(error).replace('_Given', KEY)}") from error
        return _checked(given)

    def to_json(self) -> dict[str, Any]:
        """The object below `onnx` that says the same."""
        return {key: value for key, value in to_dict(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Given:
    """The keys as JSON has them."""

    layout: str | None = None
    iou_threshold: float | None = None
    max_detections: int = MAX_DETECTIONS
    scale: float | None = None
    mean: list[float] | None = None
    std: list[float] | None = None
    color: str = Color.RGB.value
    letterbox: str | None = None
    activation: str | None = None
    background: str | None = None
    normalised: bool | None = None


def _checked(given: _Given) -> OnnxParameters:
    rules = {
        "iou_threshold must be from 0 to 1": given.iou_threshold is None or 0 <= given.iou_threshold <= 1,
        "max_detections must be from 1 to 100000": 1 <= given.max_detections <= 100_000,
        "scale must be above 0": given.scale is None or given.scale > 0,
        "mean must be a list of three numbers": given.mean is None or len(given.mean) == CHANNELS,
        "std must be a list of three numbers above 0": given.std is None
        or (len(given.std) == CHANNELS and min(given.std) > 0),
    }
    if broken := [rule for rule, is_kept in rules.items() if not is_kept]:
        raise ModelRefusedError(f"model.json: {KEY}.{broken[0]}")
    return OnnxParameters(
        layout=_one_of(Layout, "layout", given.layout),
        iou_threshold=given.iou_threshold,
        max_detections=given.max_detections,
        scale=given.scale,
        mean=_triple(given.mean),
        std=_triple(given.std),
        color=_one_of(Color, "color", given.color) or Color.RGB,
        letterbox=_one_of(Fit, "letterbox", given.letterbox),
        activation=_one_of(Activation, "activation", given.activation),
        background=_one_of(Background, "background", given.background),
        normalised=given.normalised,
    )


def _one_of(choices: type[E], key: str, value: str | None) -> E | None:
    if value is None:
        return None
    try:
        return choices(value)
    except ValueError as error:
        raise ModelRefusedError(
            f"model.json: {KEY}.{key} is {value!r}; it must be one of {', '.join(choices)}"
        ) from error


def _triple(values: list[float] | None) -> tuple[float, float, float] | None:
    return None if values is None else (values[0], values[1], values[2])
