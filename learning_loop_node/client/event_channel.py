"""Asks a node by Socket.IO events and waits for the acknowledgement."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp
import orjson
import socketio

from ..api.sio import SOCKET_IO_PATH, library_logger
from ..errors import DeadlineError, NodeError, RefusedError, TooLargeError, UnavailableError
from .event_calls import EventCalls
from .failures import FOREIGN, error_of_code
from .http import timeout_of

logger = logging.getLogger(__name__)

CONNECT_S = 20.0
SMALL_BYTES = 2**20
"""Any node takes a message of this size, so only for larger ones it is asked for its limit."""

LARGEST_ANSWER_BYTES = 64 * 2**20
"""Of an answer; aiohttp alone allows 4 MiB, some 25 000 boxes, and loses the connection above it."""

ENVELOPE_BYTES = 4096
"""Room for what is in a message besides its images."""


class EventChannel:
    """A Socket.IO connection that is made when it is needed, and anew after it was lost.

    A connection that breaks ends the calls that wait, at once and not after their time is up. `session` belongs to the
    caller and is not closed here.
    """

    def __init__(self, origin: str, session: aiohttp.ClientSession) -> None:
        self._origin = origin
        self._session = session
        self._connecting = asyncio.Lock()
        self._calls = EventCalls()
        self._limit_bytes: int | None = None
        self._client: socketio.AsyncClient | None = None

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.disconnect()

    async def call(self, event: str, data: Any = None, *, timeout_s: float, size_bytes: int = 0) -> Any:
        """What the node acknowledges the event with; raises the error that it names instead.

        `size_bytes` is the size of the images in `data`; what the node would not take is refused before it is sent
        (`TooLargeError`), since a node closes the connection when it gets it.
        """
        try:
            async with asyncio.timeout(timeout_s):
                client = await self._connect()
                await self._check_size(size_bytes)
                reply = await self._ask(client, event, data)
        except TimeoutError as error:
            raise DeadlineError(f"no answer to {event} from {self._origin} within {timeout_s:g} s") from error
        if isinstance(reply, dict) and isinstance(reply.get("error"), str):
            raise error_of_code(reply.get("code"), reply["error"]) or RefusedError(reply["error"])
        return reply

    async def _ask(self, client: socketio.AsyncClient, event: str, data: Any) -> Any:
        try:
            return await self._calls.ask(client, event, data)
        except (socketio.exceptions.SocketIOError, *FOREIGN) as error:
            raise self._lost(error) from error

    async def _connect(self) -> socketio.AsyncClient:
        async with self._connecting:
            if self._client is not None and self._client.connected:
                return self._client
            # A client that has lost its connection cannot be used again at once, so each connection has its own.
            client = socketio.AsyncClient(
                reconnection=False,
                handle_sigint=False,
                http_session=self._session,
                logger=library_logger("socketio.client"),
                engineio_logger=library_logger("engineio.client"),
                websocket_extra_options={"max_msg_size": LARGEST_ANSWER_BYTES},
            )
            client.on("disconnect", self._on_disconnect)
            try:
                await client.connect(
                    self._origin, socketio_path=SOCKET_IO_PATH, transports=["websocket"], wait_timeout=CONNECT_S
                )
            except (socketio.exceptions.SocketIOError, *FOREIGN) as error:
                raise UnavailableError(
                    f"no Socket.IO connection to {self._origin}: {error}; is a detector node there?"
                ) from error
            self._client = client
            return client

    async def _check_size(self, size_bytes: int) -> None:
        if size_bytes <= SMALL_BYTES:
            return
        if self._limit_bytes is None:
            self._limit_bytes = await self._announced_limit()
        if size_bytes + ENVELOPE_BYTES > self._limit_bytes:
            raise TooLargeError(
                f"{size_bytes} bytes do not fit into a message to {self._origin}, which takes {self._limit_bytes}; "
                "send the image as JPEG"
            )

    async def _announced_limit(self) -> int:
        """The largest message, as the node says when a connection begins."""
        url = f"{self._origin}{SOCKET_IO_PATH}/?EIO=4&transport=polling"
        try:
            async with self._session.get(url, timeout=timeout_of(CONNECT_S)) as answer:
                return int(orjson.loads((await answer.read())[1:])["maxPayload"])
        except (*FOREIGN, ValueError, KeyError, TypeError) as error:
            logger.debug("%s does not say how large a message may be: %s", self._origin, error)
            return 2**63

    def _on_disconnect(self, *reason: Any) -> None:
        self._calls.fail(self._lost(reason[0] if reason else "no reason given"))

    def _lost(self, reason: object) -> NodeError:
        return UnavailableError(
            f"the Socket.IO connection to {self._origin} was lost ({reason}); "
            "it ends, too, when a message is larger than the server takes (16 MiB unless its ws_max_size is set)"
        )
