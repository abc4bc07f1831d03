"""Counts what a model found right, found wrong and missed, image by image."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..geometry.boxes import Floats, to_xyxy
from ..geometry.matching import match
from ..geometry.overlap import overlaps, polygon_overlaps
from ..geometry.points import as_points, distances
from ..geometry.precision_recall import PrecisionRecall, average_precision, precision_recall

POINT_DISTANCE = 10.0
"""How far from the truth, in pixels, a point of a category without a size of its own may be."""

MOST_PAIRS = 1_000_000
"""So many similarities are worked out at a time."""


class Known(Protocol):
    """A category of the project."""

    id: Any
    name: Any
    point_size: Any


class Mark(Protocol):
    """Something in an image: a row of an annotation or, with a confidence, of a detection."""

    kind: Any
    category_id: Any
    category_name: Any
    geometry: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What counts as found: detections of this confidence, so near to an annotation of the same category.

    Without `max_distance` a point may be as far away as the `point_size` of its category.
    """

    min_confidence: float = 0.0
    min_overlap: float = 0.5
    max_distance: float | None = None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Of one kind and category in one image: the detections `(N,)`, the surest first, and how many truths there are."""

    confidences: Floats
    is_right: NDArray[np.bool_]
    truth_count: int


@dataclass(slots=True)
class Tally:
    """The counts of one model. `scale` is what its confidences are shares of: 1, or 100 where they are percent.

    With `has_curves` it also remembers each detection, those below the least confidence, too.
    """

    categories: Sequence[Known]
    demand: Demand
    scale: float = 1.0
    has_curves: bool = False
    most_pairs: int = MOST_PAIRS
    ignored: int = 0
    """Detections of categories that the project does not have."""
    counts: NDArray[np.intp] = field(init=False)
    """Right, wrong and missed of each category, `(K, 3)`."""
    _by_id: dict[str, int] = field(init=False)
    _by_name: dict[str, int] = field(init=False)
    _outcomes: list[list[_Outcome]] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = np.zeros((len(self.categories), 3), dtype=np.intp)
        self._by_id = {category.id: place for place, category in enumerate(self.categories)}
        self._by_name = {category.name: place for place, category in enumerate(self.categories)}
        self._outcomes = [[] for _ in self.categories]

    def add(self, truths: Iterable[Mark], found: Iterable[Any]) -> None:
        """Count one image; `found` has rows of detections."""
        stated, _ = self._grouped(truths)
        found = found if self.has_curves else [mark for mark in found if self._is_sure(mark)]
        detected, unknown = self._grouped(found)
        self.ignored += sum(map(self._is_sure, unknown))
        for kind, place in dict.fromkeys([*stated, *detected]):
            outcome = self._matched(kind, place, stated[kind, place], detected[kind, place])
            is_sure = outcome.confidences >= self.demand.min_confidence
            right = np.count_nonzero(outcome.is_right & is_sure)
            self.counts[place] += right, np.count_nonzero(is_sure) - right, outcome.truth_count - right
            if self.has_curves:
                self._outcomes[place].append(outcome)

    def curves(self) -> list[PrecisionRecall]:
        """Precision and recall of each category, whatever the least confidence; empty without `has_curves`."""
        truth_counts = self.counts[:, 0] + self.counts[:, 2]
        return [
            precision_recall(
                np.concatenate([np.empty(0), *(outcome.confidences for outcome in outcomes)]),
                np.concatenate([np.empty(0, np.bool_), *(outcome.is_right for outcome in outcomes)]),
                int(truth_count),
            )
            for outcomes, truth_count in zip(self._outcomes, truth_counts, strict=True)
        ]

    def average_precisions(self) -> Floats:
        """Of each category `(K,)`, at the least overlap or the farthest distance demanded; NaN where it is nowhere."""
        is_somewhere = self.counts[:, 0] + self.counts[:, 2] > 0
        pairs = zip(self.curves(), is_somewhere.tolist(), strict=True)
        return np.array([average_precision(curve) if is_there else math.nan for curve, is_there in pairs])

    def _is_sure(self, mark: Any) -> bool:
        return bool(mark.confidence / self.scale >= self.demand.min_confidence)

    def _grouped(self, marks: Iterable[Mark]) -> tuple[defaultdict[tuple[str, int], list[Any]], list[Mark]]:
        """The marks by kind and category, and those that have none of the project's."""
        groups: defaultdict[tuple[str, int], list[Any]] = defaultdict(list)
        unknown = []
        for mark in marks:
            place = self._by_id.get(mark.category_id, self._by_name.get(mark.category_name))
            if place is None:
                unknown.append(mark)
            else:
                groups[mark.kind, place].append(mark)
        return groups, unknown

    def _matched(self, kind: str, place: int, truths: Sequence[Mark], found: Sequence[Any]) -> _Outcome:
        confidences = np.array([mark.confidence for mark in found], dtype=np.float64)
        order = np.argsort(-confidences, kind="stable")
        sorted_confidences = confidences[order] / self.scale
        if kind == "classification":  # said of the image once, however often it is repeated
            return _Outcome(sorted_confidences[:1], np.full(min(1, len(found)), bool(truths)), min(1, len(truths)))
        is_right = np.zeros(len(found), np.bool_)
        if not truths or not found:
            return _Outcome(sorted_confidences, is_right, len(truths))
        similar, least = self._similarity(kind, place)
        true, seen = [mark.geometry for mark in truths], [found[index].geometry for index in order]
        start = 0
        while start < len(seen) and true:
            end = start + max(1, self.most_pairs // len(true))
            with np.errstate(all="ignore"):  # of coordinates without measure, which overlap nothing
                similarities = np.nan_to_num(similar(seen[start:end], true), nan=-math.inf, posinf=0.0)
            matches = match(similarities, sorted_confidences[start:end], least=least)
            is_right[start + matches.predictions] = True
            true = [true[index] for index in matches.missed_truths]
            start = end
        return _Outcome(sorted_confidences, is_right, len(truths))

    def _similarity(self, kind: str, place: int) -> tuple[Callable[[list[Any], list[Any]], Floats], float]:
        """How alike things of a kind are, and how alike they must be at least."""
        if kind == "point":
            given = self.demand.max_distance
            farthest = given if given is not None else self.categories[place].point_size or POINT_DISTANCE
            return (lambda a, b: -distances(_points(a), _points(b))), -farthest
        if kind == "segmentation":
            return (lambda a, b: polygon_overlaps(_outlines(a), _outlines(b))), self.demand.min_overlap
        return (lambda a, b: overlaps(_boxes(a), _boxes(b))), self.demand.min_overlap


def _boxes(places: Iterable[Mapping[str, Any]]) -> Floats:
    return to_xyxy(np.array([[place[name] for name in ("x", "y", "width", "height")] for place in places], dtype=float))


def _points(places: Iterable[Mapping[str, Any]]) -> Floats:
    return as_points(np.array([[place["x"], place["y"]] for place in places], dtype=float))


def _outlines(places: Iterable[Mapping[str, Any]]) -> list[Floats]:
    return [_outline(place["shape"]) for place in places]


def _outline(shape: Any) -> Floats:
    """The corners of a shape as it is kept; none where it is a text that says nothing."""
    if isinstance(shape, str):
        try:
            values = np.array([float(number) for number in shape.split(",")])
        except ValueError:
            return np.empty((0, 2))
        corners = values[: len(values) // 2 * 2].reshape(-1, 2)
    else:
        corners = np.array([[point["x"], point["y"]] for point in shape["points"]], dtype=float).reshape(-1, 2)
    return corners if np.isfinite(corners).all() else np.empty((0, 2))
