"""What every node can be asked."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from ..api.forms import read_body
from ..api.openapi import NOT_READY, answers_with
from ..api.operation import Http, Nothing, Operation, read_nothing
from ..api.replies import json_reply, metrics_reply
from ..errors import BadModeError, InvalidRequestError, TooLargeError
from ..logs import NODE_LOGGER

if TYPE_CHECKING:
    from .node import Node

MAX_TEXT_BYTES = 10_000


def node_operations(node: Node) -> list[Operation[Any, Any]]:
    async def set_debug_logging(is_on: bool) -> str:
        logging.getLogger(NODE_LOGGER).setLevel(logging.DEBUG if is_on else logging.INFO)
        return _switch_text(is_on)

    async def set_connection(is_on: bool) -> str:
        node.set_skip_repeat_loop(not is_on)
        return _switch_text(is_on)

    async def tell_alive(_: Nothing) -> dict[str, Any]:
        return {"status": "ok", "name": node.name, "uptime_s": node.uptime_s}

    async def tell_ready(_: Nothing) -> dict[str, str]:
        return node.readiness()

    async def tell_metrics(accept: str) -> tuple[bytes, str]:
        return await node.metrics.exposition(accept)

    return [
        Operation(
            request=bool,
            run=set_debug_logging,
            tag="state",
            summary="Switch debug logging `on` or `off`",
            http=Http(method="PUT", path="/debug_logging", read=read_switch, answer=str, openapi=TEXT_BODY),
        ),
        Operation(
            request=bool,
            run=set_connection,
            tag="state",
            summary="Let the node talk to the loop (`on`) or leave it alone (`off`)",
            http=Http(method="PUT", path="/socketio", read=read_switch, answer=str, openapi=TEXT_BODY),
        ),
        Operation(
            request=Nothing,
            run=tell_alive,
            tag="state",
            summary="Whether the process is alive",
            http=Http(method="GET", path="/healthz", read=read_nothing, answer=dict[str, Any]),
        ),
        Operation(
            request=Nothing,
            run=tell_ready,
            tag="state",
            summary="Whether the node can do its work; 503 names what is missing",
            http=Http(
                method="GET",
                path="/readyz",
                read=read_nothing,
                reply=_reply_ready,
                answer=dict[str, Any],
                openapi={"responses": {"503": NOT_READY}},
            ),
        ),
        Operation(
            request=str,
            run=tell_metrics,
            tag="state",
            summary="Counts and latencies in the text format of Prometheus",
            http=Http(method="GET", path="/metrics", read=read_accept, reply=metrics_reply, openapi=METRICS_ANSWER),
        ),
    ]


def loop_operations(node: Node) -> list[Operation[Any, Any]]:
    """What the loop can ask of every node that is connected to it."""

    async def restart(_: Nothing) -> None:
        node.log.info("the loop asks for a restart")
        node.termination.end(0)

    return [Operation(request=Nothing, run=restart, summary="End the process in order", event="restart")]


METRICS_ANSWER = answers_with(
    "The metrics, in the format that the caller accepts.",
    {"text/plain": {"type": "string"}, "application/openmetrics-text": {"type": "string"}},
)
TEXT_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}},
}


async def read_text(request: Request) -> str:
    """The body as text, whatever content type it claims, so that `1.3` stays a text."""
    try:
        body = await read_body(request, max_bytes=MAX_TEXT_BYTES)
    except TooLargeError as error:
        raise TooLargeError(f"the body must be one word, not more than {MAX_TEXT_BYTES} bytes") from error
    try:
        return body.decode().strip().strip('"')
    except UnicodeDecodeError as error:
        raise InvalidRequestError("the body must be UTF-8 text") from error


async def read_accept(request: Request) -> str:
    """Which formats the caller understands."""
    return request.headers.get("accept", "")


async def read_switch(request: Request) -> bool:
    text = await read_text(request)
    if text not in ("on", "off"):
        raise BadModeError("Invalid state: the body must be `on` or `off`")
    return text == "on"


def _switch_text(is_on: bool) -> str:
    return "on" if is_on else "off"


def _reply_ready(missing: dict[str, str]) -> Response:
    return json_reply({"status": "not ready" if missing else "ready", "missing": missing}, 503 if missing else 200)
