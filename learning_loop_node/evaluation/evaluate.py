"""From truth and predictions to everything that is said about a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry.matching import Matches, confusion_counts, macro_f1, match, precision_recall_f1, within_classes
from ..geometry.overlap import overlaps
from ..geometry.precision_recall import PrecisionRecall, precision_recall
from .average_precision import AveragePrecisions, average_precisions
from .labels import Found, Truth

LEAST_OVERLAP = 0.5
CONFIDENCES = np.round(np.arange(0.05, 0.96, 0.01), 2)
"""Those among which `best_confidence` chooses."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """What predictions are worth. Rows belong to the classes, in their order; what cannot be said is NaN.

    `counts` are true positives, false positives and false negatives `(C, 3)` of predictions from `confidence` on, and
    `scores` their precision, recall and F1 `(C, 3)`. `curves` and `average` look at all predictions.
    """

    confidence: float
    counts: NDArray[np.intp]
    scores: NDArray[np.float64]
    macro_f1: float
    curves: list[PrecisionRecall]
    average: AveragePrecisions


class Comparison:
    """Predictions matched with what is there, image by image, the surest first.

    A prediction matches the free truth of its class that it overlaps most, by at least `least_overlap`. From which
    confidence on predictions are believed does not change that.
    """

    def __init__(
        self, truths: Sequence[Truth], found: Sequence[Found], class_count: int, least_overlap: float = LEAST_OVERLAP
    ) -> None:
        if len(truths) != len(found):
            raise ValueError(f"there are {len(truths)} images with truth, but predictions for {len(found)}")
        self.class_count = class_count
        self.matches = [_match(truth, one, least_overlap) for truth, one in zip(truths, found, strict=True)]
        self._truths, self._found = truths, found

    def counts_in(self, image: int, confidence: float) -> NDArray[np.intp]:
        """True positives, false positives and false negatives of each class in one image, `(C, 3)`."""
        truth, one = self._truths[image], self._found[image]
        sure = _only_sure(self.matches[image], one.scores >= confidence)
        counts = confusion_counts(sure, one.classes, truth.classes, self.class_count)
        counts[:, 1] -= np.bincount(one.classes[one.scores < confidence], minlength=self.class_count)
        return counts

    def counts(self, confidence: float) -> NDArray[np.intp]:
        """The same of all images together."""
        total = np.zeros((self.class_count, 3), np.intp)
        for image in range(len(self._truths)):
            total += self.counts_in(image, confidence)
        return total

    def curves(self) -> list[PrecisionRecall]:
        """Precision and recall of each class."""
        classes = np.concatenate([np.empty(0, np.intp), *(one.classes for one in self._found)])
        scores = np.concatenate([np.empty(0), *(one.scores for one in self._found)])
        is_right = np.concatenate([np.empty(0, np.bool_), *map(self._right_in, range(len(self._found)))])
        truths = np.concatenate([np.empty(0, np.intp), *(truth.classes for truth in self._truths)])
        amounts = np.bincount(truths, minlength=self.class_count)
        return [
            precision_recall(scores[classes == number], is_right[classes == number], int(amounts[number]))
            for number in range(self.class_count)
        ]

    def best_confidence(self) -> float:
        """The one with the best macro F1; where many are equally good, that in their middle. 0.5 if none is."""
        values = np.array([macro_f1(self.counts(float(confidence))) for confidence in CONFIDENCES])
        if np.isnan(values).all() or values.max() <= 0:
            return 0.5
        best = np.flatnonzero(values >= values.max() - 1e-9)
        return float(CONFIDENCES[best[len(best) // 2]])

    def _right_in(self, image: int) -> NDArray[np.bool_]:
        right = np.zeros(len(self._found[image].scores), np.bool_)
        right[self.matches[image].predictions] = True
        return right


def evaluate(
    truths: Sequence[Truth], found: Sequence[Found], class_count: int, *, confidence: float | None = None
) -> Evaluation:
    """What the predictions for some images are worth, image by image in the same order.

    Without `confidence`, that with the best macro F1 on these very images is taken.
    """
    comparison = Comparison(truths, found, class_count)
    confidence = comparison.best_confidence() if confidence is None else confidence
    counts = comparison.counts(confidence)
    return Evaluation(
        confidence=confidence,
        counts=counts,
        scores=precision_recall_f1(counts),
        macro_f1=macro_f1(counts),
        curves=comparison.curves(),
        average=average_precisions(truths, found, class_count),
    )


def _match(truth: Truth, found: Found, least_overlap: float) -> Matches:
    similar = within_classes(overlaps(found.boxes_xyxy, truth.boxes_xyxy), found.classes, truth.classes)
    return match(similar, found.scores, least=least_overlap)


def _only_sure(matches: Matches, is_sure: NDArray[np.bool_]) -> Matches:
    """Without the predictions that are not believed; what they had found is then missed."""
    kept = is_sure[matches.predictions]
    return Matches(
        predictions=matches.predictions[kept],
        truths=matches.truths[kept],
        wrong_predictions=matches.wrong_predictions[is_sure[matches.wrong_predictions]],
        missed_truths=np.sort(np.concatenate([matches.missed_truths, matches.truths[~kept]])),
    )
