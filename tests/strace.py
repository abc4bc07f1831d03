"""Lets system calls of a running process fail, with strace."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

ATTACH_S = 10


@asynccontextmanager
async def failing(pid: int, calls: str, error: str, when: str) -> AsyncIterator[None]:
    """While the block is open, these calls (`rename,renameat`) fail with this error (`EIO`) in all threads.

    `when` counts per thread: `1` the first, `1..2` the first two, `3+7` every seventh from the third on. The test is
    skipped where there is no strace, or where it may not look at a process.
    """
    if shutil.which("strace") is None:
        pytest.skip("needs strace (Debian: apt install strace)")
    process = await asyncio.create_subprocess_exec(
        *("strace", "--follow-forks", f"--trace={calls}", f"--inject={calls}:error={error}:when={when}"),
        *("--output=/dev/null", f"--attach={pid}"),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        said = (await asyncio.wait_for(process.stderr.readline(), ATTACH_S)).decode()
        if "attached" not in said:
            pytest.skip(f"strace cannot attach here: {said.strip()}")
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()
