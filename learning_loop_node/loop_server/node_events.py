"""Events that nodes send to the loop: one row each, and how each is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import socketio
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import DBAPIError

from ..api.field_texts import field_text
from ..api.replies import error_acknowledgement, outcome_of
from ..api.traffic import CANCELLED, OK, Traffic
from ..data_classes import SocketResponse, codec
from ..errors import BusyError, InvalidRequestError, NodeError, NotAuthenticatedError, UnavailableError
from .access.auth import refusal
from .access.rights import Right
from .nodes import ConnectedNode, Nodes

MOST_AT_ONCE = 32
"""So many events of one connection may wait for their answers."""

TOLD = 5
"""So many wrong fields stand in the text of an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEvent:
    """An event, what its arguments are, and the function that gets them after the node.

    A node is answered with a `SocketResponse`; what the function returns is its payload, unless it returns one itself.
    Where the event `is_of_legacy`, those that do not say what they are get literally `true`, as 0.3.2 wants it.
    """

    name: str
    arguments: Sequence[Any]
    run: Callable[..., Awaitable[Any]]
    is_of_legacy: bool = False


def add_node_events(
    server: socketio.AsyncServer, nodes: Nodes, events: Iterable[NodeEvent], traffic: Traffic | None = None
) -> None:
    """Answer each event of the table through its acknowledgement."""
    traffic = traffic or Traffic()
    for event in events:
        server.on(event.name, _handler_of(event, nodes, traffic))


def need(node: ConnectedNode, right: Right, organization: str, project: str) -> None:
    """Raise why the login of a node does not allow this in a project."""
    if not node.caller.may(right, organization, project):
        raise refusal(node.caller, right, organization, project)


def _handler_of(event: NodeEvent, nodes: Nodes, traffic: Traffic) -> Callable[..., Awaitable[Any]]:
    readers = [TypeAdapter(kind) for kind in event.arguments]
    recorder, now = traffic.of(event.name, "socketio"), traffic.now

    async def handle(sid: str, *arguments: Any) -> Any:
        began = now()
        recorder.received += 1
        outcome = CANCELLED
        node = nodes.of_connection(sid)
        try:
            if node is None:
                raise NotAuthenticatedError("the connection has ended")
            answer = await _answer(event, node, readers, arguments)
            outcome = OK
            return answer
        except Exception as raised:
            error = _named(raised)
            outcome = outcome_of(error)
            return error_acknowledgement(error)
        finally:
            recorder.answered(outcome, now() - began)

    return handle


def _named(error: Exception) -> Exception:
    """A database that is away for a while is no fault of ours, nor of the node."""
    if isinstance(error, DBAPIError | OSError):
        return UnavailableError(f"the loop's database does not answer ({type(error).__name__}); try again")
    return error


async def _answer(
    event: NodeEvent, node: ConnectedNode, readers: Sequence[TypeAdapter[Any]], arguments: Sequence[Any]
) -> Any:
    if node.events_in_progress >= MOST_AT_ONCE:
        raise BusyError(f"{MOST_AT_ONCE} events of this connection wait already; wait for their answers")
    node.events_in_progress += 1
    try:
        result = await event.run(node, *_read(event, readers, arguments))
    finally:
        node.events_in_progress -= 1
    if event.is_of_legacy and not node.has_type:
        return True
    response = result if isinstance(result, SocketResponse) else SocketResponse.for_success(result)
    return orjson.Fragment(codec.to_json(response))


def _read(event: NodeEvent, readers: Sequence[TypeAdapter[Any]], arguments: Sequence[Any]) -> list[Any]:
    if len(arguments) != len(readers):
        raise InvalidRequestError(f"{event.name} takes {len(readers)} arguments, not {len(arguments)}")
    values = []
    for number, (reader, argument) in enumerate(zip(readers, arguments, strict=True), start=1):
        try:
            values.append(reader.validate_python(argument))
        except ValidationError as error:
            told = "; ".join(field_text(dict(entry)) for entry in error.errors()[:TOLD])
            raise InvalidRequestError(f"argument {number} of {event.name}: {told}") from error
        except NodeError as error:
            raise InvalidRequestError(f"argument {number} of {event.name}: {error}") from error
    return values
