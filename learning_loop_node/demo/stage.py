"""The programs of a demo: a loop and its nodes, each a process of its own on a free port."""

from __future__ import annotations

import socket
import sys
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack, suppress
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


class Program(Command):
    """A program that serves at `url`; it says at `ready_path` whether it can do its work."""

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        *,
        port: int,
        log_file: Path,
        environment: dict[str, str],
        ready_path: str = "/readyz",
    ) -> None:
        self.port = port
        self.url = f"http://{LOOPBACK}:{port}"
        self.ready_url = self.url + ready_path
        super().__init__(
            name,
            [sys.executable, "-u", "-m", module, *arguments, f"--host={LOOPBACK}", f"--port={port}"],
            log_file=log_file,
            environment=environment,
        )


class Stage:
    """Starts programs and stops them again when the block is left, whatever happens: the nodes first, then the loop.

    Everything they write lies in `folder`.
    """

    def __init__(self, folder: Path, context: Context, clock: Clock | None = None) -> None:
        self.folder = folder
        self.context = context
        self._clock = clock or SystemClock()
        self._closing = AsyncExitStack()
        port = free_port()
        self.loop = Program(
            "the loop",
            "learning_loop_node",
            ["serve", "--open", "--data", str(folder / "loop")],
            port=port,
            log_file=folder / "loop.log",
            environment=environment_for_child(),
        )
        self.nodes: list[Program] = []
        self.loop_settings = LoopSettings(
            host=f"{LOOPBACK}:{port}", organization=context.organization, project=context.project
        )

    async def __aenter__(self) -> Stage:
        self._session = await self._closing.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        )
        self._closing.push_async_callback(self.loop.stop, SHUTDOWN_GRACE_S)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._closing.aclose()

    def add_node(
        self, name: str, module: str, arguments: Sequence[str] = (), *, ready_path: str = "/readyz", **variables: str
    ) -> Program:
        """A node of the loop, not yet started: what `python -m module arguments` does.

        Its data lie in a folder beside those of the loop, and `variables` are added to its environment.
        """
        key = name.removeprefix("the ").replace(" ", "_")
        data = self.folder / key
        data.mkdir(parents=True, exist_ok=True)
        node = Program(
            name,
            module,
            arguments,
            port=free_port(besides={program.port for program in self.programs}),
            log_file=self.folder / f"{key}.log",
            environment=environment_for_child(
                DATA_FOLDER=str(data),
                LOOP_HOST=self.loop_settings.host,
                LOOP_ORGANIZATION=self.context.organization,
                LOOP_PROJECT=self.context.project,
                **variables,
            ),
            ready_path=ready_path,
        )
        self.nodes.append(node)
        self._closing.push_async_callback(node.stop, SHUTDOWN_GRACE_S)
        return node

    @property
    def programs(self) -> list[Program]:
        return [self.loop, *self.nodes]

    async def start(self, program: Program) -> None:
        """Start a program and wait until it can do its work. `ChildFailedError` shows what it printed."""
        await program.start()
        await self.until_ready(program)

    async def until_ready(self, program: Program) -> None:
        """Wait until a program that was started says that it is ready."""
        deadline = self._clock.now() + READY_S
        said = "nothing"
        while self._clock.now() < deadline:
            check_running(program)
            with suppress(aiohttp.ClientError, TimeoutError):
                async with self._session.get(program.ready_url) as answer:
                    said = await answer.text()
                    if answer.status == 200:
                        return
            await self._clock.sleep(LOOK_EVERY_S)
        raise ChildFailedError(
            f"{program.name} was not ready after {READY_S:.0f} s, {program.ready_url} said {said}; {_end_of(program)}"
        )

    async def until_one_ends(self) -> None:
        """Raise `ChildFailedError` as soon as one of the programs ends."""
        while True:
            check_running(*self.programs)
            await self._clock.sleep(LOOK_EVERY_S)


def check_running(*programs: Program) -> None:
    """`ChildFailedError` with the end of its log if one of them has ended."""
    for program in programs:
        if not program.is_running:
            raise ChildFailedError(f"{program.name} ended with status {program.exit_status}; {_end_of(program)}")


def free_port(besides: Collection[int] = ()) -> int:
    """A loopback port that nobody listens on, and that is promised to nobody."""
    while True:
        with socket.create_server((LOOPBACK, 0)) as listener:
            port = int(listener.getsockname()[1])
        if port not in besides:
            return port


def _end_of(program: Program) -> str:
    return f"the end of {program.log_file}:\n{program.log_tail(30)}"
