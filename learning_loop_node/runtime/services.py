"""Owns every background task of a process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Protocol

from .termination import terminate

logger = logging.getLogger(__name__)


class Service(Protocol):
    """Background work with a name. `run` works until it is cancelled; what it raises ends the process."""

    @property
    def name(self) -> str: ...

    async def run(self) -> None: ...


@asynccontextmanager
async def supervise(services: Iterable[Service], on_crash: Callable[[], None] = terminate) -> AsyncIterator[None]:
    """Run the services while the block is open; cancel and await them when it closes.

    A service that raises takes the others with it: `on_crash` is called once and the block goes on to its orderly end.
    """
    crashed = False

    def crash(task: asyncio.Task[None]) -> None:
        nonlocal crashed
        if task.cancelled() or (error := task.exception()) is None or crashed:
            return
        crashed = True
        logger.critical("the service %s crashed, ending the process", task.get_name(), exc_info=error)
        on_crash()

    tasks = [asyncio.create_task(service.run(), name=service.name) for service in services]
    for task in tasks:
        task.add_done_callback(crash)
    try:
        yield
    finally:
        for task in reversed(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
