"""The README's examples, run in their order in an empty folder, as somebody would who reads it for the first time."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.demo.stage import free_ports
from learning_loop_node.runtime.command import Command
from learning_loop_node.settings import environment_for_child
from tests.builders import jpeg

pytestmark = [
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl (Debian: apt install curl)"),
    pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash (Debian: apt install bash)"),
]

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^<!-- test: (\w+) ?([\w.]*) -->\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LOOP_PORT, NODE_PORT = "8900", "5004"
"""As printed; the test takes free ones instead."""


class Reader:
    """Somebody with terminals in one folder: what is exported in one block holds in the next ones."""

    def __init__(self, folder: Path, ports: dict[str, str], running: AsyncExitStack) -> None:
        self._folder = folder
        self._ports = ports
        self._running = running
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._environment = environment_for_child(PATH=path)
        self._commands: list[Command] = []

    async def work_through(self, kind: str, name: str, code: str) -> str:
        """Do what a block asks for; what it prints."""
        for port, free in self._ports.items():
            code = code.replace(port, free)
        match kind:
            case "file":
                (self._folder / name).write_text(code)
            case "background":
                await self._start(name, code)
            case "shell":
                return await self._type_in(code)
            case "python":
                (self._folder / "example.py").write_text(code)
                return await self._run(sys.executable, "example.py")
            case "answer":
                return code
            case _:
                raise AssertionError(f"the README marks a block as {kind!r}")
        return ""

    async def images_once_settled(self, question: str) -> int:
        """How many images are at the loop, asked when the node has sent them all."""
        url = f"http://127.0.0.1:{self._ports[NODE_PORT]}/status"
        while json.loads(await self._run("curl", "-s", url))["outbox"]["items"]:
            await asyncio.sleep(0.05)
        return len(json.loads(await self.work_through("shell", "", question))["image_ids"])

    async def end(self) -> dict[str, int | None]:
        """Stop what runs, as Ctrl-C does; with which status it ended."""
        return {command.name: await command.stop() for command in reversed(self._commands)}

    async def _start(self, name: str, code: str) -> None:
        command = Command(
            name,
            ["bash", "-c", f"exec env {code}"],
            log_file=self._folder / f"{name}.log",
            folder=self._folder,
            environment=self._environment,
        )
        self._commands.append(await self._running.enter_async_context(command))
        if name == "loop":
            await self._until_listening(int(self._ports[LOOP_PORT]))

    async def _type_in(self, code: str) -> str:
        exported = self._folder / "exported"
        output = await self._run("bash", "-euc", f"{code}env -0 > {exported.name}")
        entries = exported.read_bytes().decode().rstrip("\0").split("\0")
        self._environment = dict(entry.split("=", 1) for entry in entries)
        exported.unlink()
        return output

    async def _run(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            cwd=self._folder,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, complaints = await process.communicate()
        assert process.returncode == 0, f"{arguments}\n{output.decode()}\n{complaints.decode()}\n{self._logs()}"
        return output.decode()

    async def _until_listening(self, port: int) -> None:
        while True:
            assert all(command.is_running for command in self._commands), self._logs()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            await writer.wait_closed()
            return

    def _logs(self) -> str:
        return "\n".join(f"{command.name}:\n{command.log_tail()}" for command in self._commands)


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    (tmp_path / "image.jpg").write_bytes(jpeg(320, 240))
    loop_port, node_port = map(str, free_ports(2))
    async with AsyncExitStack() as running:
        yield Reader(tmp_path, {LOOP_PORT: loop_port, NODE_PORT: node_port}, running)


async def test_every_example_works_as_printed(reader: Reader):
    blocks = BLOCK.findall(README.read_text())
    outputs = [await reader.work_through(*block) for block in blocks]
    made, asked, printed, event, _, by_client, managed = [output for output in outputs if output]

    project, pushed, deployed = made.splitlines()
    assert json.loads(project)["categories"][0]["name"] == "brightest"
    assert re.fullmatch(r"model 1\.0 \([0-9a-f-]{36}\)", pushed)
    assert deployed == f"{pushed} is deployed"

    detected, uploaded, status = map(json.loads, asked.splitlines())
    assert without_place(detected) == without_place(json.loads(printed))
    assert uploaded == [200, "OK"]
    assert (status["model_version"], status["detection"]["images"]) == ("1.0", 1)

    assert [entry["category_name"] for entry in ast.literal_eval(event)["point_detections"]] == ["brightest"]
    assert "category_name='brightest'" in by_client

    second, *listed, back, pinned = managed.splitlines()
    assert re.fullmatch(r"model 1\.1 \(.*\) is deployed", second)
    assert [version for version in ("1.0", "1.1") if any(f" {version} " in line for line in listed)] == ["1.0", "1.1"]
    assert (back, pinned) == (deployed, '"OK"')

    [question] = [code for kind, _, code in blocks if kind == "shell" and code.rstrip().endswith("/data")]
    assert await reader.images_once_settled(question) == 2
    assert await reader.end() == {"node": 0, "loop": 0}


def test_every_marked_block_is_found():
    assert len(BLOCK.findall(README.read_text())) == README.read_text().count("<!-- test: ")


def without_place(detected: dict[str, Any]) -> dict[str, Any]:
    """Without what depends on the image."""
    for detection in detected["point_detections"]:
        del detection["x"], detection["y"]
    return detected
