"""A converter of ours against our loop: converted once, failures shown at the model, nothing twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from aiohttp import ClientSession
from pydantic import SecretStr

from learning_loop_node import ConverterNode
from learning_loop_node.errors import NotPicklableError, SettingError
from learning_loop_node.settings import ConverterSettings, LoopSettings
from mock_nodes.mock_converter.logic import Capitals
from tests.builders import make_settings
from tests.loop import P, RunningLoop, files_form, running_loop
from tests.polling import until
from tests.serving import served

RAISED = ["convert of Capitals raised ValueError: no such layer (logic.py, line 18)", "its log ended with:\nTraceback"]


async def test_a_model_gets_the_other_format_as_soon_as_it_is_there(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        async with converter(loop, tmp_path / "node"):
            await loop.push_model({"file_1.txt": b"content of file one"}, model_format="format_a")
            await until(lambda: has_format(loop, "format_b"), within_s=50)
        [model] = (await loop.json("GET", f"{P}/models"))["models"]
        assert model["archives"]["format_b"]["files"] == ["file_1.txt", "model.json"]
        async with loop.nobody.get(f"/api{P}/models/{model['id']}/format_b/file") as answer:
            archive = ZipFile(BytesIO(await answer.read()))
        assert archive.read("file_1.txt") == b"CONTENT OF FILE ONE"
        information = json.loads(archive.read("model.json"))
        assert (information["format"], information["version"], information["id"]) == ("format_b", "1.0", model["id"])
        assert [category["name"] for category in information["categories"]] == ["face"]
        [record] = (await loop.json("GET", f"{P}/models/{model['id']}/conversions"))["conversions"]
        assert (record["state"], record["attempts"], record["node"]) == ("done", 1, "capitals")


@pytest.mark.parametrize(
    ("how", "code", "texts"),
    [
        pytest.param("raise", "child_raised", RAISED, id="raises"),
        pytest.param("memory", "child_out_of_memory", ["CONVERTER_MEMORY_LIMIT_BYTES"], id="takes all memory"),
        pytest.param("crash", "child_crashed", ["SIGSEGV", "Segmentation fault"], id="crashes"),
        pytest.param("nothing", "conversion_refused", ["convert made no files"], id="makes no files"),
        pytest.param("wait /nowhere", "child_timed_out", ["CONVERTER_TIME_LIMIT_S"], id="hangs"),
    ],
)
async def test_each_failure_is_shown_at_the_model_and_can_be_tried_again(
    how: str, code: str, texts: list[str], tmp_path: Path
):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        settings = ConverterSettings(time_limit_s=4 if "wait" in how else 60)
        model = await loop.push_model({"fail.txt": how.encode()}, model_format="format_a")
        async with converter(loop, tmp_path / "node", settings) as node:
            await until(lambda: has_problem(loop), within_s=50)
            [problem] = await problems(loop)
            assert problem["code"] == code
            assert [text for text in texts if text not in problem["error"]] == []
            assert (problem["attempts"], problem["node"]) == (1, "capitals")
            node.conversions.wake()
            await loop.json("POST", f"{P}/models/{model['id']}/conversions/format_b/retry")
            await until(lambda: tried(loop, 2), within_s=50)


async def test_it_is_seen_among_the_nodes(tmp_path: Path):
    async def is_seen() -> bool:
        nodes = (await loop.json("GET", "/nodes"))["nodes"]
        return [(entry["kind"], entry["name"], entry["state"], entry["formats"]) for entry in nodes] == [
            ("converter", "capitals", "idle", {"source": "format_a", "target": "format_b"})
        ]

    async with running_loop(tmp_path) as loop, converter(loop, tmp_path / "node"):
        await until(is_seen)


async def test_two_nodes_convert_once(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        go = tmp_path / "go"
        async with converter(loop, tmp_path / "one") as one, converter(loop, tmp_path / "two") as two:
            await loop.push_model({"a.txt": b"a", "fail.txt": f"wait {go}".encode()}, model_format="format_a")
            await until(lambda: bool(one.conversions.current or two.conversions.current))
            for node in (one, two):
                node.conversions.wake()  # the one that is not at it finds the other there
            go.touch()
            await until(lambda: has_format(loop, "format_b"), within_s=50)
            await until(lambda: one.conversions.current is None and two.conversions.current is None)
            assert one.conversions.converted_count + two.conversions.converted_count == 1
        [record] = (await loop.json("GET", f"{P}/models/{await only_model(loop)}/conversions"))["conversions"]
        assert record["attempts"] == 1


async def test_only_the_projects_of_the_settings(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        for project in ("one", "two"):
            await loop.create_project(project=project)
            form = files_form([("a.txt", b"a")])
            await loop.json("POST", f"/zauberzeug/projects/{project}/models/format_a", data=form)
        async with converter(loop, tmp_path / "node", project="one"):
            await until(lambda: has_format(loop, "format_b", "one"), within_s=50)
        assert not await has_format(loop, "format_b", "two")
        async with converter(loop, tmp_path / "node"):
            await until(lambda: has_format(loop, "format_b", "two"), within_s=50)


async def test_told_to_leave_the_loop_alone_it_does_until_told_otherwise(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        node = make_converter(loop, tmp_path / "node")
        node.set_skip_repeat_loop(True)
        async with served(node) as url, ClientSession(url) as client:
            model = await loop.push_model({"a.txt": b"a"}, model_format="format_a")
            async with client.post("/look") as answer:
                assert answer.status == 200
            assert (await loop.json("GET", f"{P}/models/{model['id']}/conversions"))["conversions"] == []
            async with client.put("/socketio", data="on") as answer:
                assert answer.status == 200
            await until(lambda: has_format(loop, "format_b"), within_s=50)


async def test_a_login_that_may_not_add_models_is_told_so(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        await loop.push_model({"a.txt": b"a"}, model_format="format_a")
        body = {"name": "ada", "password": "long enough", "organizations": {"zauberzeug": "viewer"}}
        await loop.json("POST", "/users", json=body)
        async with converter(loop, tmp_path / "node", username="ada", password="long enough") as node:
            await until(lambda: node.conversions.problem is not None)
            assert node.readiness()["loop"].endswith("it takes the role maintainer in zauberzeug")


async def test_what_a_converter_tells_of_itself(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        await loop.push_model({"fail.txt": b"raise"}, model_format="format_a")
        node = make_converter(loop, tmp_path / "node")
        async with served(node) as url, ClientSession(url) as client:
            await until(lambda: bool(node.conversions.failures) and not node.conversions.current, within_s=50)
            async with client.get("/status") as answer:
                status = await answer.json()
            assert (status["source_format"], status["target_format"]) == ("format_a", "format_b")
            assert (status["state"], status["current"], status["failed"]) == ("idle", None, 1)
            [(model, text)] = status["failures"].items()
            assert model == "model 1.0 of zauberzeug/demo to format_b"
            assert "no such layer" in text
            async with client.get("/metrics") as answer:
                assert 'conversions_total{outcome="failed"} 1.0' in await answer.text()
            for method, path in (("GET", "/readyz"), ("POST", "/look")):
                async with client.request(method, path) as answer:
                    assert answer.status == 200


@pytest.mark.parametrize("formats", [("", "b"), ("a", ""), ("a", "a")])
def test_formats_that_make_no_sense(formats: tuple[str, str], tmp_path: Path):
    logic = Capitals()
    logic.source_format, logic.target_format = formats
    with pytest.raises(SettingError, match="give it two different formats"):
        ConverterNode("capitals", logic, settings=make_settings(tmp_path))


async def test_a_logic_that_cannot_be_handed_to_a_process_is_told_at_the_start(tmp_path: Path):
    logic = Capitals("format_a", "format_b")
    vars(logic)["session"] = (number for number in range(3))
    node = ConverterNode("capitals", logic, settings=make_settings(tmp_path))
    with pytest.raises(NotPicklableError, match="'session' of Capitals"):
        await node._on_startup()


@asynccontextmanager
async def converter(
    loop: RunningLoop, folder: Path, settings: ConverterSettings | None = None, **place: str
) -> AsyncIterator[ConverterNode]:
    """The mock converter, running."""
    node = make_converter(loop, folder, settings, **place)
    await node._on_startup()
    try:
        yield node
    finally:
        await node._on_shutdown()


def make_converter(
    loop: RunningLoop,
    folder: Path,
    settings: ConverterSettings | None = None,
    *,
    project: str = "",
    username: str = "",
    password: str = "",
) -> ConverterNode:
    place = LoopSettings(
        host=loop.host,
        username=username or loop.username,
        password=SecretStr(password or loop.password),
        organization="zauberzeug" if project else "",
        project=project,
    )
    group = settings or ConverterSettings(time_limit_s=60)
    logic = Capitals("format_a", "format_b")
    return ConverterNode("capitals", logic, settings=make_settings(folder, loop=place, converter=group))


async def has_format(loop: RunningLoop, name: str, project: str = "demo") -> bool:
    return bool((await loop.json("GET", f"/zauberzeug/projects/{project}/models?format={name}"))["models"])


async def has_problem(loop: RunningLoop) -> bool:
    return bool(await problems(loop))


async def tried(loop: RunningLoop, times: int) -> bool:
    found = await problems(loop)
    return bool(found) and found[0]["attempts"] == times


async def only_model(loop: RunningLoop) -> str:
    [model] = (await loop.json("GET", f"{P}/models"))["models"]
    return str(model["id"])


async def problems(loop: RunningLoop) -> list[dict[str, Any]]:
    [model] = (await loop.json("GET", f"{P}/models"))["models"]
    return model["problems"]  # type: ignore[no-any-return]
