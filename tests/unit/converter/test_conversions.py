from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.converter.conversions import Conversions
from learning_loop_node.converter.work_store import WorkStore
from learning_loop_node.errors import (
    ChildRaisedError,
    ForbiddenError,
    InvalidRequestError,
    LoopRefusedError,
    LoopUnreachableError,
    NodeError,
    StorageFullError,
    TransferBrokenError,
)
from learning_loop_node.settings import ConverterSettings
from tests.clock import ManualClock
from tests.polling import until
from tests.unit.converter.models import InPlace, ModelsInMemory

RAISED = ChildRaisedError("convert raised ValueError: no such layer")


class Capitals:
    """Is not asked for anything here: `InPlace` converts."""

    source_format, target_format = "format_a", "format_b"

    def __init__(self, version: str = "1") -> None:
        self.version = version


async def test_nothing_to_do(tmp_path: Path):
    models = ModelsInMemory()
    conversions, convert = make(models, tmp_path)
    await conversions.look()
    assert models.requests == ["contexts", "wanted"]
    assert (convert.converted, conversions.problem, conversions.failures) == ([], None, {})


async def test_a_node_that_is_muted_asks_for_nothing(tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    conversions, convert = make(models, tmp_path, is_muted=True)
    await conversions.look()
    assert (models.requests, convert.converted) == ([], [])


@pytest.mark.parametrize("is_recording", [True, False], ids=["our loop", "another loop"])
async def test_each_model_is_converted_once(is_recording: bool, tmp_path: Path):
    models = ModelsInMemory(is_recording=is_recording)
    models.add("a")
    models.add("b")
    conversions, convert = make(models, tmp_path)
    await conversions.look()
    await conversions.look()
    assert convert.converted == ["a", "b"]
    made = models.formats["a"]["format_b"]
    assert made["weights.txt"] == b"WEIGHTS"
    information = json.loads(made["model.json"])
    assert (information["id"], information["format"], information["host"]) == ("a", "format_b", "localhost")
    assert [category["name"] for category in information["categories"]] == ["face"]
    assert kept(tmp_path) == []
    assert conversions.converted_count == 2


async def test_limits_come_from_the_settings_and_name_them(tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    conversions, convert = make(models, tmp_path, settings=ConverterSettings(time_limit_s=7, memory_limit_bytes=8))
    await conversions.look()
    [limits] = convert.limits
    assert (limits.time_s, limits.time_setting) == (7, "CONVERTER_TIME_LIMIT_S")
    assert (limits.memory_bytes, limits.memory_setting) == (8, "CONVERTER_MEMORY_LIMIT_BYTES")


async def test_what_failed_is_shown_and_not_tried_again(tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    error = ChildRaisedError(str(RAISED))
    error.log_tail = "loading\nValueError: no such layer"
    conversions, convert = make(models, tmp_path, error=error)
    for _ in range(3):
        await conversions.look()
    assert convert.converted == ["a"]
    problem = models.problems["a"]
    assert problem.code == "child_raised"
    assert problem.error == (
        "convert raised ValueError: no such layer\nits log ended with:\nloading\nValueError: no such layer"
    )
    assert conversions.failures == {"model 1.0 of zauberzeug/demo to format_b": problem.error}


async def test_the_first_line_says_it_all(tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    error = InvalidRequestError("model.json cannot be read:\n  labels: not a list")
    conversions, _ = make(models, tmp_path, error=error)
    await conversions.look()
    assert models.problems["a"].error == "model.json cannot be read: labels: not a list"


async def test_a_long_log_keeps_the_beginning_and_the_end(tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    error = ChildRaisedError(str(RAISED))
    error.log_tail = "x" * 10_000 + "end"
    conversions, _ = make(models, tmp_path, error=error)
    await conversions.look()
    text = models.problems["a"].error
    assert text is not None
    assert len(text) <= 4000
    assert text.startswith("convert raised")
    assert text.endswith("end")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda models: models.ask_again("a"), id="somebody asks"),
        pytest.param(lambda models: setattr(models, "sha256", "cd" * 32), id="another source"),
    ],
)
async def test_it_is_tried_again_when_something_changes(change: Any, tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    conversions, convert = make(models, tmp_path, error=RAISED)
    await conversions.look()
    change(models)
    convert.error = None
    await conversions.look()
    assert convert.converted == ["a", "a"]
    assert "format_b" in models.formats["a"]


@pytest.mark.parametrize("is_recording", [True, False], ids=["our loop", "another loop"])
@pytest.mark.parametrize(("version", "tries"), [("1", 1), ("2", 2)], ids=["the same converter", "a new one"])
async def test_after_a_restart(is_recording: bool, version: str, tries: int, tmp_path: Path):
    models = ModelsInMemory(is_recording=is_recording)
    models.add("a")
    conversions, convert = make(models, tmp_path, error=RAISED)
    await conversions.look()
    again, _ = make(models, tmp_path, convert=convert, version=version)
    await again.look()
    await again.look()
    assert len(convert.converted) == tries
    assert bool(again.failures)


async def test_two_different_converters_that_fail_do_not_take_turns_for_ever(tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    one, convert_one = make(models, tmp_path / "one", error=RAISED, version="1", node_id="one")
    other, convert_other = make(models, tmp_path / "other", error=RAISED, version="2", node_id="other")
    for _ in range(4):
        models.claims.clear()
        await one.look()
        models.claims.clear()
        await other.look()
    assert (convert_one.converted, convert_other.converted) == (["a"], ["a"])


async def test_only_one_of_two_nodes_converts(tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    gate = asyncio.Event()
    one, convert_one = make(models, tmp_path / "one", node_id="one", convert=InPlace(gate=gate))
    other, convert_other = make(models, tmp_path / "other", node_id="other")
    first = asyncio.create_task(one.look())
    await until(lambda: bool(convert_one.converted))
    await other.look()
    gate.set()
    await first
    await other.look()
    assert (convert_one.converted, convert_other.converted) == (["a"], [])


async def test_a_failure_that_the_loop_could_not_be_told_is_told_later(tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    models.trouble["fail"] = LoopUnreachableError("no connection")
    conversions, convert = make(models, tmp_path, error=RAISED)
    with pytest.raises(LoopUnreachableError):
        await conversions.look()
    assert models.problems == {}
    again, _ = make(models, tmp_path, convert=convert)
    await again.look()
    assert models.problems["a"].error == str(RAISED)
    assert convert.converted == ["a"]


@pytest.mark.parametrize(
    ("method", "error"),
    [
        pytest.param("download", TransferBrokenError("cut off"), id="download breaks"),
        pytest.param("upload", TransferBrokenError("cut off"), id="upload breaks"),
        pytest.param("upload", LoopRefusedError("busy", status=503), id="the loop is busy"),
        pytest.param("begin", ForbiddenError("you may not change models"), id="no right"),
    ],
)
async def test_what_merely_does_not_work_now_is_tried_again(method: str, error: NodeError, tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    models.trouble[method] = error
    conversions, convert = make(models, tmp_path)
    problems = []
    for _ in range(2):
        await conversions.look()
        problems.append(conversions.problem)
    assert problems == [f"model 1.0 of zauberzeug/demo to format_b: {error}", None]
    assert models.problems == {}
    assert "format_b" in models.formats["a"]
    assert convert.converted == ["a"]  # a result that is complete is only sent again


async def test_an_answer_that_is_lost(tmp_path: Path):
    models = ModelsInMemory(lost_answers=1)
    models.add("a")
    conversions, convert = make(models, tmp_path)
    with pytest.raises(LoopUnreachableError):
        await conversions.look()
    await conversions.look()
    assert models.requests.count("upload a") == len(convert.converted) == 1
    assert kept(tmp_path) == []


async def test_a_format_that_came_from_elsewhere_meanwhile(tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    gate = asyncio.Event()
    conversions, convert = make(models, tmp_path, convert=InPlace(gate=gate))
    looking = asyncio.create_task(conversions.look())
    await until(lambda: bool(convert.converted))
    models.formats["a"]["format_b"] = {"theirs": b""}
    gate.set()
    await looking
    assert models.formats["a"]["format_b"] == {"theirs": b""}
    assert (conversions.problem, models.problems) == (None, {})


async def test_a_model_that_is_deleted_meanwhile(tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    gate = asyncio.Event()
    conversions, convert = make(models, tmp_path, convert=InPlace(gate=gate))
    looking = asyncio.create_task(conversions.look())
    await until(lambda: bool(convert.converted))
    models.remove("a")
    gate.set()
    await looking
    assert (conversions.problem, conversions.failures) == (None, {})
    assert kept(tmp_path) == []


async def test_files_that_the_loop_refuses(tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    models.trouble["upload"] = LoopRefusedError("file name too long", status=422)
    conversions, convert = make(models, tmp_path)
    await conversions.look()
    await conversions.look()
    assert models.problems["a"].error == "file name too long"
    assert convert.converted == ["a"]


async def test_an_archive_that_is_none(tmp_path: Path):
    models = ModelsInMemory(archive=b"no zip")
    models.add("a")
    conversions, convert = make(models, tmp_path)
    await conversions.look()
    assert models.problems["a"].code == "archive_refused"
    assert convert.converted == []


async def test_a_full_disk_is_shown_and_tried_again(tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    conversions, convert = make(models, tmp_path, error=StorageFullError("the disk is full"))
    await conversions.look()
    assert models.problems["a"].code == "storage_full"
    convert.error = None
    await conversions.look()
    assert "format_b" in models.formats["a"]


async def test_one_model_in_trouble_does_not_keep_the_others_waiting(tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    models.add("b")
    models.trouble["download"] = TransferBrokenError("cut off")
    conversions, convert = make(models, tmp_path)
    await conversions.look()
    assert convert.converted == ["b"]


@pytest.mark.parametrize("how", ["in the middle of the conversion", "in the middle of the upload"])
async def test_an_end_without_warning(how: str, tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    gate = asyncio.Event()
    if how == "in the middle of the upload":
        models.trouble["upload"] = TransferBrokenError("gone")
        conversions, convert = make(models, tmp_path)
        await conversions.look()
    else:
        conversions, convert = make(models, tmp_path, convert=InPlace(gate=gate))
        looking = asyncio.create_task(conversions.look())
        await until(lambda: bool(convert.converted))
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
    convert.gate = None
    again, _ = make(models, tmp_path, convert=convert)
    await again.look()
    assert set(models.formats["a"]) == {"format_a", "format_b"}
    assert len(convert.converted) == (1 if how == "in the middle of the upload" else 2)


async def test_a_result_whose_files_are_gone_is_made_anew(tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    models.trouble["upload"] = TransferBrokenError("gone")
    conversions, convert = make(models, tmp_path)
    await conversions.look()
    [result] = kept(tmp_path, "/result/weights.txt")
    result.unlink()
    await conversions.look()
    assert convert.converted == ["a", "a"]
    assert "format_b" in models.formats["a"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"progress": "thinking"}'])
async def test_notes_that_cannot_be_read_count_for_nothing(content: bytes, tmp_path: Path):
    models = ModelsInMemory(is_recording=False)
    models.add("a")
    conversions, convert = make(models, tmp_path, error=RAISED)
    await conversions.look()
    [note] = kept(tmp_path, "/work.json")
    note.write_bytes(content)
    convert.error = None
    await conversions.look()
    assert "format_b" in models.formats["a"]


async def test_the_claim_is_kept_while_it_converts_and_only_then(tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    gate = asyncio.Event()
    conversions, convert = make(models, tmp_path, convert=InPlace(gate=gate))
    await conversions.keep_claim()
    assert "begin a" not in models.requests
    looking = asyncio.create_task(conversions.look())
    await until(lambda: bool(convert.converted))
    await conversions.keep_claim()
    assert models.requests.count("begin a") == 2
    gate.set()
    await looking
    await conversions.keep_claim()
    assert models.requests.count("begin a") == 2


async def test_it_looks_every_minute_and_when_it_is_woken(tmp_path: Path):
    models = ModelsInMemory()
    clock = ManualClock(stop_after=3)
    conversions, _ = make(models, tmp_path, clock=clock)
    with pytest.raises(asyncio.CancelledError):
        await conversions.run()
    assert (clock.waits, models.requests.count("wanted")) == ([60, 60, 60], 3)


async def test_it_waits_longer_while_the_loop_is_away(tmp_path: Path):
    models = ModelsInMemory()
    clock = ManualClock(stop_after=2)
    conversions, _ = make(models, tmp_path, clock=clock)
    models.trouble["contexts"] = LoopUnreachableError("no connection")
    with pytest.raises(asyncio.CancelledError):
        await conversions.run()
    assert clock.waits == [120, 60]


async def test_a_project_that_cannot_be_listed_keeps_its_notes(tmp_path: Path):
    models = ModelsInMemory()
    models.add("a")
    conversions, _ = make(models, tmp_path, error=RAISED)
    await conversions.look()
    models.trouble["wanted"] = InvalidRequestError("not now")
    await conversions.look()
    assert conversions.problem == "the models of zauberzeug/demo cannot be listed: not now"
    assert len(kept(tmp_path)) == 1
    models.remove("a")
    await conversions.look()
    assert kept(tmp_path) == []


def kept(folder: Path, inside: str = "") -> list[Path]:
    """What the node keeps of conversions."""
    return list(folder.glob(f"conversions/*/*{inside}"))


def make(
    models: ModelsInMemory,
    folder: Path,
    *,
    error: NodeError | None = None,
    convert: InPlace | None = None,
    version: str = "1",
    node_id: str = "one",
    settings: ConverterSettings | None = None,
    clock: ManualClock | None = None,
    is_muted: bool = False,
) -> tuple[Conversions, InPlace]:
    convert = convert or InPlace(error=error)
    conversions = Conversions(
        logic=Capitals(version),
        models=models,
        store=WorkStore(folder, "format_a", "format_b"),
        settings=settings or ConverterSettings(),
        node_id=lambda: node_id,
        node_name=f"node {node_id}",
        clock=clock or ManualClock(),
        convert=convert,
        is_muted=lambda: is_muted,
    )
    return conversions, convert
