"""From what a model puts out for one image to boxes, scores and categories."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import DetectionFailedError
from ..geometry.boxes import Array, Floats
from ..geometry.suppression import Indices, suppress_per_class
from .layouts import NORMALISED_LIMIT, TOLERANCE, Reading
from .parameters import Activation, Background, Layout

UNSEEN_LAYOUTS = {Layout.END_TO_END, Layout.NMS, Layout.RT_DETR_SIZED}
"""Those of which a trial shows no boxes, where nothing is found in it."""

MAX_CANDIDATES = 10_000
"""So many boxes, the best ones, are compared with each other at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """What was found: boxes xyxy `(N, 4)` in pixels of the input, scores and numbers of categories `(N,)`."""

    boxes_xyxy: Floats
    scores: NDArray[np.float32]
    classes: Indices


class Decoder:
    """Reads the outputs of one model. Scores must be above the threshold; of each class, overlapping boxes go.

    Whatever cannot be meant raises `DetectionFailedError`: numbers that are not finite, scores that are no
    probabilities, categories that the model does not have, boxes turned inside out.
    """

    def __init__(
        self, reading: Reading, *, width: int, height: int, categories: int, max_overlap: float, max_detections: int
    ) -> None:
        self._reading = reading
        self._size = np.array([width, height, width, height], dtype=np.float64)
        self._categories = categories
        self._max_overlap = max_overlap
        self._max_detections = max_detections

    def decode(self, outputs: Sequence[Array], threshold: float) -> Raw:
        """What was found, best first; `outputs` are those of one image, in the order of the reading."""
        for name, values in zip(self._reading.outputs, outputs, strict=True):
            require_finite(name, values)
        boxes, scores, classes = self._candidates([_wide(values) for values in outputs], threshold)
        self._check(boxes, scores, classes)
        if self._reading.layout in (Layout.YOLOV5, Layout.YOLOV8):
            kept = suppress_per_class(
                boxes,
                scores,
                classes,
                max_overlap=self._max_overlap,
                max_candidates=MAX_CANDIDATES,
                max_kept=self._max_detections,
            )
        else:
            kept = np.argsort(-scores, kind="stable")[: self._max_detections]
        return Raw(boxes_xyxy=boxes[kept], scores=scores[kept], classes=classes[kept])

    def _candidates(self, outputs: Sequence[Array], threshold: float) -> tuple[Floats, Array, Indices]:
        first = outputs[0]
        match self._reading.layout:
            case Layout.YOLOV8:
                rows, scores, classes = self._best(first[4:], 0, threshold)
                return self._corners(first[:4, rows].T), scores, classes
            case Layout.YOLOV5:
                certain = np.flatnonzero(self._activated(first[:, 4]) > threshold)
                first = first[certain]
                _check_scores(self._activated(first[:, 4]))
                weighted = self._activated(first[:, 5:]) * self._activated(first[:, 4:5])
                rows, scores, classes = _above(weighted, 1, threshold)
                return self._corners(first[rows, :4]), scores, classes
            case Layout.RT_DETR:
                rows, scores, classes = self._best(first[:, 4:], 1, threshold)
                return self._corners(first[rows, :4]), scores, classes
            case Layout.DETR:
                rows, scores, classes = self._best(outputs[1], 1, threshold)
                return self._corners(first[rows]), scores, classes
            case Layout.END_TO_END:
                found = first[first[:, 4] > threshold]
                return self._in_pixels(found[:, :4]), found[:, 4], self._class_numbers(found[:, 5])
            case Layout.RT_DETR_END_TO_END:
                found = first[first[:, 4] > threshold]
                return self._corners(found[:, :4]), found[:, 4], self._class_numbers(found[:, 5])
            case Layout.NMS:
                return self._counted(*outputs, threshold=threshold)
            case Layout.RT_DETR_SIZED:
                boxes, scores, labels = outputs
                found = np.flatnonzero(scores > threshold)
                return self._in_pixels(boxes[found]), scores[found], self._class_numbers(labels[found])
            case Layout.CLASSIFIER:
                _, scores, classes = self._best(first.reshape(1, -1), 1, threshold)
                return np.tile(np.concatenate([[0, 0], self._size[:2]]), (len(scores), 1)), scores, classes

    def _counted(
        self, counts: Array, boxes: Array, scores: Array, labels: Array, *, threshold: float
    ) -> tuple[Floats, Array, Indices]:
        count = int(counts.reshape(-1)[0])
        if not 0 <= count <= len(boxes):
            raise DetectionFailedError(f"the model says that it has found {count} boxes; it has room for {len(boxes)}")
        found = np.flatnonzero(scores[:count] > threshold)
        return self._in_pixels(boxes[found]), scores[found], self._class_numbers(labels[found])

    def _best(self, scores: Array, axis: int, threshold: float) -> tuple[Indices, Array, Indices]:
        """Which boxes have a category above the threshold, its score, and its number."""
        match self._reading.activation:
            case Activation.NONE:
                return self._without_background(scores, axis, threshold)
            case Activation.SOFTMAX:
                return self._without_background(_softmax(scores, axis), axis, threshold)
            case Activation.SIGMOID:
                # The larger number has the larger probability, so that only few have to be computed.
                rows, best, classes = self._without_background(scores, axis, _logit(threshold))
                return rows, _sigmoid(best), classes

    def _without_background(self, scores: Array, axis: int, threshold: float) -> tuple[Indices, Array, Indices]:
        match self._reading.background:
            case Background.FIRST:
                scores = scores[1:] if axis == 0 else scores[:, 1:]
            case Background.LAST:
                scores = scores[:-1] if axis == 0 else scores[:, :-1]
        return _above(scores, axis, threshold)

    def _activated(self, values: Array) -> Array:
        return _sigmoid(values) if self._reading.activation is Activation.SIGMOID else values

    def _corners(self, boxes_cxcywh: Array) -> Floats:
        boxes = np.asarray(boxes_cxcywh, dtype=np.float64)
        halves = boxes[:, 2:] / 2
        return self._in_pixels(np.hstack([boxes[:, :2] - halves, boxes[:, :2] + halves]))

    def _in_pixels(self, boxes: Array) -> Floats:
        boxes = np.asarray(boxes, dtype=np.float64)
        if not len(boxes):
            return boxes
        largest = np.abs(boxes).max()
        if self._reading.normalised:
            if largest > NORMALISED_LIMIT:
                raise DetectionFailedError(
                    f"the model gives boxes that reach {largest:.0f} times the size of its input; are they pixels "
                    "(onnx.normalised in model.json)?"
                )
            return boxes * self._size
        if largest <= NORMALISED_LIMIT and self._reading.layout in UNSEEN_LAYOUTS:
            raise DetectionFailedError(
                f"the model gives boxes of which none reaches further than {largest:.2f} pixels; are they shares of "
                "the input (onnx.normalised in model.json)?"
            )
        return boxes

    def _class_numbers(self, labels: Array) -> Indices:
        numbers = np.rint(labels).astype(np.intp)
        if len(numbers) and np.abs(labels - numbers).max() > TOLERANCE:
            raise DetectionFailedError(f"the model names the category {labels[0]}; is onnx.layout in model.json right?")
        return numbers

    def _check(self, boxes: Floats, scores: Array, classes: Indices) -> None:
        if not len(boxes):
            return
        _check_scores(scores)
        if classes.min() < 0 or classes.max() >= self._categories:
            wrong = next(number for number in classes.tolist() if not 0 <= number < self._categories)
            raise DetectionFailedError(
                f"the model found its category {wrong}, but model.json names {self._categories} (from 0 on)"
            )
        if (boxes[:, 2:] - boxes[:, :2]).min() < -1:
            raise DetectionFailedError(
                "the model gives a box that ends before it begins; is onnx.layout in model.json right?"
            )


