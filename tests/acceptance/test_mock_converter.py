"""The mock converter as a process of its own: killed at any moment, it gives each model its format once."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from learning_loop_node.settings import environment_for_child
from tests.acceptance.test_mock_nodes import MOCK_NODES, recipe
from tests.child import Child, python_child
from tests.loop import P, RunningLoop, files_form, running_loop
from tests.polling import until
from tests.ports import free_ports
from tests.proxy import proxy_to
from tests.reader import LOOP_PORT, NODE_PORT, Reader

LARGE = b"content of a large file " * 2**20
UPLOAD, DOWNLOAD = "PUT .*/format_b/file", "GET .*/format_a/file"


async def test_killed_in_the_middle_of_a_conversion(tmp_path: Path):
    go = tmp_path / "go"
    async with running_loop(tmp_path) as loop:
        await model_in(loop, {"file_1.txt": b"content", "fail.txt": f"wait {go}".encode()})
        async with converter(loop.host, tmp_path) as node:
            await until(lambda: bool(processes_in(tmp_path)))
            node.send(signal.SIGKILL)
            assert await node.status(within_s=10) == -signal.SIGKILL
        await until(lambda: not processes_in(tmp_path))
        assert await formats(loop) == ["format_a"]
        go.touch()
        async with converter(loop.host, tmp_path) as node:
            await until(lambda: is_converted(loop))
            await end(node)
        assert await content(loop, "file_1.txt") == b"CONTENT"
        assert (await record(loop))["attempts"] == 1


@pytest.mark.parametrize("is_stored", [False, True], ids=["before it is stored", "before the answer"])
async def test_killed_in_the_middle_of_the_upload(is_stored: bool, tmp_path: Path):
    async with running_loop(tmp_path) as loop, proxy_to(loop.host) as proxy:
        await model_in(loop, {"file_1.txt": LARGE})
        if is_stored:
            proxy.cut(UPLOAD)
        async with converter(proxy.host, tmp_path) as node:
            await until(lambda: proxy.cut_count == 1 if is_stored else bool(proxy.asked(UPLOAD)))
            node.send(signal.SIGKILL)
            assert await node.status(within_s=10) == -signal.SIGKILL
        assert await is_converted(loop) == is_stored
        async with converter(proxy.host, tmp_path) as node:
            await until(lambda: is_converted(loop))
            await until(lambda: not list(tmp_path.glob("node/conversions/*/*")))
            await end(node)
        assert await content(loop, "file_1.txt") == LARGE.upper()
        assert len(proxy.asked(DOWNLOAD)) == 1  # it was converted once, and only sent again


async def test_the_loop_goes_away_while_it_converts(tmp_path: Path):
    go = tmp_path / "go"
    [port] = free_ports(1)
    async with proxy_to(f"127.0.0.1:{port}") as proxy, AsyncExitStack() as running:
        async with running_loop(tmp_path, port=port) as loop:
            await model_in(loop, {"file_1.txt": b"content", "fail.txt": f"wait {go}".encode()})
            node = await running.enter_async_context(converter(proxy.host, tmp_path))
            await until(lambda: bool(processes_in(tmp_path)))
        go.touch()
        await until(lambda: "is tried again later" in node.output)
        async with running_loop(tmp_path, port=port) as loop:
            await until(lambda: is_converted(loop))
            await end(node)
        assert len(proxy.asked(DOWNLOAD)) == 1  # it was converted once, and only sent again


async def test_told_to_end_it_does_not_wait_for_a_conversion(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await model_in(loop, {"fail.txt": b"wait /nowhere"})
        async with converter(loop.host, tmp_path) as node:
            await until(lambda: bool(processes_in(tmp_path)))
            await end(node)
        assert processes_in(tmp_path) == []
        assert "Traceback" not in node.output


async def test_the_recipe_works_as_printed(tmp_path: Path):
    loop_port, node_port = map(str, free_ports(2))
    (tmp_path / "capitals").mkdir()
    instead = {LOOP_PORT: loop_port, NODE_PORT: node_port, "/tmp/": f"{tmp_path}/"}
    async with AsyncExitStack() as running:
        reader = Reader(tmp_path, instead, running, start=MOCK_NODES.parent)
        blocks = recipe(MOCK_NODES / "mock_converter" / "main.py")
        for block in blocks[:-1]:
            await reader.work_through(*block)
        while "1.0" not in (listed := await reader.work_through(*blocks[-1])):
            assert "no models" in listed
        assert "format_a, format_b" in listed
        assert await reader.end() == {"node": 0, "loop": 0}


@asynccontextmanager
async def converter(host: str, folder: Path) -> AsyncIterator[Child]:
    """The mock as a program."""
    environment = environment_for_child(
        LOOP_HOST=host,
        LOOP_USERNAME="admin",
        LOOP_PASSWORD="secret",
        DATA_FOLDER=str(folder / "node"),
        CONVERTER_INTERVAL_S="0.5",
    )
    arguments = ("-u", "main.py", "--host", "127.0.0.1", "--port", "0")
    async with python_child(
        *arguments,
        environment=environment,
        address=r"(http://127.0.0.1:\d+)",
        ready="Uvicorn running",
        folder=MOCK_NODES / "mock_converter",
    ) as child:
        yield child


async def end(node: Child) -> None:
    node.send(signal.SIGTERM)
    assert await node.status(within_s=10) == 0, node.output


async def model_in(loop: RunningLoop, files: dict[str, bytes]) -> None:
    await loop.create_project()
    form = files_form((name, BytesIO(content)) for name, content in files.items())
    await loop.json("POST", f"{P}/models/format_a", data=form)


async def models(loop: RunningLoop) -> Any:
    return (await loop.json("GET", f"{P}/models"))["models"]


async def formats(loop: RunningLoop) -> Any:
    [model] = await models(loop)
    return model["formats"]


async def is_converted(loop: RunningLoop) -> bool:
    return "format_b" in await formats(loop)


async def record(loop: RunningLoop) -> dict[str, Any]:
    [model] = await models(loop)
    [found] = (await loop.json("GET", f"{P}/models/{model['id']}/conversions"))["conversions"]
    return found  # type: ignore[no-any-return]


async def content(loop: RunningLoop, name: str) -> bytes:
    """A file of the converted model."""
    [model] = await models(loop)
    async with loop.admin.get(f"/api{P}/models/{model['id']}/format_b/file") as answer:
        archive = ZipFile(BytesIO(await answer.read()))
    assert json.loads(archive.read("model.json"))["format"] == "format_b"
    return archive.read(name)


def processes_in(folder: Path) -> list[int]:
    """The processes that convert something in this folder, and are alive."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal() or int(process.name) == os.getpid():
            continue
        try:
            arguments = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if b"isolated_main" in arguments and os.fsencode(folder) in arguments:
            found.append(int(process.name))
    return found
