"""The examples in the docstrings of geometry are right."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from learning_loop_node import postprocess
from learning_loop_node.geometry import boxes, colors, matching, overlap, points, polygons, suppression


@pytest.mark.parametrize(
    "module",
    [boxes, overlap, suppression, points, polygons, matching, colors, postprocess],
    ids=lambda module: module.__name__.rpartition(".")[2],
)
def test_examples(module: ModuleType):
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed
