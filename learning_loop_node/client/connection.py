"""Keeps a node's Socket.IO connection to the loop."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum, auto
from typing import Any

import socketio

from ..api.sio import SOCKET_IO_PATH, FastJson, library_logger
from ..data_classes import SocketResponse
from ..errors import DeadlineError, LoopError, LoopRefusedError, LoopUnreachableError, NodeError
from ..runtime.clock import Clock
from ..runtime.periodic import wait_unless
from ..runtime.trouble import Trouble
from .event_calls import EventCalls
from .failures import FOREIGN
from .http import LoopHttp

logger = logging.getLogger(__name__)

CONNECT_S = 20.0
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
LARGEST_MESSAGE_BYTES = 64 * 2**20

Attach = Callable[[socketio.AsyncClient], None]


class ConnectionState(Enum):
    """Whether the loop can call us, and we the loop."""

    DISCONNECTED = auto()
    CONNECTING = auto()
    CONNECTED = auto()


class LoopConnection:
    """A service that connects, waits until the connection is lost, and connects anew.

    Waits between tries grow from 1 to 30 s and are random below that, so that the nodes of a loop that comes back do
    not all come at once. `attach` gives each new client its handlers; `headers` say at the handshake who we are.
    """

    name = "loop connection"

    def __init__(
        self,
        http: LoopHttp,
        headers: Mapping[str, str],
        *,
        attach: Attach,
        on_change: Callable[[ConnectionState], None] = lambda _state: None,
        clock: Clock | None = None,
    ) -> None:
        self.client: socketio.AsyncClient | None = None
        self.problem: str | None = None
        """Why there is no connection; None while there is one, and before the first try."""
        self._http = http
        self._headers = headers
        self._attach = attach
        self._on_change = on_change
        self._clock = clock or http.clock
        self._trouble = Trouble(self._clock)
        self._calls = EventCalls()
        self._state = ConnectionState.DISCONNECTED
        self._is_wanted = True
        self._is_given_up = False
        self._connecting = asyncio.Lock()
        self._stirred = asyncio.Event()
        self._failure_count = 0

    @property
    def state(self) -> ConnectionState:
        return self._state

    @property
    def is_connected(self) -> bool:
        return self._state is ConnectionState.CONNECTED

    @property
    def is_wanted(self) -> bool:
        """Whether the service connects; otherwise it lets go of the loop."""
        return self._is_wanted

    @is_wanted.setter
    def is_wanted(self, value: bool) -> None:
        self._is_wanted = value
        self._stirred.set()

    def wake(self) -> None:
        """Let the service look at once whether there is something to do, instead of waiting for its next try."""
        self._stirred.set()

    async def run(self) -> None:
        wait_s = FIRST_WAIT_S
        try:
            while True:
                self._stirred.clear()
                if not self._is_wanted or self._is_given_up:
                    self._is_given_up = False
                    await self.disconnect()
                if self._is_wanted and not self.is_connected:
                    if not await self._try():
                        await wait_unless(self._stirred, random.uniform(0, wait_s), self._clock)
                        wait_s = min(2 * wait_s, LONGEST_WAIT_S)
                        continue
                    wait_s = FIRST_WAIT_S
                await self._stirred.wait()
        finally:
            await self.disconnect()

    async def connect(self) -> None:
        """Connect, unless we are; one try. Raises a `LoopError`."""
        async with self._connecting:
            if self.is_connected:
                return
            self._change(ConnectionState.CONNECTING)
            try:
                client = await self._connected()
                if not client.connected:
                    raise self._lost("as soon as it was made")
                self.client = client
            except BaseException as error:
                self._failure_count += 1
                self.problem = str(error)
                self._change(ConnectionState.DISCONNECTED)
                raise
            self._failure_count = 0
            self.problem = None
            self._change(ConnectionState.CONNECTED)
            self._stirred.set()

    async def disconnect(self) -> None:
        """Let go of the loop; what waits for an answer ends with `LoopUnreachableError`."""
        client, self.client = self.client, None
        if client is not None:
            await _end(client)
        self._lose(client, "we have ended it")

    async def call(self, event: str, *arguments: Any, timeout_s: float) -> Any:
        """What the loop acknowledges the event with.

        Raises `LoopUnreachableError` without a connection or when it breaks, `DeadlineError` without an answer in time.
        """
        client = self.client
        if client is None or not self.is_connected:
            raise LoopUnreachableError(f"no connection to {self._http.origin} for {event}: {self.problem or 'not yet'}")
        try:
            async with asyncio.timeout(timeout_s):
                return await self._calls.ask(client, event, arguments)
        except TimeoutError as error:
            raise DeadlineError(f"no answer to {event} from {self._http.origin} within {timeout_s:g} s") from error
        except (socketio.exceptions.SocketIOError, *FOREIGN) as error:
            raise self._lost(error) from error

    async def call_checked(self, event: str, *arguments: Any, timeout_s: float) -> SocketResponse:
        """The same; `LoopRefusedError` with the loop's text if it says that it did not succeed.

        What is no object says nothing and counts as success.
        """
        answer = await self.call(event, *arguments, timeout_s=timeout_s)
        if not isinstance(answer, dict):
            return SocketResponse.for_success(answer)
        if answer.get("success") is not True:
            raise LoopRefusedError(f"{event}: {answer.get('error_msg') or 'the loop says that it did not succeed'}")
        return SocketResponse(success=True, payload=answer.get("payload"))

    def give_up(self) -> None:
        """Let the service end the present connection and make a new one."""
        self._is_given_up = True
        self._stirred.set()

    async def _try(self) -> bool:
        try:
            await self.connect()
        except NodeError as error:
            if self._trouble.is_news(str(error)):
                logger.warning("no connection to the loop, trying again: %s", error)
            return False
        if self._trouble.ends():
            logger.info("the loop at %s is there again", self._http.origin)
        else:
            logger.info("connected to the loop at %s", self._http.origin)
        return True

    async def _connected(self) -> socketio.AsyncClient:
        """A client that is connected. The login is used again, and made anew if the loop does not take it."""
        await self._http.ensure_login()
        try:
            return await self._open()
        except LoopError:
            await self._http.ensure_login(anew=True)
            return await self._open()

    async def _open(self) -> socketio.AsyncClient:
        # A client that has lost its connection cannot be used again at once, so each connection has its own.
        client = _Client(
            self._on_lost,
            reconnection=False,
            handle_sigint=False,
            json=FastJson,
            http_session=await self._http.session(),
            logger=library_logger("socketio.client"),
            engineio_logger=library_logger("engineio.client"),
            websocket_extra_options={"max_msg_size": LARGEST_MESSAGE_BYTES},
        )
        self._attach(client)
        try:
            async with asyncio.timeout(CONNECT_S):
                await client.connect(
                    self._http.origin,
                    headers=dict(self._headers),
                    transports=self._transports(),
                    socketio_path=SOCKET_IO_PATH,
                    wait_timeout=CONNECT_S,
                )
        except (socketio.exceptions.SocketIOError, *FOREIGN) as error:
            await _end(client)
            raise LoopUnreachableError(
                f"no Socket.IO connection to {self._http.origin} (LOOP_HOST): {error}"
            ) from error
        except BaseException:
            await _end(client)
            raise
        return client

    def _transports(self) -> list[str] | None:
        """Websocket at once; every second try after a failure begins with polling, for proxies that want it."""
        return ["websocket"] if self._failure_count % 2 == 0 else None

    def _on_lost(self, client: socketio.AsyncClient, reason: object) -> None:
        if client is self.client:
            self.client = None
            self._lose(client, reason)

    def _lose(self, client: socketio.AsyncClient | None, reason: object) -> None:
        if client is not None:
            error = self._lost(reason)
            self.problem = str(error)
            self._calls.fail(error)
            self._change(ConnectionState.DISCONNECTED)
            self._stirred.set()

    def _lost(self, reason: object) -> LoopUnreachableError:
        return LoopUnreachableError(f"the Socket.IO connection to {self._http.origin} was lost ({reason})")

    def _change(self, state: ConnectionState) -> None:
        if state is not self._state:
            self._state = state
            self._on_change(state)


class _Client(socketio.AsyncClient):  # type: ignore[misc]
    """Tells when it has lost its connection, whatever handlers the program gives it."""

    def __init__(self, on_lost: Callable[[socketio.AsyncClient, object], None], **options: Any) -> None:
        super().__init__(**options)
        self._tell_lost = on_lost

    async def _handle_eio_disconnect(self, reason: object) -> None:
        self._tell_lost(self, reason)
        await super()._handle_eio_disconnect(reason)


async def _end(client: socketio.AsyncClient) -> None:
    with suppress(socketio.exceptions.SocketIOError, *FOREIGN):
        await client.disconnect()
