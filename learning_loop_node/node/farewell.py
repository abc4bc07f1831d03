"""Lets Socket.IO clients go before the server stops, which otherwise waits for their long polls."""

from __future__ import annotations

import asyncio

import socketio


class Farewell:
    """A service that disconnects all clients once `say` has been called."""

    name = "farewell"

    def __init__(self, server: socketio.AsyncServer) -> None:
        self._server = server
        self._said = asyncio.Event()

    def say(self) -> None:
        self._said.set()

    async def run(self) -> None:
        await self._said.wait()
        for sid, _ in list(self._server.manager.get_participants("/", None)):
            await self._server.disconnect(sid)
