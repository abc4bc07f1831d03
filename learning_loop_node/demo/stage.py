"""The two programs of the demo: the loop and a detector node, each a process of its own on a free port."""

from __future__ import annotations

import socket
import sys
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path
from types import TracebackType

import aiohttp

from ..data_classes import Context
from ..errors import ChildFailedError
from ..runtime.clock import Clock, SystemClock
from ..runtime.command import Command
from ..settings import LoopSettings, environment_for_child

LOOPBACK = "127.0.0.1"
READY_S = 90.0
LOOK_EVERY_S = 0.1
SHUTDOWN_GRACE_S = 15.0


class Stage:
    """Starts the programs and stops them again when the block is left, whatever happens.

    Everything they write lies in `folder`.
    """

    def __init__(self, folder: Path, context: Context, clock: Clock | None = None) -> None:
        self.folder = folder
        self.context = context
        self._clock = clock or SystemClock()
        self._closing = AsyncExitStack()
        loop_port, node_port = free_ports(2)
        self.loop_url = f"http://{LOOPBACK}:{loop_port}"
        self.node_url = f"http://{LOOPBACK}:{node_port}"
        self.loop_settings = LoopSettings(
            host=f"{LOOPBACK}:{loop_port}", organization=context.organization, project=context.project
        )
        python = [sys.executable, "-u", "-m"]
        data = str(folder / "loop")
        self.loop = Command(
            "the loop",
            [*python, *f"learning_loop_node serve --open --host={LOOPBACK} --port={loop_port}".split(), "--data", data],
            log_file=folder / "loop.log",
            environment=environment_for_child(),
        )
        self.node = Command(
            "the detector node",
            [*python, "learning_loop_node.demo.photo_detector", f"--host={LOOPBACK}", f"--port={node_port}"],
            log_file=folder / "node.log",
            environment=environment_for_child(
                DATA_FOLDER=str(folder / "node"),
                LOOP_HOST=self.loop_settings.host,
                LOOP_ORGANIZATION=context.organization,
                LOOP_PROJECT=context.project,
            ),
        )

    async def __aenter__(self) -> Stage:
        self._session = await self._closing.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        )
        self._closing.push_async_callback(self.loop.stop, SHUTDOWN_GRACE_S)
        self._closing.push_async_callback(self.node.stop, SHUTDOWN_GRACE_S)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._closing.aclose()

    async def start(self, command: Command) -> None:
        """Start one of the two and wait until it can do its work. `ChildFailedError` shows what it printed."""
        await self.launch(command)
        await self.until_ready(command)

    async def launch(self, command: Command) -> None:
        """Start one of the two."""
        (self.folder / "node").mkdir(parents=True, exist_ok=True)
        await command.start()

    async def until_ready(self, command: Command) -> None:
        """Wait until a program that was started says that it is ready."""
        url = (self.loop_url if command is self.loop else self.node_url) + "/readyz"
        deadline = self._clock.now() + READY_S
        said = "nothing"
        while self._clock.now() < deadline:
            self.check_running(command)
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self._session.get(url) as answer:
                    said = await answer.text()
                    if answer.status == 200:
                        return
            await self._clock.sleep(LOOK_EVERY_S)
        raise ChildFailedError(
            f"{command.name} was not ready after {READY_S:.0f} s, {url} said {said}; {_end_of(command)}"
        )

    def check_running(self, *commands: Command) -> None:
        """`ChildFailedError` with the end of its log if one of them has ended."""
        for command in commands:
            if not command.is_running:
                raise ChildFailedError(f"{command.name} ended with status {command.exit_status}; {_end_of(command)}")

    async def until_one_ends(self) -> None:
        """Raise `ChildFailedError` as soon as one of the two ends."""
        while True:
            self.check_running(self.loop, self.node)
            await self._clock.sleep(LOOK_EVERY_S)


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


def _end_of(command: Command) -> str:
    return f"the end of {command.log_file}:\n{command.log_tail(30)}"
