"""Puts HTTP routes and Socket.IO events into one application."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import socketio
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import ForbiddenError, InvalidRequestError, NodeError, TooLargeError
from .forms import read_body
from .refused_websockets import refuse
from .replies import error_reply
from .sio import SOCKET_IO_PATH

logger = logging.getLogger(__name__)

POLICY_VIOLATION = 1008

Admit = Callable[[Scope], Awaitable[None]]


async def admit_all(_scope: Scope) -> None:
    """Let every client connect."""


class SocketIoBeside:
    """Sends requests below `/ws/socket.io` to the Socket.IO server and all others to the HTTP application.

    `check` may raise why an HTTP request is not served, `admit` why a request of Socket.IO is not.
    """

    def __init__(
        self,
        http: ASGIApp,
        server: socketio.AsyncServer,
        check: Callable[[Scope], None] = lambda _scope: None,
        *,
        admit: Admit = admit_all,
    ) -> None:
        self._http = http
        self._server = server
        self._check = check
        self._admit = admit
        self._events: Any = socketio.ASGIApp(server, socketio_path=SOCKET_IO_PATH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or not scope["path"].startswith(SOCKET_IO_PATH):
            try:
                if scope["type"] == "http":
                    self._check(scope)
            except ForbiddenError as error:
                await error_reply(error)(scope, receive, send)
                return
            await self._http(scope, receive, send)
            return
        try:
            await self._admit(scope)
        except NodeError as error:
            await refuse(error, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._talk(scope, receive, send)
        else:
            await self._poll(scope, receive, send)

    async def _talk(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a websocket. Who sends what is no packet at all is let go: engine.io would keep its connection."""
        try:
            await self._events(scope, receive, send)
        except ValueError as error:
            logger.info("a Socket.IO client is disconnected, since it sent what cannot be read: %s", error)
            for connection, socket in list(self._server.eio.sockets.items()):
                sid = self._server.manager.sid_from_eio_sid(connection, "/")
                if sid and self._server.get_environ(sid).get("asgi.scope") is scope:
                    await socket.close(wait=False, abort=True)
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})

    async def _poll(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of a client without websocket. Its body is read here, since engine.io knows no limit."""
        max_bytes = self._server.eio.max_http_buffer_size
        try:
            body = await read_body(Request(scope, receive), max_bytes=max_bytes)
        except TooLargeError:
            error = TooLargeError(f"a message has more than {max_bytes} bytes; send less at once, images as JPEG")
            await error_reply(error)(scope, receive, send)
            return
        except InvalidRequestError as error:
            await error_reply(error)(scope, receive, send)
            return
        rest: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def receive_again() -> Message:
            return rest.pop() if rest else await receive()

        await self._events(scope, receive_again, send)
