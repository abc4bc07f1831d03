"""The loop's Socket.IO server: who may connect, how many, and for how long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import HTTPConnection
from starlette.types import Scope

from ..api.event_packets import PlainPacket
from ..api.replies import error_acknowledgement
from ..api.sio import make_server, release_poll
from ..api.traffic import Traffic
from ..errors import NodeError, UnavailableError
from ..runtime.clock import Clock, SystemClock
from ..runtime.periodic import wait_unless
from .access.auth import Auth, refusal
from .access.origin import refuse_foreign_connections
from .access.rights import Caller, Right
from .node_events import NodeEvent, add_node_events
from .nodes import ConnectedNode, NodeKind, Nodes

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 4 * 2**20
CONNECTIONS = 2000
CONNECTIONS_OF_ONE = 1000
"""One login may have so many: a team often has one for all of its nodes."""

LOOK_S = 15.0
LOGINS_S = 60.0
"""So often it is looked whether a session or a token has expired; when somebody takes one away, at once."""

HANDSHAKE_S = 20.0
"""So long a connection may be without having said that it speaks Socket.IO."""

LONGEST_HEADER = 256
CALLER = "learning_loop.caller"
"""Where the scope of a connection says who makes it."""


class Connections:
    """A service that lets nodes connect and disconnects those that may no longer.

    Whoever connects shows a login as for any request, in the headers of the handshake.
    """

    name = "connections of nodes"

    def __init__(self, auth: Auth, clock: Clock | None = None) -> None:
        self._auth = auth
        self._clock = clock or SystemClock()
        self._is_closed = False
        self._woken = asyncio.Event()
        self._silent: dict[str, float] = {}
        self.limit, self.limit_of_one = CONNECTIONS, CONNECTIONS_OF_ONE
        self.handshake_s = HANDSHAKE_S
        self.server = make_server(
            max_message_bytes=MAX_MESSAGE_BYTES, packets=PlainPacket, answer_error=error_acknowledgement
        )
        self.server.on("connect", self._connect)
        self.server.on("disconnect", self._disconnect)
        self.nodes = Nodes(self.server)
        self.traffic = Traffic()
        self.refused = 0
        """Handshakes refused, for whatever reason."""

    def answer(self, events: Iterable[NodeEvent]) -> None:
        """Answer these events of nodes."""
        add_node_events(self.server, self.nodes, events, self.traffic)

    def wake(self) -> None:
        """Look at once whether everybody may still be connected."""
        self._woken.set()

    async def admit(self, scope: Scope) -> None:
        """Raise why a request of Socket.IO is not served. Only the first one of a connection has to show a login."""
        try:
            await self._check(scope)
        except NodeError:
            self.refused += 1
            raise

    async def _check(self, scope: Scope) -> None:
        connection = HTTPConnection(scope)
        refuse_foreign_connections(connection)
        if self._is_closed:
            raise UnavailableError("the loop ends", retry_after_s=5)
        if parse_qs(scope["query_string"].decode("latin-1")).get("sid"):
            return
        caller = await self._auth.who_makes(connection)
        if not caller.may_somewhere(Right.LABEL):
            raise refusal(caller, Right.LABEL, None)
        others = [environ["asgi.scope"].get(CALLER) for environ in self.server.environ.values()]
        of_one = sum(_is_same(caller, other) for other in others)
        if len(others) >= self.limit or of_one >= self.limit_of_one:
            raise UnavailableError("too many nodes are connected already; close some, or try later", retry_after_s=30)
        scope[CALLER] = caller

    async def run(self) -> None:
        looked_at = self._clock.now()
        while True:
            await wait_unless(self._woken, LOOK_S, self._clock)
            is_due = self._woken.is_set() or self._clock.now() - looked_at >= LOGINS_S
            self._woken.clear()
            if is_due:
                looked_at = self._clock.now()
            await self.look(at_logins=is_due)

    async def look(self, *, at_logins: bool = True) -> None:
        """Disconnect those that never said anything, and those whose login has ended or allows something else now."""
        now = self._clock.now()
        present = list(self.server.environ.items())
        self._silent = {
            key: self._silent.get(key, now) for key, _ in present if not self.server.manager.sid_from_eio_sid(key, "/")
        }
        known: dict[tuple[Any, ...], Caller | None] = {}
        for key, environ in present:
            if now - self._silent.get(key, now) > self.handshake_s:
                logger.info("a connection is ended, since it says nothing")
                await self._end(key)
            elif at_logins and not await self._is_still(environ["asgi.scope"], known):
                logger.info("a connection is ended, since its login has ended or changed")
                await self._end(key)

    async def _is_still(self, scope: Scope, known: dict[tuple[Any, ...], Caller | None]) -> bool:
        """Whether the login with which somebody connected says the same as then. `known` spares asking twice."""
        connection = HTTPConnection(scope)
        shown = [connection.headers.get(name) for name in ("cookie", "authorization", "host")]
        login = (*shown, connection.client and connection.client.host)
        if login not in known:
            try:
                known[login] = await self._auth.who_makes(connection)
            except (SQLAlchemyError, OSError) as error:
                logger.warning("the database does not say who may be connected: %s", error)
                return True
            except NodeError:
                known[login] = None
        caller: Caller = scope[CALLER]
        return known[login] == caller

    async def _end(self, key: str) -> None:
        socket = self.server.eio.sockets.get(key)
        if socket is not None:
            await socket.close(wait=False)  # nobody waits for a client that does not read

    async def aclose(self) -> None:
        """Let everybody go, and nobody in. To nodes it looks like a lost connection, so that they come again."""
        self._is_closed = True
        for key in list(self.server.eio.sockets):
            await self._end(key)

    async def shutdown(self) -> None:
        """End what the server does in the background."""
        await self.aclose()
        await self.server.shutdown()

    async def _connect(self, sid: str, environ: dict[str, Any], *_given: Any) -> None:
        scope = environ["asgi.scope"]
        headers = HTTPConnection(scope).headers
        node_type = headers.get("nodetype")
        node = ConnectedNode(
            sid=sid,
            kind=NodeKind.of_header(node_type or ""),
            caller=scope[CALLER],
            organization=headers.get("organization", "")[:LONGEST_HEADER],
            project=headers.get("project", "")[:LONGEST_HEADER],
            has_type=node_type is not None,
            host=headers.get("host", "")[:LONGEST_HEADER],
        )
        self.nodes.arrived(node)
        logger.debug("a %s is connected as %s", node.kind, node.caller.name)

    async def _disconnect(self, sid: str, *_reason: Any) -> None:
        self.nodes.left(sid)
        await release_poll(self.server, sid)


def _is_same(caller: Caller, other: Caller | None) -> bool:
    return other is not None and (caller.user_id, caller.token_id, caller.name) == (
        other.user_id,
        other.token_id,
        other.name,
    )
