"""A process ends in order and with the right status, however it is served and whoever ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.events import connected

PROGRAM = "tests.integration.programs.ending"
WAYS = {
    "uvicorn.run": ("-m", PROGRAM, "run"),
    "uvicorn.run with reload": ("-m", PROGRAM, "reload"),
    "own event loop": ("-m", PROGRAM, "server"),
    "python -m uvicorn": ("-m", "uvicorn", f"{PROGRAM}:app", "--port", "0", "--loop"),
}
EVERY_WAY = [
    ("uvicorn.run", "asyncio"),
    ("uvicorn.run", "uvloop"),
    ("uvicorn.run with reload", "uvloop"),
    ("own event loop", "asyncio"),
    ("python -m uvicorn", "uvloop"),
]
WITHOUT_RELOAD = [entry for entry in EVERY_WAY if entry[0] != "uvicorn.run with reload"]


@pytest.mark.parametrize(("way", "loop"), EVERY_WAY)
async def test_idle_process_ends_at_once_with_status_0(way, loop):
    async with running(way, loop) as program:
        program.send(signal.SIGTERM)
        assert await program.status(within_s=5) == 0
        assert program.output[:2] == ["idle service was stopped", "stopped in order"]


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("uvicorn.run", 0),
        ("uvicorn.run with reload", 0),
        ("python -m uvicorn", 0),
        ("own event loop", -signal.SIGINT),  # as without us: the program gets its KeyboardInterrupt
    ],
)
async def test_ctrl_c_ends_as_the_server_wants_it(way, expected):
    async with running(way) as program:
        program.send(signal.SIGINT)
        assert await program.status() == expected
        assert "stopped in order" in program.output


@pytest.mark.parametrize(("way", "loop"), WITHOUT_RELOAD)
@pytest.mark.parametrize(("order", "expected"), [("crash", 1), ("restart", 0)])
async def test_service_or_loop_ends_the_process_in_order(way, loop, order, expected):
    async with running(way, loop) as program:
        await program.order(order)
        assert await program.status() == expected
        assert "stopped in order" in program.output
        assert ("the service obedient service crashed" in program.errors) == (order == "crash")
        assert program.errors.count("Traceback") == (order == "crash")


async def test_crash_while_starting_has_status_1():
    async with running("uvicorn.run", environment={"CRASH_AT_START": "1"}) as program:
        assert await program.status() == 1
        assert "stopped in order" in program.output


async def test_exit_of_a_user_hook_keeps_its_status():
    async with running("uvicorn.run") as program:
        await program.order("exit")
        assert await program.status() == 5


async def test_second_signal_changes_nothing():
    async with running("uvicorn.run") as program:
        slow = asyncio.create_task(program.get("/slow"))
        await asyncio.sleep(0.05)
        program.send(signal.SIGTERM)
        await asyncio.sleep(0.05)
        program.send(signal.SIGTERM)
        assert await slow == '"done"'
        assert await program.status() == 0


@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize(("order", "expected"), [("", 0), ("crash", 1)])
async def test_connected_clients_do_not_keep_the_process(transport, order, expected):
    async with running("uvicorn.run") as program, connected(program.address, transport, reconnection=False):
        if order:
            await program.order(order)
        else:
            program.send(signal.SIGTERM)
        assert await program.status(within_s=5) == expected, program.errors


@pytest.mark.parametrize(("order", "expected"), [("", 0), ("crash", 1)])
async def test_a_client_that_stalls_does_not_keep_the_process(order, expected):
    async with running("uvicorn.run") as program:
        host, _, port = program.address.removeprefix("http://").partition(":")
        _reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST /body HTTP/1.1\r\nHost: node\r\nContent-Length: 1000\r\n\r\nonly a part")
        await writer.drain()
        await program.get("/slow")
        if order:
            await program.order(order)
        else:
            program.send(signal.SIGTERM)
        assert await program.status(within_s=5) == expected, program.errors
        assert "stopped in order" in program.output
        writer.close()


@dataclass
class Program:
    """A child process, its address, and what it said."""

    process: asyncio.subprocess.Process
    address: str
    errors: str
    output: list[str]

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    async def get(self, path: str, method: str = "GET") -> str:
        request = urllib.request.Request(self.address + path, method=method)
        return await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=10).read().decode())

    async def order(self, name: str) -> None:
        await self.get(f"/order/{name}", "POST")

    async def status(self, within_s: float = 15) -> int:
        async with asyncio.timeout(within_s):
            output, errors = await self.process.communicate()
        self.errors += errors.decode()
        self.output = output.decode().split("\n")[:-1]
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def running(way: str, loop: str = "asyncio", environment: dict[str, str] | None = None) -> AsyncIterator[Program]:
    """The program, started and serving on a port of the system's choice."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *WAYS[way],
        loop,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        assert process.stderr is not None
        program = Program(process, "", "", [])
        while "Application startup complete" not in program.errors or not program.address:
            line = (await process.stderr.readline()).decode()
            if not line:
                break
            program.errors += line
            if "running on http://" in line:
                program.address = "http://" + line.partition("http://")[2].split()[0]
        yield program
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with the child of the reloader
        await process.wait()
