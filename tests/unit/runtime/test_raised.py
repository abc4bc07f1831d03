from __future__ import annotations

import json
from pathlib import Path

import pytest

from learning_loop_node.runtime.raised import print_raised, sentence_of
from tests.unit.runtime.isolated_functions import fail


class OwnError(Exception):
    """One of a user."""


class SilentError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        pytest.param(KeyError(), "KeyError", id="says nothing"),
        pytest.param(ValueError("no such layer"), "ValueError: no such layer", id="of Python"),
        pytest.param(OwnError("1 and 2"), f"{__name__}.OwnError: 1 and 2", id="of the user"),
        pytest.param(ValueError("two\n  lines\n"), "ValueError: two lines", id="several lines"),
        pytest.param(ValueError("x" * 501), f"ValueError: {'x' * 500}…", id="long"),
        pytest.param(SilentError(), f"{__name__}.SilentError", id="cannot be told"),
        pytest.param(SystemExit(3), "SystemExit: 3", id="leaves"),
    ],
)
def test_what_was_raised(error: BaseException, sentence: str):
    assert sentence_of(error) == sentence


def test_a_note_does_not_take_the_place_of_the_message():
    error = ValueError("no such layer")
    error.add_note("while loading")
    assert sentence_of(error) == "ValueError: no such layer"


def test_the_place_is_the_last_one_in_files_of_the_user():
    with pytest.raises(ValueError) as deep:
        fail("no")
    assert sentence_of(deep.value).startswith("ValueError: no (isolated_functions.py, line ")
    with pytest.raises(json.JSONDecodeError) as in_library:
        json.loads("{")
    assert "(test_raised.py, line " in sentence_of(in_library.value)


def test_the_place_of_what_libraries_alone_raise():
    code = compile("1 / 0", str(Path(pytest.__file__)), "exec")
    with pytest.raises(ZeroDivisionError) as caught:
        exec(code)
    error = caught.value.with_traceback(caught.tb.tb_next)
    assert sentence_of(error) == "ZeroDivisionError: division by zero (__init__.py, line 1)"


def test_the_traceback_begins_in_the_users_files(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(ValueError) as caught:
        fail("no")
    print_raised(caught.value)
    printed = capsys.readouterr().err
    assert "test_raised.py" in printed.splitlines()[1]
    assert printed.endswith("ValueError: no\n")
