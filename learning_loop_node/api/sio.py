"""Turns tables of operations into Socket.IO events."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import orjson
import socketio
from engineio.packet import NOOP, Packet

from ..data_classes import codec
from ..errors import InvalidDataError, InvalidRequestError
from .access import Origins
from .event_packets import MALFORMED, EventPacket, malformed, unknown
from .operation import Nothing, Operation
from .replies import acknowledgement, error_acknowledgement, error_event, outcome_of
from .traffic import CANCELLED, OK, Traffic

logger = logging.getLogger(__name__)

SOCKET_IO_PATH = "/ws/socket.io"
MAX_MESSAGE_BYTES = 64 * 2**20


class FastJson:
    """Stands in for the module `json`: as quick as orjson, and takes everything that `json` takes.

    python-socketio keeps one JSON implementation for all servers and clients of a process, so a user's own must go on
    working with it.
    """

    @staticmethod
    def dumps(value: Any, **_options: Any) -> str:
        try:
            return codec.to_json(value).decode()
        except InvalidDataError:
            return json.dumps(value)

    @staticmethod
    def loads(text: str | bytes, **_options: Any) -> Any:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return json.loads(text)


class Server(socketio.AsyncServer):  # type: ignore[misc]
    """Answers also what is no event, and what neither we nor the program has a handler for.

    A handler for `*` would do that, too, but stand before those that programs give as a class or for all namespaces.
    """

    answer_error: Callable[[Exception], Any] = staticmethod(error_event)

    async def _trigger_event(self, event: str, namespace: str, *arguments: Any) -> Any:
        if event == MALFORMED:
            return self.answer_error(malformed(*arguments))
        answer = await super()._trigger_event(event, namespace, *arguments)
        if answer is not self.not_handled or event in self.reserved_events:
            return answer
        return self.answer_error(unknown(event))


def make_server(
    origins: Origins | None = None,
    *,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    packets: type[EventPacket] = EventPacket,
    answer_error: Callable[[Exception], Any] = error_event,
) -> socketio.AsyncServer:
    """A Socket.IO server that takes frames of this size. From a browser, only pages of these origins may connect."""
    server = Server(
        async_mode="asgi",
        max_http_buffer_size=max_message_bytes,
        json=FastJson,
        serializer=packets,
        cors_allowed_origins=(origins or Origins()).allows_events,
        logger=library_logger("socketio.server"),
        engineio_logger=library_logger("engineio.server"),
    )
    server.answer_error = answer_error
    return server


def library_logger(name: str) -> logging.Logger:
    """The logger of a Socket.IO library, which speaks of errors only unless the program has given it a level.

    Without one to use, the library adds a handler of its own, and its lines come twice and not as JSON.
    """
    library = logging.getLogger(name)
    if library.level == logging.NOTSET:
        library.setLevel(logging.ERROR)
    return library


def add_events(
    server: socketio.AsyncServer, operations: Iterable[Operation[Any, Any]], traffic: Traffic | None = None
) -> None:
    """Answer each event of the table through its acknowledgement."""
    traffic = traffic or Traffic()
    for operation in operations:
        if operation.event is not None:
            server.on(operation.event, _handler_of(operation, traffic))


def attach_events(
    client: socketio.AsyncClient, operations: Iterable[Operation[Any, Any]], traffic: Traffic | None = None
) -> None:
    """Let a client of the loop answer the events of the table, in the shape that the loop expects."""
    traffic = traffic or Traffic()
    for operation in operations:
        if operation.event is not None:
            client.on(operation.event, _handler_for_loop(operation, traffic))


async def release_poll(server: socketio.AsyncServer, sid: str) -> None:
    """Answer the long poll of a client that is leaving, which would otherwise stay open until its time-out."""
    connection = server.eio.sockets.get(server.manager.eio_sid_from_sid(sid, "/"))
    if connection is not None and not connection.upgraded:
        await connection.send(Packet(NOOP))


def _handler_of(operation: Operation[Any, Any], traffic: Traffic) -> Callable[..., Awaitable[Any]]:
    def answer(result: Any) -> Any:
        # Written here, where a result that cannot be JSON is still an error; it also spares python-socketio its
        # search for binary parts.
        return orjson.Fragment(codec.to_json(operation.reply_event(result)))

    handle = _Handler(operation, traffic, answer, error_event)

    async def handle_of_client(_sid: str, *arguments: Any) -> Any:
        return await handle(*arguments)

    return handle_of_client


def _handler_for_loop(operation: Operation[Any, Any], traffic: Traffic) -> Callable[..., Awaitable[Any]]:
    def answer(result: Any) -> Any:
        return acknowledgement(operation.reply_event(result))

    handle = _Handler(operation, traffic, answer, error_acknowledgement)

    async def handle_of_loop(*arguments: Any) -> Any:
        return await handle(*arguments)

    return handle_of_loop


class _Handler:
    """Reads the arguments of an event, runs its operation and answers with the result or the error."""

    def __init__(
        self,
        operation: Operation[Any, Any],
        traffic: Traffic,
        answer: Callable[[Any], Any],
        answer_error: Callable[[Exception], Any],
    ) -> None:
        self._operation = operation
        self._read: Callable[..., Any] = operation.read_event or _read_nothing
        self._run = operation.run
        self._answer = answer
        self._answer_error = answer_error
        self._recorder, self._now = traffic.of(operation.name, "socketio"), traffic.now

    async def __call__(self, *arguments: Any) -> Any:
        recorder, now = self._recorder, self._now
        began = now()
        recorder.received += 1
        outcome = CANCELLED
        try:
            asked = self._read(*arguments)
            recorder.reading.observe(now() - began)
            answer = self._answer(await self._run(asked))
            outcome = OK
            return answer
        except Exception as raised:
            error = _named(raised, self._operation)
            outcome = outcome_of(error)
            return self._answer_error(error)
        finally:
            recorder.answered(outcome, now() - began)


def _named(error: Exception, operation: Operation[Any, Any]) -> Exception:
    """A `TypeError` that comes from the call of the reader itself is the sender's fault."""
    if isinstance(error, TypeError) and error.__traceback__ and error.__traceback__.tb_next is None:
        return InvalidRequestError(f"the event {operation.event} got a wrong number of arguments")
    return error


def _read_nothing(*_arguments: Any) -> Nothing:
    return Nothing()
