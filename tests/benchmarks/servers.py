"""Starts the servers that are compared, each a process of its own on a free port of 127.0.0.1, and ends them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers import find_peer

from .figures import Who

PROGRAMS = Path(__file__).parent / "programs"
START_S = 60.0
STOP_S = 20.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; `folder` is its data folder."""

    process: asyncio.subprocess.Process
    port: int
    folder: Path

    def memory_mb(self, field: str = "VmRSS") -> float:
        """What it has in memory now, or as `VmHWM` had at its peak."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
        assert found, status
        return int(found[1]) / 1024

    def forget_peak(self) -> None:
        """Let the peak of memory be what is used now."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    async def stop(self) -> None:
        """Ask it to end, and see that it does."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), STOP_S)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


class Servers:
    """Starts servers in this folder. `peer` is the interpreter of 0.27, if it is installed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self.peer = find_peer("v27")

    @property
    def nodes(self) -> list[Who]:
        """The nodes that can be compared here."""
        return [Who.OURS, Who.THEIRS] if self.peer else [Who.OURS]

    @asynccontextmanager
    async def loop(self) -> AsyncIterator[Server]:
        """A stand-in for a loop."""
        async with self._running(await self.launch("loop:app", Path(sys.executable))) as server:
            yield server

    @asynccontextmanager
    async def node(self, who: Who, loop: Server, logic: str = "noop") -> AsyncIterator[Server]:
        """A detector node that has loaded a model."""
        async with self._running(await self.launch_node(who, loop, logic)) as server:
            yield server

    @asynccontextmanager
    async def all(self, logic: str = "noop", *, with_bare: bool = True) -> AsyncIterator[dict[Who, Server]]:
        """Every server there is, all at work at the same time, with a loop in the background."""
        async with AsyncExitStack() as stack:
            loop = await stack.enter_async_context(self.loop())
            servers = {who: await stack.enter_async_context(self.node(who, loop, logic)) for who in self.nodes}
            if with_bare:
                bare = await self.launch("bare:app", Path(sys.executable))
                servers[Who.BARE] = await stack.enter_async_context(self._running(bare))
            yield servers

    async def launch_node(self, who: Who, loop: Server, logic: str = "noop") -> Server:
        """Start a node that has a model, without waiting for it; whoever calls this stops it."""
        environment = {"BENCH_LOGIC": logic, "LOOP_HOST": f"127.0.0.1:{loop.port}"}
        return await self.launch("detector:node", self.interpreter(who), environment)

    async def launch(self, app: str, interpreter: Path, environment: dict[str, str] | None = None) -> Server:
        """Start a server without waiting for it; whoever calls this stops it."""
        self._count += 1
        folder = self.folder_for(f"server {self._count}")
        put_model(folder)
        project = {"DATA_FOLDER": str(folder), "LOOP_ORGANIZATION": "bench", "LOOP_PROJECT": "bench"}
        port = free_port()
        command = (interpreter, "-m", "uvicorn", app, "--app-dir", PROGRAMS, "--host", "127.0.0.1", "--port", str(port))
        with (folder / "log.txt").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=folder,  # not the checkout, which 0.27 must not find
                env=clean_environment() | project | (environment or {}),
                stdout=log,
                stderr=log,
            )
        return Server(process, port, folder)

    def folder_for(self, name: str) -> Path:
        """A new folder, which is gone when all is measured."""
        folder = self._folder / name
        folder.mkdir()
        return folder

    def interpreter(self, who: Who) -> Path:
        """The Python in which this node is installed; ours without extras if there is such an environment."""
        if who is Who.THEIRS:
            assert self.peer is not None
            return self.peer
        return find_peer("ours") or Path(sys.executable)

    @asynccontextmanager
    async def _running(self, server: Server) -> AsyncIterator[Server]:
        try:
            await until_answers(server)
            yield server
        finally:
            await server.stop()


def put_model(data_folder: Path) -> None:
    """Model 1.0 where a node of either kind looks for it at its start."""
    model = data_folder / "models" / "1.0"
    model.mkdir(parents=True)
    information = {"id": "model-1.0", "host": None, "organization": "bench", "project": "bench", "version": "1.0"}
    (model / "model.json").write_text(json.dumps({**information, "categories": []}))
    (data_folder / "current_model").symlink_to(model)


def clean_environment() -> dict[str, str]:
    """The environment without what would configure a node, or keep Python from storing what it has compiled."""
    names = ("LOOP_", "DATA_FOLDER", "NODE_", "PYTHON", "VIRTUAL_ENV")
    return {key: value for key, value in os.environ.items() if not key.startswith(names)}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def until_answers(server: Server, path: str = "/about") -> None:
    """Wait until a server answers here with 200."""
    async with asyncio.timeout(START_S):
        while not await is_answering(server.port, path):
            if server.process.returncode is not None:
                raise RuntimeError(f"a server ended with status {server.process.returncode} before it answered")
            await asyncio.sleep(0.002)


async def is_answering(port: int, path: str) -> bool:
    return (await request(port, "GET", path))[0] == 200


async def request(port: int, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of an answer; status 0 if nobody listens."""
    head = f"{method} {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return 0, b""
    try:
        writer.write(head.encode() + body)
        answer = await reader.read()
    except ConnectionError:
        return 0, b""
    finally:
        writer.close()
    found, _, content = answer.partition(b"\r\n\r\n")
    return (int(found.split()[1]) if found else 0), content
