"""The examples in the docstrings are right."""

from __future__ import annotations

import doctest
from types import ModuleType

import pytest

from learning_loop_node.datasets import files
from learning_loop_node.datasets.yolo import numbers


@pytest.mark.parametrize("module", [files, numbers], ids=lambda module: module.__name__.rpartition(".")[2])
def test_examples(module: ModuleType):
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed
