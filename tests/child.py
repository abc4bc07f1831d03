"""A program as a child process, and what it says."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
START_S = 30


@dataclass
class Child:
    """A running program; `output` is what it said so far."""

    process: asyncio.subprocess.Process
    url: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    async def status(self, *, within_s: float) -> int:
        async with asyncio.timeout(within_s):
            return await self.process.wait()


@asynccontextmanager
async def python_child(
    *arguments: str,
    environment: Mapping[str, str],
    address: str,
    ready: str,
    must_start: bool = True,
    interpreter: str | Path = sys.executable,
    folder: Path = CHECKOUT,
) -> AsyncIterator[Child]:
    """Python with these arguments, by default ours and in the checkout; killed at the end if it still runs.

    Its URL is what the pattern `address` finds in its output; it is up when a line matches `ready`.
    """
    process = await asyncio.create_subprocess_exec(
        *(interpreter, *arguments),
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    child = Child(process)
    is_up = asyncio.Event()

    async def read() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            child.lines.append(line.decode())
            if found := re.search(address, child.lines[-1]):
                child.url = found[1]
            if re.search(ready, child.lines[-1]):
                is_up.set()
        is_up.set()

    reading = asyncio.create_task(read())
    try:
        if must_start:
            await asyncio.wait_for(is_up.wait(), START_S)
            assert child.url, child.output
        yield child
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await reading
