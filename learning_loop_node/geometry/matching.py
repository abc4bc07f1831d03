"""Matching predictions to what is true, counting what was right, wrong and missed, and what that is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .boxes import Array
from .suppression import Indices


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matches:
    """Which prediction belongs to which truth: row by row of the first two, `(K,)` each; and those left over."""

    predictions: Indices
    truths: Indices
    wrong_predictions: Indices
    missed_truths: Indices


def match(similarities: Array, scores: Array, *, least: float) -> Matches:
    """Give each prediction, the best first, the most similar truth that is still free and similar enough.

    `similarities` is `(N predictions, M truths)`, as `overlaps` makes it, `scores` is `(N,)`. Where only equal classes
    may match, use `within_classes` before.

    >>> found = match(np.array([[0.6, 0.0], [0.9, 0.5]]), np.array([0.8, 0.7]), least=0.5)
    >>> found.predictions, found.truths
    (array([0, 1]), array([0, 1]))
    """
    similarities = np.asarray(similarities, dtype=np.float64)
    prediction_count, truth_count = similarities.shape
    scores = np.asarray(scores)
    if scores.shape != (prediction_count,):
        raise ValueError(f"there are {prediction_count} predictions, but scores have the shape {scores.shape}")
    truth_of = np.full(prediction_count, -1, dtype=np.intp)
    is_free = np.ones(truth_count, dtype=np.bool_)
    for prediction in np.argsort(-scores, kind="stable") if truth_count else ():
        candidates = np.where(is_free, similarities[prediction], -np.inf)
        truth = candidates.argmax()
        if candidates[truth] >= least:
            truth_of[prediction] = truth
            is_free[truth] = False
    matched = np.flatnonzero(truth_of >= 0)
    return Matches(
        predictions=matched,
        truths=truth_of[matched],
        wrong_predictions=np.flatnonzero(truth_of < 0),
        missed_truths=np.flatnonzero(is_free),
    )


def within_classes(similarities: Array, predicted_classes: Array, true_classes: Array) -> NDArray[np.float64]:
    """The similarities, −∞ between different classes.

    >>> within_classes(np.array([[0.6, 0.9]]), np.array([1]), np.array([1, 2]))
    array([[ 0.6, -inf]])
    """
    same = np.asarray(predicted_classes)[:, None] == np.asarray(true_classes)[None, :]
    return np.where(same, similarities, -np.inf)


def confusion_counts(
    matches: Matches, predicted_classes: Array, true_classes: Array, class_count: int
) -> NDArray[np.intp]:
    """True positives, false positives and false negatives of each class, `(class_count, 3)`.

    Classes are numbers from 0. A prediction matched to a truth of another class is false for its own class and a miss
    of the other.

    >>> found = match(np.array([[0.9], [0.1]]), np.array([0.8, 0.7]), least=0.5)
    >>> confusion_counts(found, np.array([0, 1]), np.array([0]), 2)
    array([[1, 0, 0],
           [0, 1, 0]])
    """
    predicted, true = _classes(predicted_classes, class_count), _classes(true_classes, class_count)
    is_right = predicted[matches.predictions] == true[matches.truths]
    right = np.bincount(true[matches.truths[is_right]], minlength=class_count)
    return np.column_stack(
        [
            right,
            np.bincount(predicted, minlength=class_count) - right,
            np.bincount(true, minlength=class_count) - right,
        ]
    )


def precision_recall_f1(counts: Array) -> NDArray[np.float64]:
    """Precision, recall and F1 of each class, `(K, 3)`, from counts as `confusion_counts` makes them, `(K, 3)`.

    What cannot be said is NaN: the precision of a class never predicted, the recall of one that is nowhere.

    >>> precision_recall_f1(np.array([[3, 1, 3], [0, 0, 2]])).round(2)
    array([[0.75, 0.5 , 0.6 ],
           [ nan, 0.  , 0.  ]])
    """
    right, wrong, missed = np.asarray(counts, dtype=np.float64).reshape(-1, 3).T
    return np.column_stack(
        [
            _quotient(right, right + wrong),
            _quotient(right, right + missed),
            _quotient(2 * right, 2 * right + wrong + missed),
        ]
    )


def macro_f1(counts: Array) -> float:
    """The mean F1 of the classes that occur among the truths, each with equal weight; NaN if none does.

    Predictions of other classes do not count here: one of them would weigh as much as a whole class.

    >>> round(macro_f1(np.array([[3, 1, 3], [0, 0, 2], [0, 7, 0]])), 2)
    0.3
    """
    counts = np.asarray(counts).reshape(-1, 3)
    occurs = counts[:, 0] + counts[:, 2] > 0
    return float(precision_recall_f1(counts[occurs])[:, 2].mean()) if occurs.any() else float("nan")


def _quotient(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)


def _classes(classes: Array, class_count: int) -> Indices:
    numbers = np.asarray(classes).astype(np.intp)
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < class_count:
        raise ValueError(f"classes must be from 0 to {class_count - 1}, not {numbers.min()} to {numbers.max()}")
    return numbers
