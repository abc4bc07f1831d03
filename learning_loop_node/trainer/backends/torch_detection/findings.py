"""What a model finds in images, and what is there, in pixels of the images: as it is judged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....data_classes import Category
from ....evaluation.labels import Found, Truth, squares_for_points
from ....geometry.boxes import Array
from ....geometry.suppression import suppress_per_class
from .samples import Sample

IOU_THRESHOLD = 0.6
"""Of two boxes of a class that overlap by more than this, the better one stays."""

LEAST_SCORE = 0.01
"""Below this nothing counts, not even for an average precision."""

MOST_CANDIDATES = 1000
MOST_FOUND = 100


def found_in(sample: Sample, output: Array, categories: Sequence[Category]) -> Found:
    """What is in one image, from the model's `(4 + C, A)` for it."""
    values = np.asarray(output, np.float64)
    scores, classes = values[4:].max(axis=0), values[4:].argmax(axis=0)
    sure = np.flatnonzero(scores > LEAST_SCORE)
    centers, sides, scores, classes = values[:2, sure].T, values[2:4, sure].T, scores[sure], classes[sure]
    boxes = np.concatenate([centers - sides / 2, centers + sides / 2], axis=1)
    kept = suppress_per_class(
        boxes, scores, classes, max_overlap=IOU_THRESHOLD, max_candidates=MOST_CANDIDATES, max_kept=MOST_FOUND
    )
    return Found(
        boxes_xyxy=squares_for_points(sample.place.to_original(boxes[kept]), classes[kept], categories),
        classes=classes[kept],
        scores=scores[kept],
    )


def truth_in(sample: Sample, categories: Sequence[Category]) -> Truth:
    boxes = sample.place.to_original(sample.boxes)
    return Truth(
        boxes_xyxy=squares_for_points(boxes, sample.classes, categories), classes=sample.classes.astype(np.intp)
    )
