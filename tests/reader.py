"""Somebody who tries what is written, word for word."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from learning_loop_node.runtime.command import Command
from learning_loop_node.settings import environment_for_child

LOOP_PORT, NODE_PORT = "8900", "5004"
"""As printed; a test takes free ones instead."""

NEEDS = [
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl (Debian: apt install curl)"),
    pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash (Debian: apt install bash)"),
]


class Reader:
    """Somebody with terminals in one folder: where a block goes to and what it exports holds in the next ones.

    `instead` says what is typed instead of what is printed: free ports, folders of the test. Files that the reader
    makes lie in `folder`, which is also where everything begins, unless `start` names another place.
    """

    def __init__(
        self, folder: Path, instead: dict[str, str], running: AsyncExitStack, *, start: Path | None = None
    ) -> None:
        self._folder = folder
        self._place = start or folder
        self._instead = instead
        self._running = running
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._environment = environment_for_child(PATH=path)
        self._commands: list[Command] = []

    async def work_through(self, kind: str, name: str, code: str) -> str:
        """Do what a block asks for; what it prints."""
        for printed, meant in self._instead.items():
            code = code.replace(printed, meant)
        match kind:
            case "file":
                (self._folder / name).write_text(code)
            case "background":
                await self._start(name, code)
            case "shell":
                return await self._type_in(code)
            case "python":
                example = self._folder / "example.py"
                example.write_text(code)
                return await self._run(sys.executable, str(example))
            case "answer":
                return code
            case _:
                raise AssertionError(f"an example is marked as {kind!r}")
        return ""

    async def until_settled(self) -> None:
        """Until the node has sent all images to the loop."""
        url = f"http://127.0.0.1:{self._instead[NODE_PORT]}/status"
        while json.loads(await self._run("curl", "-s", url))["outbox"]["items"]:
            await asyncio.sleep(0.05)

    async def end(self) -> dict[str, int | None]:
        """Stop what runs, as Ctrl-C does; with which status it ended."""
        return {command.name: await command.stop() for command in reversed(self._commands)}

    async def _start(self, name: str, code: str) -> None:
        command = Command(
            name,
            ["bash", "-c", f"exec env {code}"],
            log_file=self._folder / f"{name}.log",
            folder=self._place,
            environment=self._environment,
        )
        self._commands.append(await self._running.enter_async_context(command))
        if name == "loop":
            await self._until_listening(int(self._instead[LOOP_PORT]))

    async def _type_in(self, code: str) -> str:
        exported = self._folder / "exported"
        output = await self._run("bash", "-euc", f"{code}env -0 > {exported}")
        entries = exported.read_bytes().decode().rstrip("\0").split("\0")
        self._environment = dict(entry.split("=", 1) for entry in entries)
        self._place = Path(self._environment["PWD"])
        exported.unlink()
        return output

    async def _run(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            cwd=self._place,
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
