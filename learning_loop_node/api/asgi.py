"""Puts HTTP routes and Socket.IO events into one application."""

from __future__ import annotations

from typing import Any

import socketio
from starlette.types import ASGIApp, Receive, Scope, Send

from .sio import SOCKET_IO_PATH


class SocketIoBeside:
    """Sends requests below `/ws/socket.io` to the Socket.IO server and all others to the HTTP application."""

    def __init__(self, http: ASGIApp, server: socketio.AsyncServer) -> None:
        self._http = http
        self._events: Any = socketio.ASGIApp(server, socketio_path=SOCKET_IO_PATH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and scope["path"].startswith(SOCKET_IO_PATH):
            await self._events(scope, receive, send)
        else:
            await self._http(scope, receive, send)
