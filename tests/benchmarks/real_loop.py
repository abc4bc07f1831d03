"""Our own loop as a process of its own, for the figures that nobody else has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from learning_loop_node.settings import environment_for_child
from tests.child import python_child


@asynccontextmanager
async def real_loop(folder: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """The loop with this data folder, without login; paths are given with `/api`."""
    arguments = ("-m", "learning_loop_node", "serve", "--open", "--port", "0", "--data", str(folder))
    environment = environment_for_child()
    place = r"(http://127\.0\.0\.1:\d+)"
    async with (
        python_child(*arguments, environment=environment, address=place, ready=place) as child,
        aiohttp.ClientSession(child.url) as session,
    ):
        yield session
