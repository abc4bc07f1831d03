"""Matching predictions to truths, and counting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from learning_loop_node.geometry.matching import confusion_counts, macro_f1, match, precision_recall_f1, within_classes


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


NAN = float("nan")


@pytest.mark.parametrize(
    ("counts", "expected", "macro"),
    [
        pytest.param(np.empty((0, 3)), np.empty((0, 3)), NAN, id="no classes"),
        pytest.param([[0, 0, 0]], [[NAN, NAN, NAN]], NAN, id="a class that is nowhere"),
        pytest.param([[2, 0, 0]], [[1, 1, 1]], 1.0, id="all right"),
        pytest.param([[0, 0, 3]], [[NAN, 0, 0]], 0.0, id="all missed"),
        pytest.param([[0, 3, 0]], [[0, NAN, 0]], NAN, id="all wrong"),
        pytest.param([[1, 1, 0], [0, 9, 0]], [[0.5, 1, 2 / 3], [0, NAN, 0]], 2 / 3, id="only true classes weigh"),
        pytest.param([[98, 0, 0], [0, 0, 2]], [[1, 1, 1], [NAN, 0, 0]], 0.5, id="the rare weigh as much"),
    ],
)
def test_what_counts_are_worth(counts: Any, expected: Any, macro: float):
    np.testing.assert_allclose(precision_recall_f1(np.array(counts)), expected)
    np.testing.assert_allclose(macro_f1(np.array(counts)), macro)
