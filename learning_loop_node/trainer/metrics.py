"""What the counts that a trainer reports are worth: `{category id: {"tp": …, "fp": …, "fn": …}}`."""

from __future__ import annotations

from collections.abc import Mapping


def macro_f1(confusion_matrix: Mapping[str, Mapping[str, int]]) -> float:
    """The mean F1 of the categories, each counting the same; 0 without any.

    >>> macro_f1({"cat": {"tp": 1, "fp": 1, "fn": 0}, "dog": {"tp": 0, "fp": 0, "fn": 0}})
    0.3333333333333333
    """
    if not confusion_matrix:
        return 0.0
    return sum(map(category_f1, confusion_matrix.values())) / len(confusion_matrix)


def category_f1(counts: Mapping[str, int]) -> float:
    """F1 from true positives, false positives and false negatives; 0 where there is nothing to find and nothing found.

    >>> category_f1({"tp": 1, "fp": 1, "fn": 0})
    0.6666666666666666
    """
    right = 2 * counts["tp"]
    all_of_them = right + counts["fp"] + counts["fn"]
    return right / all_of_them if all_of_them else 0.0


def confusion_matrix_from_counts(
    true_positives: Mapping[str, int], false_positives: Mapping[str, int], false_negatives: Mapping[str, int]
) -> dict[str, dict[str, int]]:
    """The counts of each category that any of the three names; what one of them does not name is 0 there.

    >>> confusion_matrix_from_counts({"cat": 3}, {}, {"dog": 1})
    {'cat': {'tp': 3, 'fp': 0, 'fn': 0}, 'dog': {'tp': 0, 'fp': 0, 'fn': 1}}
    """
    categories = dict.fromkeys([*true_positives, *false_positives, *false_negatives])
    return {
        category: {
            "tp": true_positives.get(category, 0),
            "fp": false_positives.get(category, 0),
            "fn": false_negatives.get(category, 0),
        }
        for category in categories
    }
