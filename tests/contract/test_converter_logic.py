"""What users may return and raise in a converter logic, in the process where it runs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.converter import ConverterLogic
from learning_loop_node.converter.conversions import convert_isolated
from learning_loop_node.converter.converter_logic import identity_of
from learning_loop_node.data_classes import ModelInformation
from learning_loop_node.errors import (
    ChildCrashedError,
    ChildOutOfMemoryError,
    ChildRaisedError,
    ChildTimedOutError,
    ConversionRefusedError,
    NodeError,
)
from learning_loop_node.runtime.isolated import Limits
from mock_nodes.mock_converter.logic import Capitals
from tests.builders import make_model_information

LIMITS = Limits(time_s=30, memory_bytes=10**9)


class Returns(ConverterLogic):
    """Makes `one.txt`, `two.txt`, and what it is told to; returns what it is told to."""

    def __init__(self, returned: Any, *, makes: str = "") -> None:
        super().__init__("format_a", "format_b")
        self.returned = returned
        self.makes = makes

    def convert(self, model: ModelInformation, folder: Path) -> Any:
        for name in ("one.txt", "two.txt"):
            (folder / name).write_text("" if self.makes == "empty files" else f"{name} of {model.version}")
        if self.makes == "a folder":
            (folder / "inner").mkdir()
            (folder / "inner" / "three.txt").write_text("three")
        if self.makes == "a link":
            (folder / "link.txt").symlink_to(folder / "one.txt")
        if self.returned == "paths":
            return [folder / "one.txt", folder / "two.txt"]
        return self.returned


class Waits(Returns):
    """The same, `async`."""

    async def convert(self, model: ModelInformation, folder: Path) -> Any:
        return super().convert(model, folder)


class Checks(Returns):
    """Says what it was given to check, by refusing it."""

    def check(self, model: ModelInformation, files: Sequence[Path]) -> None:
        raise ValueError(f"{model.version} {[file.name for file in files]}")


class Fails(Returns):
    """Raises, `async`, what takes several lines to say."""

    async def convert(self, model: ModelInformation, folder: Path) -> Any:
        raise RuntimeError("no such\nlayer")


class Bare:
    """Inherits nothing."""

    source_format, target_format = "format_a", "format_b"

    def convert(self, model: ModelInformation, folder: Path) -> None:
        (folder / "one.txt").write_text("one")


@pytest.mark.parametrize(
    ("logic", "names"),
    [
        pytest.param(Returns(None), ["one.txt", "two.txt"], id="nothing means all"),
        pytest.param(Returns("paths"), ["one.txt", "two.txt"], id="paths"),
        pytest.param(Returns(["two.txt"]), ["two.txt"], id="names"),
        pytest.param(Returns("one.txt"), ["one.txt"], id="one name"),
        pytest.param(Returns(Path("one.txt")), ["one.txt"], id="one path"),
        pytest.param(Waits(["one.txt"]), ["one.txt"], id="async"),
        pytest.param(Bare(), ["one.txt"], id="a class of one's own"),
    ],
)
async def test_what_may_be_returned(logic: Any, names: list[str], tmp_path: Path):
    assert await run(logic, tmp_path) == names


@pytest.mark.parametrize(
    ("logic", "text"),
    [
        pytest.param(Returns([]), "convert made no files; write them into the folder", id="nothing"),
        pytest.param(Returns(["three.txt"]), "returned three.txt, which is not there", id="not there"),
        pytest.param(Returns(["/etc/hostname"]), "lies outside of the folder", id="outside"),
        pytest.param(Returns(["../source/model.json"]), "lies outside of the folder", id="the source"),
        pytest.param(Returns(["inner/three.txt"], makes="a folder"), "lies in a folder of the result", id="nested"),
        pytest.param(Returns(None, makes="a folder"), "inner, which is a folder", id="a folder among all"),
        pytest.param(Returns(["link.txt"], makes="a link"), "link.txt, which is a link", id="link"),
        pytest.param(Returns(["one.txt", "one.txt"]), "returned one.txt twice", id="twice"),
        pytest.param(Returns(None, makes="empty files"), "all files that convert made are empty", id="empty"),
        pytest.param(Returns(7), "convert returned 7; return the paths", id="no files at all"),
    ],
)
async def test_what_is_refused(logic: Any, text: str, tmp_path: Path):
    with pytest.raises(ConversionRefusedError) as caught:
        await run(logic, tmp_path)
    assert text in str(caught.value)


async def test_what_the_check_gets_and_raises(tmp_path: Path):
    with pytest.raises(ChildRaisedError, match=r"ValueError: 1.0 \['one.txt'\]"):
        await run(Checks(["one.txt"]), tmp_path)


@pytest.mark.parametrize(
    ("logic", "hook"),
    [
        pytest.param(Checks(["one.txt"]), "check of Checks", id="check"),
        pytest.param(Fails(None), "convert of Fails", id="async convert"),
    ],
)
async def test_what_raised_is_named_with_hook_and_line(logic: Any, hook: str, tmp_path: Path):
    with pytest.raises(ChildRaisedError) as caught:
        await run(logic, tmp_path)
    text, said = str(caught.value), caught.value.log_tail.splitlines()
    [line] = re.findall(rf"^{hook} raised \w+Error: .* \(test_converter_logic.py, line (\d+)\)$", text)
    assert said[0] == "Traceback (most recent call last):"
    assert f'"{__file__}", line {line}, in {hook.split()[0]}' in said[1]  # nothing of ours stands before it


async def test_the_mock(tmp_path: Path):
    assert await run(Capitals("format_a", "format_b"), tmp_path, {"file_1.txt": "content"}) == ["file_1.txt"]
    assert (tmp_path / "result" / "file_1.txt").read_text() == "CONTENT"


@pytest.mark.parametrize(
    ("how", "error"),
    [
        pytest.param("raise", ChildRaisedError, id="raises"),
        pytest.param("memory", ChildOutOfMemoryError, id="takes all memory"),
        pytest.param("crash", ChildCrashedError, id="crashes"),
        pytest.param("nothing", ConversionRefusedError, id="makes no files"),
        pytest.param("wait /nowhere", ChildTimedOutError, id="hangs"),
    ],
)
async def test_the_mock_fails_in_each_way(how: str, error: type[NodeError], tmp_path: Path):
    limits = Limits(time_s=3 if "wait" in how else 30, memory_bytes=10**9)
    with pytest.raises(error):
        await run(Capitals("format_a", "format_b"), tmp_path, {"fail.txt": how}, limits)


def test_identity():
    class Numbered(Returns):
        version = "1.3"

    assert identity_of(Numbered(None)) == "Numbered 1.3"
    name, source = identity_of(Returns(None)).split()
    assert (name, len(source)) == ("Returns", 12)
    assert identity_of(Checks(None)).split()[1] == source  # the same file
    assert identity_of(Capitals("a", "b")).split()[1] != source


async def run(logic: Any, folder: Path, files: dict[str, str] | None = None, limits: Limits = LIMITS) -> list[str]:
    """The names of what the logic makes of a model with these files."""
    source, result = folder / "source", folder / "result"
    result.mkdir()
    source.mkdir()
    for name, content in ({"model.json": json.dumps({})} | (files or {})).items():
        (source / name).write_text(content)
    model = make_model_information(model_root_path=str(source))
    return await convert_isolated(logic, model, result, folder / "process", limits)
