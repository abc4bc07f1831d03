"""What is said of an exception in the user's own code."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from learning_loop_node.errors import CriticalError
from learning_loop_node.runtime.threads import io_bound
from learning_loop_node.trainer.hook_errors import text_of


class Hooks:
    """As a user writes them."""

    def _can_resume(self) -> bool:
        raise RuntimeError("nope")

    async def _resume(self) -> None:
        await asyncio.sleep(0)
        read_settings()

    async def _train(self) -> None:
        json.loads("{")

    async def _detect(self) -> None:
        raise KeyError

    async def _prepare(self) -> None:
        raise ValueError("a\n  long   text\n" + "x" * 1000)


def read_settings() -> None:
    raise TypeError("no settings")


def line_of(text: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return 1 + next(number for number, line in enumerate(lines) if text in line)


@pytest.mark.parametrize(
    ("hook", "expected"),
    [
        ("_can_resume", 'RuntimeError: nope (test_hook_errors.py, line {})|raise RuntimeError("nope")'),
        ("_resume", 'TypeError: no settings (test_hook_errors.py, line {})|raise TypeError("no settings")'),
        ("_train", "JSONDecodeError: Expecting property name|json.loads("),
        ("_detect", "KeyError (test_hook_errors.py, line {})|raise KeyError"),
    ],
)
async def test_hook_type_text_file_and_line_are_told(hook: str, expected: str):
    said, _, line = expected.partition("|")
    text = text_of(await raised_by(hook), Hooks())
    assert text.startswith(f"`{hook}` raised {said.format(line_of(line))}")
    assert text.endswith(f"(test_hook_errors.py, line {line_of(line)})")


async def test_it_is_one_line_that_is_not_too_long():
    text = text_of(await raised_by("_prepare"), Hooks())
    assert "ValueError: a long text xxx" in text
    assert "\n" not in text
    assert len(text) < 600


async def test_errors_of_ours_speak_for_themselves():
    assert text_of(CriticalError("it diverged"), Hooks()) == "it diverged"


async def test_what_no_hook_has_raised():
    assert text_of(OSError("gone"), Hooks()) == "gone"
    assert text_of(OSError(), Hooks()) == "OSError"


async def raised_by(hook: str) -> Exception:
    method = getattr(Hooks(), hook)
    with pytest.raises(Exception) as raised:
        await (method() if asyncio.iscoroutinefunction(method) else io_bound(method))
    return raised.value
