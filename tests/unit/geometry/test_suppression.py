"""Non-maximum suppression."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from learning_loop_node.geometry.overlap import overlaps
from learning_loop_node.geometry.suppression import suppress, suppress_per_class

BOXES = [[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 4], [50, 0, 60, 10]]


@pytest.mark.parametrize(
    ("boxes", "scores", "expected"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param(BOXES[:1], [0.5], [0], id="one"),
        pytest.param(BOXES, [0.9, 0.8, 0.7, 0.6], [0, 2, 3], id="the better one stays"),
        pytest.param(BOXES, [0.1, 0.2, 0.3, 0.4], [3, 2, 1], id="best first"),
        pytest.param(BOXES[:1] * 3, [0.5] * 3, [0], id="of equal ones the first stays"),
        pytest.param([[0, 0, 10, 10], [0, 0, 10, 5]], [0.5, 0.4], [0, 1], id="overlap of just the limit"),
        pytest.param([[0, 0, 10, 10], [0, 4, 10, 14], [0, 8, 10, 18]], [0.9, 0.8, 0.7], [0, 1, 2], id="chain"),
        pytest.param(
            [[0, 0, 10, 10], [0, 2, 10, 12], [0, 4, 10, 14]], [0.9, 0.8, 0.7], [0, 2], id="what is gone takes nothing"
        ),
    ],
)
def test_suppress(boxes: Any, scores: Any, expected: Any):
    kept = suppress(np.array(boxes), np.array(scores), max_overlap=0.5)
    assert kept.tolist() == expected
    classes = np.zeros(len(scores))
    assert suppress_per_class(np.array(boxes), np.array(scores), classes, max_overlap=0.5).tolist() == expected


def test_classes_do_not_suppress_each_other():
    kept = suppress_per_class(np.array(BOXES), np.array([0.6, 0.7, 0.8, 0.9]), np.array([1, 2, 1, 1]), max_overlap=0.3)
    assert kept.tolist() == [3, 2, 1]


def test_unequal_numbers_are_named():
    with pytest.raises(ValueError, match="4 boxes"):
        suppress(np.array(BOXES), np.array([0.5]), max_overlap=0.5)
    with pytest.raises(ValueError, match="4 boxes but 1 classes"):
        suppress_per_class(np.array(BOXES), np.ones(4), np.array([1]), max_overlap=0.5)


def test_limits():
    boxes, scores = np.array(BOXES), np.array([0.6, 0.7, 0.8, 0.9])
    assert suppress(boxes, scores, max_overlap=0.5, max_kept=2).tolist() == [3, 2]
    assert suppress(boxes, scores, max_overlap=0.5, max_candidates=2).tolist() == [3, 2]
    assert suppress(boxes, scores, max_overlap=0.5, max_kept=0).tolist() == []
    classes = np.array([0, 0, 0, 1])
    assert suppress_per_class(boxes, scores, classes, max_overlap=0.5, max_kept=1).tolist() == [3]
    assert suppress_per_class(boxes, scores, classes, max_overlap=0.5, max_candidates=3).tolist() == [3, 2, 1]


@pytest.mark.parametrize("count", [0, 1, 40, 300])
def test_the_same_as_by_definition(count: int):
    """Boxes and scores at random, some equal, some without area."""
    rng = np.random.default_rng(count)
    corners = rng.integers(0, 60, (count, 2))
    boxes = np.hstack([corners, corners + rng.integers(-2, 30, (count, 2))])
    scores, classes = rng.integers(0, 20, count) / 20, rng.integers(0, 3, count)
    expected: list[int] = []
    for index in np.argsort(-scores, kind="stable").tolist():
        better = [other for other in expected if classes[other] == classes[index]]
        if not better or overlaps(boxes[[index]], boxes[better]).max() <= 0.4:
            expected.append(index)
    assert suppress_per_class(boxes, scores, classes, max_overlap=0.4).tolist() == expected
