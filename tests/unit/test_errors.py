"""The tree of errors: the drawing at the top is the code, and each error explains itself."""

from __future__ import annotations

import pytest

from learning_loop_node import errors
from learning_loop_node.errors import BusyError, InvalidImageError, LoopRefusedError, NodeError, SettingError


def all_errors(base: type[NodeError] = NodeError) -> list[type[NodeError]]:
    """Those of `errors.py`, in the order of the tree."""
    below = [cls for cls in base.__subclasses__() if cls.__module__ == errors.__name__]
    return [base, *(found for cls in below for found in all_errors(cls))]


def test_the_drawing_is_the_tree():
    drawn = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        words = line.replace("├──", "   ").replace("└──", "   ").replace("│", " ")
        if "Error" not in words.split()[:1].__str__():
            continue
        depth = (len(words) - len(words.lstrip())) // 4
        above[depth:] = [words.split()[0]]
        drawn[above[-1]] = above[-2] if depth else None
    actual = {
        cls.__name__: parent.__name__ for parent in all_errors() for cls in all_errors() if parent in cls.__bases__
    }
    assert drawn == actual | {"NodeError": None}


@pytest.mark.parametrize("cls", all_errors(), ids=lambda cls: cls.__name__)
def test_every_error_has_a_message_and_a_code(cls):
    error = cls()
    assert str(error).strip()
    assert not str(error).endswith(".")
    assert error.code == error.code.lower().replace(" ", "_")
    assert str(cls("the field x is missing")) == "the field x is missing"


def test_codes_are_unique():
    codes = [cls().code for cls in all_errors()]
    assert len(codes) == len(set(codes))


def test_code():
    assert InvalidImageError().code == "invalid_image"


def test_what_an_error_carries():
    assert BusyError().retry_after_s == 1.0
    assert BusyError("full", retry_after_s=3).retry_after_s == 3
    assert LoopRefusedError("no", status=409).status == 409
    assert issubclass(SettingError, ValueError)
