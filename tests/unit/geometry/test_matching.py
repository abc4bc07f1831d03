"""Matching predictions to truths, and counting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from learning_loop_node.geometry.matching import confusion_counts, match, within_classes


@pytest.mark.parametrize(
    ("similarities", "scores", "pairs", "wrong", "missed"),
    [
        pytest.param(np.empty((0, 0)), [], [], [], [], id="nothing"),
        pytest.param(np.empty((0, 2)), [], [], [], [0, 1], id="no predictions"),
        pytest.param(np.empty((2, 0)), [0.5, 0.6], [], [0, 1], [], id="no truths"),
        pytest.param([[0.5]], [0.1], [(0, 0)], [], [], id="just similar enough"),
        pytest.param([[0.49]], [0.9], [], [0], [0], id="not similar enough"),
        pytest.param([[0.6], [0.9]], [0.9, 0.8], [(0, 0)], [1], [], id="the surer one takes it"),
        pytest.param([[0.6, 0.9]], [0.9], [(0, 1)], [], [0], id="the more similar one is taken"),
        pytest.param([[0.6, 0.9], [0.6, 0.7]], [0.9, 0.8], [(0, 1), (1, 0)], [], [], id="the next free one"),
    ],
)
def test_match(similarities: Any, scores: Any, pairs: Any, wrong: Any, missed: Any):
    found = match(np.array(similarities), np.array(scores), least=0.5)
    assert list(zip(found.predictions.tolist(), found.truths.tolist(), strict=True)) == pairs
    assert found.wrong_predictions.tolist() == wrong
    assert found.missed_truths.tolist() == missed


def test_counts_add_up():
    predicted, true = np.array([0, 1, 1, 2]), np.array([0, 0, 1])
    similarities = np.array([[0.9, 0, 0], [0, 0.8, 0], [0, 0, 0.7], [0, 0, 0.6]])
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    anyhow = confusion_counts(match(similarities, scores, least=0.5), predicted, true, 3)
    assert anyhow.tolist() == [[1, 0, 1], [1, 1, 0], [0, 1, 0]]
    apart = within_classes(similarities, predicted, true)
    assert confusion_counts(match(apart, scores, least=0.5), predicted, true, 3).tolist() == anyhow.tolist()


def test_unknown_classes_are_named():
    nothing = match(np.empty((1, 0)), np.array([0.5]), least=0.5)
    assert confusion_counts(nothing, np.array([1]), np.array([]), 2).tolist() == [[0, 0, 0], [0, 1, 0]]
    with pytest.raises(ValueError, match="from 0 to 1, not 2 to 2"):
        confusion_counts(nothing, np.array([2]), np.array([]), 2)