def require_finite(name: str, values: Array) -> None:
    """Raise `DetectionFailedError` if there is a NaN or infinity among a model's numbers."""
    # The sum is quick, but may overflow by itself.
    if values.dtype.kind == "f" and not np.isfinite(values.sum(dtype=np.float32)):
        broken = int(np.count_nonzero(~np.isfinite(values)))
        if broken:
            raise DetectionFailedError(
                f"{broken} of the {values.size} numbers that the model puts out as {name} are NaN or infinite"
            )


def _above(scores: Array, axis: int, threshold: float) -> tuple[Indices, Array, Indices]:
    best = scores.max(axis=axis, initial=-np.inf)
    rows = np.flatnonzero(best > threshold)
    if not len(rows):
        return rows, np.empty(0, np.float32), np.empty(0, np.intp)
    return rows, best[rows], np.argmax(scores[:, rows] if axis == 0 else scores[rows], axis=axis)


def _check_scores(scores: Array) -> None:
    if len(scores) and scores.max() > 1 + TOLERANCE:
        raise DetectionFailedError(
            f"the model gives a score of {scores.max():.3g}, which is no probability; set onnx.activation in model.json"
        )


def _wide(values: Array) -> Array:
    return values.astype(np.float32) if values.dtype == np.float16 else values


def _sigmoid(values: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -80, 80))))


def _logit(share: float) -> float:
    if 0 < share < 1:
        return math.log(share / (1 - share))
    return math.inf if share >= 1 else -math.inf


def _softmax(values: Array, axis: int) -> Array:
    powers = np.exp(values - values.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))
