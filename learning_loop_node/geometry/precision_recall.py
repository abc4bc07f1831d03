"""How precision and recall depend on the confidence from which on predictions are believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .boxes import Array

RECALLS = np.linspace(0.0, 1.0, 101)
"""Where COCO looks at a curve."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PrecisionRecall:
    """A curve: if predictions from `confidences[i]` on are believed, `precision[i]` of them are right, and of what is
    there `recall[i]` is found. All `(K,)`, from the highest confidence to the lowest; each confidence once.
    """

    confidences: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]


def precision_recall(scores: Array, is_right: Array, truth_count: int) -> PrecisionRecall:
    """The curve of one class: `scores` and `is_right` `(N,)` of all predictions in all images.

    What is right is decided before, by `match` in each image. Recall is NaN where there is no truth.

    >>> curve = precision_recall(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 4)
    >>> curve.precision.round(2), curve.recall
    (array([1.  , 0.5 , 0.67]), array([0.25, 0.25, 0.5 ]))
    """
    scores, is_right = np.asarray(scores, np.float64), np.asarray(is_right, np.bool_)
    if scores.shape != is_right.shape or scores.ndim != 1:
        raise ValueError(f"scores and is_right must be lists of equal length, not {scores.shape} and {is_right.shape}")
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(is_right[order])
    believed = np.arange(1, len(scores) + 1)
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)) if len(scores) else np.empty(0, np.intp)
    return PrecisionRecall(
        confidences=scores[order][ends],
        precision=right[ends] / believed[ends],
        recall=right[ends] / truth_count if truth_count else np.full(len(ends), np.nan),
    )


def average_precision(curve: PrecisionRecall) -> float:
    """The mean of `interpolated_precision`, as COCO has it; of a class that is somewhere, at one least overlap.

    >>> round(average_precision(precision_recall([0.9, 0.8, 0.7], [True, False, True], 4)), 4)
    0.4224
    """
    return float(interpolated_precision(curve).mean())


def interpolated_precision(curve: PrecisionRecall, recalls: Array = RECALLS) -> NDArray[np.float64]:
    """The best precision that can be had with at least each of these recalls, `(R,)`; 0 where none reaches it.

    The mean over the 101 recalls is the average precision of COCO (Everingham et al., The PASCAL Visual Object Classes
    Challenge, IJCV 2010, section 4.2, with COCO's finer steps).

    >>> interpolated_precision(precision_recall([0.9, 0.8, 0.7], [True, False, True], 4), [0.0, 0.3, 0.6]).round(2)
    array([1.  , 0.67, 0.  ])
    """
    best_from_here = np.maximum.accumulate(curve.precision[::-1])[::-1]
    places = np.searchsorted(curve.recall, np.asarray(recalls), side="left")
    return np.append(best_from_here, 0.0)[places]
