from __future__ import annotations

import doctest

import pytest

from learning_loop_node.trainer import metrics
from learning_loop_node.trainer.metrics import category_f1, confusion_matrix_from_counts, macro_f1


@pytest.mark.parametrize(
    ("right", "wrong", "missed", "expected"),
    [(0, 0, 0, 0.0), (0, 1, 0, 0.0), (0, 0, 1, 0.0), (3, 0, 0, 1.0), (1, 1, 0, 2 / 3), (2, 1, 3, 0.5)],
)
def test_f1_of_a_category(right: int, wrong: int, missed: int, expected: float):
    assert category_f1({"tp": right, "fp": wrong, "fn": missed}) == pytest.approx(expected)


def test_every_category_counts_the_same():
    assert macro_f1({}) == 0.0
    many, few = {"tp": 1000, "fp": 0, "fn": 0}, {"tp": 0, "fp": 0, "fn": 1}
    assert macro_f1({"a": many, "b": few}) == 0.5


def test_a_matrix_names_all_categories():
    assert confusion_matrix_from_counts({}, {}, {}) == {}
    found = confusion_matrix_from_counts({"a": 1, "b": 2}, {"b": 3}, {"c": 4})
    assert found == {
        "a": {"tp": 1, "fp": 0, "fn": 0},
        "b": {"tp": 2, "fp": 3, "fn": 0},
        "c": {"tp": 0, "fp": 0, "fn": 4},
    }


def test_examples():
    assert doctest.testmod(metrics) == (0, 3)
