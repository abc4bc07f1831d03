"""Says what is new, reminds sparsely, and says that it is over."""

from __future__ import annotations

import pytest

from learning_loop_node.runtime.trouble import MOST_TEXTS, Trouble
from tests.clock import ManualClock


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        pytest.param("aaaa", "a", id="the same"),
        pytest.param("ababab", "ab", id="taking turns"),
        pytest.param("aab", "ab", id="changing"),
    ],
)
def test_says_each_text_once(texts, said):
    trouble = Trouble(ManualClock())
    assert "".join(text for text in texts if trouble.is_news(text)) == said


def test_texts_without_end_are_not_all_said():
    trouble = Trouble(ManualClock())
    assert sum(trouble.is_news(f"text {number}") for number in range(1000)) == MOST_TEXTS


def test_reminds_once_an_hour():
    clock = ManualClock()
    trouble = Trouble(clock)
    said = []
    for _ in range(24 * 60):
        said.append(trouble.is_news("the loop is away"))
        clock.advance(60)
    assert sum(said) == 24


def test_is_over_once_and_then_begins_anew():
    trouble = Trouble(ManualClock())
    assert not trouble.ends()
    assert trouble.is_news("away")
    assert trouble.ends()
    assert not trouble.ends()
    assert trouble.is_news("away")
