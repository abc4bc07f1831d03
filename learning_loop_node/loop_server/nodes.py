"""Which nodes are connected to the loop, and calls to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import socketio

from ..errors import DeadlineError, InvalidRequestError, NodeError, UnavailableError
from .access.rights import Caller


class NodeKind(StrEnum):
    """What is at the other end of a connection."""

    TRAINER = "trainer"
    ANNOTATION_NODE = "annotation_node"
    CONVERTER = "converter"
    LEGACY = "legacy"
    """A node of 0.3.2, which does not say what it is and is known by its first event, or one of a kind unknown here."""
    PERSON = "person"
    """A program or page of somebody who labels, or one who has not said anything yet."""

    @classmethod
    def of_header(cls, node_type: str) -> NodeKind:
        """What the header `nodeType` says; empty means that there was none."""
        known = {kind.value: kind for kind in (cls.TRAINER, cls.ANNOTATION_NODE, cls.CONVERTER)}
        return known.get(node_type, cls.LEGACY if node_type else cls.PERSON)


@dataclass(eq=False, slots=True, kw_only=True)
class ConnectedNode:
    """A connection, and what its node said about itself last: `id` and `name` are known from then on.

    `organization` and `project` are those of its handshake, mostly empty, and `has_type` whether it said what it is
    there. What a node may is what its `caller` may.
    """

    sid: str
    kind: NodeKind
    caller: Caller
    organization: str = ""
    project: str = ""
    has_type: bool = True
    host: str = ""
    """The name by which it has found the loop."""
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str | None = None
    name: str = ""
    status: Mapping[str, Any] = field(default_factory=dict)
    events_in_progress: int = 0

    @property
    def state(self) -> str | None:
        """What it reported last, as on the wire."""
        state = self.status.get("state")
        return state if isinstance(state, str) else None

    def __str__(self) -> str:
        return f"{self.kind} {self.name or self.id or self.sid}"


class Nodes:
    """The nodes that are connected now."""

    def __init__(self, server: socketio.AsyncServer) -> None:
        self._server = server
        self._by_sid: dict[str, ConnectedNode] = {}
        self._waiting: dict[str, set[asyncio.Future[Any]]] = {}
        self._on_gone: list[Callable[[ConnectedNode], None]] = []

    # --- who is there

    def all(self) -> list[ConnectedNode]:
        """All connections, the longest connected first."""
        return list(self._by_sid.values())

    def of_kind(self, kind: NodeKind) -> list[ConnectedNode]:
        """Those that have said who they are; of several with one id and one login, the last that connected."""
        found: dict[tuple[str | None, ...], ConnectedNode] = {}
        for node in self._by_sid.values():
            if node.kind is kind and node.id is not None:
                found[node.id, node.caller.user_id, node.caller.token_id, node.caller.name] = node
        return list(found.values())

    def by_id(
        self, node_id: str, *, is_trusted: Callable[[ConnectedNode], bool] = lambda _node: True
    ) -> ConnectedNode | None:
        """The last that connected with this id, None without one.

        Ids are what nodes say, so whoever hands out work names whom to trust.
        """
        found = (node for node in reversed(self.all()) if node.id == node_id and is_trusted(node))
        return next(found, None)

    def counts(self) -> dict[str, int]:
        """How many there are of each kind."""
        found = dict.fromkeys(NodeKind, 0)
        for node in self._by_sid.values():
            found[node.kind] += 1
        return {kind.value: count for kind, count in found.items()}

    # --- calls

    async def call(self, node: ConnectedNode | str, event: str, *arguments: Any, timeout_s: float) -> Any:
        """What the node acknowledges the event with.

        `UnavailableError` if it is not connected or leaves meanwhile, `DeadlineError` without an answer in time.
        """
        found = self._found(node, event)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        waiting = self._waiting[found.sid]
        waiting.add(answer)

        def acknowledge(*values: Any) -> None:
            if not answer.done():
                answer.set_result(values[0] if len(values) == 1 else values or None)

        try:
            async with asyncio.timeout(timeout_s):
                await self._server.emit(event, arguments, to=found.sid, callback=acknowledge)
                result = await answer
        except TimeoutError as error:
            raise DeadlineError(f"the {found} did not answer {event} within {timeout_s:g} s") from error
        finally:
            waiting.discard(answer)
        if isinstance(result, tuple) and any(isinstance(value, NodeError) for value in result):
            raise InvalidRequestError(f"the {found} answered {event} with what cannot be read")
        return result

    async def send(self, node: ConnectedNode | str, event: str, *arguments: Any) -> None:
        """Send an event for which no answer is awaited. `UnavailableError` if the node is not connected."""
        await self._server.emit(event, arguments, to=self._found(node, event).sid)

    def _found(self, node: ConnectedNode | str, event: str) -> ConnectedNode:
        found = self.by_id(node) if isinstance(node, str) else self._by_sid.get(node.sid)
        if found is None:
            name = f"node {node}" if isinstance(node, str) else str(node)
            raise UnavailableError(f"the {name} is not connected, so that {event} cannot be sent")
        return found

    # --- kept up to date by the connections

    def on_gone(self, tell: Callable[[ConnectedNode], None]) -> None:
        """Let this be called with each node that has left."""
        self._on_gone.append(tell)

    def arrived(self, node: ConnectedNode) -> None:
        self._by_sid[node.sid] = node
        self._waiting[node.sid] = set()

    def left(self, sid: str) -> None:
        """Forget a connection; calls to it end with `UnavailableError`. Nothing happens if it is not known."""
        node = self._by_sid.pop(sid, None)
        if node is None:
            return
        for answer in self._waiting.pop(sid):
            if not answer.done():
                answer.set_exception(UnavailableError(f"the {node} left before it answered"))
        for tell in self._on_gone:
            tell(node)

    def of_connection(self, sid: str) -> ConnectedNode | None:
        return self._by_sid.get(sid)
