"""What failed is told once."""

from __future__ import annotations

import doctest

import pytest

from learning_loop_node.cli import conversions
from learning_loop_node.cli.conversions import gist_of

TRACEBACK = "Traceback (most recent call last):"


def test_examples():
    results = doctest.testmod(conversions)
    assert results.attempted
    assert not results.failed


@pytest.mark.parametrize(
    ("lines", "gist"),
    [
        pytest.param([], "", id="nothing"),
        pytest.param(["", TRACEBACK, "  File a", "ValueError: no"], "ValueError: no", id="only a traceback"),
        pytest.param(["it ended:", TRACEBACK, "  File a", "OSError: full"], "it ended: OSError: full", id="both"),
        pytest.param(
            ["check of Halves raised ValueError: no (halves.py, line 13)", TRACEBACK, "  File a", "ValueError: no"],
            "check of Halves raised ValueError: no (halves.py, line 13)",
            id="the first line says it already",
        ),
    ],
)
def test_the_gist_of_what_a_converter_says(lines: list[str], gist: str):
    assert gist_of(lines) == gist
