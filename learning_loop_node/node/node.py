"""A node: a FastAPI application with a name, a connection to the loop and a list of services."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import socketio
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Message, Receive, Scope, Send

from ..api.access import Origins
from ..api.asgi import SocketIoBeside
from ..api.docs_page import add_docs_page
from ..api.front_page import add_front_page
from ..api.operation import Operation
from ..api.rest import add_error_replies, add_operations
from ..api.sio import add_events, attach_events, make_server, release_poll
from ..api.traffic import Traffic
from ..client.connection import ConnectionState, LoopConnection
from ..client.http import LoopHttp
from ..client.loop import LoopClient
from ..data_classes import Context, NodeStatus
from ..errors import NodeError, SettingError
from ..logs import NODE_LOGGER, configure_logging
from ..runtime.allocator import keep_freed_memory
from ..runtime.metrics import Metrics
from ..runtime.services import Service, supervise
from ..runtime.termination import Termination
from ..settings import Settings, load_log_settings, load_settings
from .identity import node_uuid
from .metrics import node_metrics
from .operations import loop_operations, node_operations
from .repeat import Repeat

if TYPE_CHECKING:
    from ..client.communicator import LoopCommunicator
    from ..client.data_exchanger import DataExchanger


DESCRIPTION = """
A node of a learning loop. Programs beside it ask it over HTTP, as told here, or over Socket.IO with events, which are
named where there is one. Every error is JSON with `detail`, a text that says what to do, and `code`, its name.
"""

TAGS = [
    {"name": "images", "description": "What the model finds in images, and images that are kept for the loop."},
    {"name": "model", "description": "Which model answers, which one should, and when it may change."},
    {"name": "outbox", "description": "Images that wait for the loop, and those that it refused."},
    {"name": "state", "description": "How the node is, and what it tells of itself."},
    {"name": "maintenance", "description": "What only operators should do."},
]
"""The headings of the documentation, in their order."""


class NodeConnectionError(NodeError):
    """The node has no connection to the loop."""


class Node(FastAPI):
    """What all nodes share. Derive from one of its subclasses and override, where needed, in the order they are called:

    1. `on_startup()`: everything is open, nothing is served yet.
    2. `on_repeat()`: every 5 seconds while the node runs.
    3. `on_shutdown()`: the services have ended, everything is still open.

    With `needs_sio` the node keeps a Socket.IO connection to the loop, over which the loop calls it, too:
    `register_sio_events(client)` is called before each time it connects.

    Constructing a node changes nothing outside the object; what it needs is opened when the server starts it.
    """

    def __init__(
        self,
        name: str,
        *,
        uuid: str | None = None,
        node_type: str = "node",
        needs_login: bool = True,
        needs_sio: bool = True,
        settings: Settings | None = None,
    ) -> None:
        if needs_sio and not needs_login:
            raise ValueError("needs_sio=True needs needs_login=True: the loop's Socket.IO asks for a login")
        super().__init__(
            title=name,
            description=DESCRIPTION,
            version=version("learning-loop-node"),
            lifespan=lambda _app: self._lifespan(),
        )
        add_docs_page(self)
        configure_logging(as_json=(settings.logs if settings else load_log_settings()).as_json)
        self.log = logging.getLogger(NODE_LOGGER)
        self.name = name
        self.settings = settings or load_settings()
        self.needs_login = needs_login
        self.startup_datetime = datetime.now()
        self.repeat_loop_lock = asyncio.Lock()
        self.repeat_loop_cycle_sec: float = 5
        self.repeat_task: asyncio.Task[Any] | None = None
        self.needs_sio = needs_sio
        self.is_muted = self.settings.node.skip_repeat_on_start
        self.previous_state: str | None = None
        self.CONNECTED_TO_LOOP = asyncio.Event()
        self.DISCONNECTED_FROM_LOOP = asyncio.Event()
        self.sio_headers = {
            "organization": self.settings.loop.organization,
            "project": self.settings.loop.project,
            "nodeType": node_type,
        }
        self.loop_http = LoopHttp(self.settings.loop)
        self.loop_client = LoopClient(self.loop_http)
        self.connection = LoopConnection(
            self.loop_http, self.sio_headers, attach=self._attach, on_change=self._on_connection_change
        )
        self.connection.is_wanted = not self.is_muted
        self._origins = Origins(self.settings.node.allowed_origins)
        self.sio = make_server(self._origins)
        self.connected_clients: list[str] = []
        self.termination = Termination(before_stop=self._disconnect_clients)
        self._given_uuid = uuid
        self._wrong_setting: SettingError | None = None  # because of which it does not start
        self._context: Context | None = None  # of nodes that work for one project
        self._communicators: list[LoopCommunicator] = []
        self._run_by_hand = AsyncExitStack()
        self._application = SocketIoBeside(super().__call__, self.sio, self._check_origin)
        self.sio.on("connect", self._on_client_connect)
        self.sio.on("disconnect", self._on_client_disconnect)
        self.traffic = Traffic()
        self.metrics = Metrics()
        self.metrics.add(node_metrics(self))
        self._addresses = {"/docs": "All that it can be asked"}  # shown by the page at `/`
        add_error_replies(self)
        add_front_page(self, f"A {node_type} of a learning loop", self._addresses)
        self._add(node_operations(self))

    # --- for subclasses and programs

    async def on_startup(self) -> None:
        """Called once, before the first request."""

    async def on_repeat(self) -> None:
        """Called every 5 seconds; what it raises is logged."""

    async def on_shutdown(self) -> None:
        """Called once, after the last request."""

    def register_sio_events(self, sio_client: socketio.AsyncClient) -> None:
        """Attach handlers for events that the loop sends, for nodes that connect to it."""

    def loop_operations(self) -> Iterable[Operation[Any, Any]]:
        """What the loop can ask over the connection, as a table of events; a subclass adds its own."""
        return loop_operations(self)

    def services(self) -> Iterable[Service]:
        """What runs in the background while the node runs."""
        return (Repeat(self), self.connection) if self.needs_sio else (Repeat(self),)

    @cached_property
    def uuid(self) -> str:
        """The id of this node: as given, or kept in the data folder under its name."""
        return self._given_uuid or node_uuid(self.settings.node.data_folder, self.name)

    @cached_property
    def status(self) -> NodeStatus:
        """What the node says about itself."""
        return NodeStatus(id=self.uuid, name=self.name)

    @cached_property
    def loop_communicator(self) -> LoopCommunicator:
        """Requests to the loop by their old names; new code uses `loop_client`."""
        from ..client.communicator import LoopCommunicator

        communicator = LoopCommunicator(self.settings.loop)
        self._communicators.append(communicator)
        return communicator

    @cached_property
    def data_exchanger(self) -> DataExchanger:
        """Downloads from the loop by their old names; new code uses `loop_client`."""
        from ..client.data_exchanger import DataExchanger

        return DataExchanger(self._context, self.loop_communicator)

    @property
    def websocket_url(self) -> str:
        return self.loop_communicator.websocket_url()

    @property
    def sio_client(self) -> socketio.AsyncClient | None:
        """The client of the present connection to the loop, None without one."""
        return self.connection.client

    @property
    def socket_connection_broken(self) -> bool:
        """Whether there was a connection to the loop and it is lost; set it, and the node makes a new one."""
        return self.needs_sio and self.connection.problem is not None

    @socket_connection_broken.setter
    def socket_connection_broken(self, value: bool) -> None:
        if value:
            self.connection.give_up()

    @property
    def uptime_s(self) -> int:
        return int((datetime.now() - self.startup_datetime).total_seconds())

    def set_skip_repeat_loop(self, value: bool) -> None:
        """Whether the node leaves the loop alone; its connection ends, too."""
        self.is_muted = value
        self.connection.is_wanted = not value

    def init_loop_communicator(self) -> None:
        """Let `loop_communicator` and `data_exchanger` be new ones, for programs that have closed theirs."""
        for name in ("loop_communicator", "data_exchanger"):
            self.__dict__.pop(name, None)

    async def reconnect_to_loop(self) -> None:
        """Log in and connect anew; `NodeConnectionError` if that fails and this kind of node does nothing without."""
        try:
            await self.loop_http.ensure_login(anew=True)
            if self.needs_sio:
                await self.connection.disconnect()
                await self.connection.connect()
        except NodeError as error:
            if self.needs_login:
                raise NodeConnectionError(f"the node has no connection to the loop: {error}") from error
            self.log.warning("the loop does not answer, the node goes on without it: %s", error)

    async def repeat_loop(self) -> None:
        """Call `on_repeat` for ever; the node does this by itself while it runs."""
        await Repeat(self).run()

    def log_status_on_change(self, current_state_str: str, full_status: Any) -> None:
        if self.previous_state != current_state_str:
            self.previous_state = current_state_str
            self.log.info("status changed to %s: %s", current_state_str, full_status)

    async def repeat_once(self) -> None:
        """One round of the user's periodic work."""
        async with self.repeat_loop_lock:
            await self.on_repeat()

    def readiness(self) -> dict[str, str]:
        """What keeps the node from doing its work, by subject; empty when it is ready."""
        if not self.needs_sio or self.connection.is_connected:
            return {}
        return {"loop": self.connection.problem or "not connected yet"}

    # --- inside

    async def _on_startup(self) -> None:
        """Run the node without a server, as tests of programs do, until `_on_shutdown`."""
        await self._run_by_hand.enter_async_context(self._lifespan())

    async def _on_shutdown(self) -> None:
        await self._run_by_hand.aclose()

    async def _ensure_sio_connection(self) -> None:
        """Connect to the loop now, unless the node is connected or needs no connection; one try."""
        if not self.needs_sio:
            return
        try:
            await self.connection.connect()
        except NodeError as error:
            raise NodeConnectionError(f"the node has no connection to the loop: {error}") from error

    def _attach(self, client: socketio.AsyncClient) -> None:
        attach_events(client, self.loop_operations(), self.traffic)
        self.register_sio_events(client)

    def _on_connection_change(self, state: ConnectionState) -> None:
        is_connected = state is ConnectionState.CONNECTED
        for event, is_set in ((self.CONNECTED_TO_LOOP, is_connected), (self.DISCONNECTED_FROM_LOOP, not is_connected)):
            event.set() if is_set else event.clear()

    def _add(self, operations: Iterable[Operation[Any, Any]]) -> None:
        rows = list(operations)
        found = [(row.http.path, row.summary) for row in rows if row.http and row.http.method == "GET"]
        self._addresses |= {path: summary for path, summary in found if "{" not in path}
        used = {row.tag for row in rows} | {tag["name"] for tag in self.openapi_tags or ()}
        self.openapi_tags = [tag for tag in TAGS if tag["name"] in used]
        add_operations(self, rows, self.traffic)
        add_events(self.sio, rows, self.traffic)

    async def _open(self, stack: AsyncExitStack) -> None:
        """Open what this kind of node needs, and leave its closing on the stack."""

    async def _before_close(self) -> None:
        """Finish what the services left, while everything is still open."""

    @asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[None]:
        self.termination.open()
        keep_freed_memory()
        try:
            async with AsyncExitStack() as stack:
                stack.push_async_callback(self._close_old_parts)
                stack.push_async_callback(self.sio.shutdown)
                await stack.enter_async_context(self.loop_http)
                try:
                    await self._open(stack)
                    await self.on_startup()
                except SettingError as error:
                    self._wrong_setting = error
                    raise
                async with supervise(self.services(), on_crash=lambda: self.termination.end(1)):
                    yield
                await self._before_close()
                await self.on_shutdown()
        finally:
            await self.termination.close()

    async def _close_old_parts(self) -> None:
        for communicator in self._communicators:
            await communicator.shutdown()

    async def _disconnect_clients(self) -> None:
        """Close the connections of Socket.IO clients, for whose long polls the server would otherwise wait.

        To them it looks like a lost connection, so that they try again when the node is back.
        """
        if self.sio.eio.sockets:
            await self.sio.eio.disconnect()

    def _check_origin(self, scope: Scope) -> None:
        """Refuse pages elsewhere, unless the program has decided about them with Starlette's own means."""
        added: list[Any] = [entry.cls for entry in self.user_middleware]
        if not any(isinstance(cls, type) and issubclass(cls, CORSMiddleware) for cls in added):
            self._origins.check(scope)

    async def _on_client_connect(self, sid: str, *_arguments: Any) -> None:
        self.connected_clients.append(sid)

    async def _on_client_disconnect(self, sid: str, *_arguments: Any) -> None:
        if sid in self.connected_clients:
            self.connected_clients.remove(sid)
        await release_poll(self.sio, sid)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def say_plainly(message: Message) -> None:
            """What the operator has to change is one sentence, which needs no traceback."""
            if message["type"] == "lifespan.startup.failed" and self._wrong_setting is not None:
                message = {**message, "message": str(self._wrong_setting)}
            await send(message)

        await self._application(scope, receive, say_plainly if scope["type"] == "lifespan" else send)
