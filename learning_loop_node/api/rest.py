"""Turns tables of operations into HTTP routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..errors import NodeError
from .openapi import ERROR_ANSWERS, add_error_schema, extend_openapi, schema_of
from .operation import Endpoint, Operation
from .replies import error_reply, outcome_of, text_reply
from .traffic import CANCELLED, OK, Traffic


def add_error_replies(app: FastAPI) -> None:
    """Let every error of this application become a reply in the one place."""

    async def reply(_request: Request, error: Exception) -> Response:
        return error_reply(error)

    for kind in (NodeError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, reply)


def add_operations(app: FastAPI, operations: Iterable[Operation[Any, Any]], traffic: Traffic | None = None) -> None:
    """Add a plain route for each operation that has one, and describe it in the application's OpenAPI document.

    Plain routes spare the request what a typed FastAPI route costs, which is more than half of a small request.
    """
    traffic = traffic or Traffic()
    described = []
    for operation in operations:
        if operation.http is not None:
            http = operation.http
            app.router.routes.append(Route(http.path, _endpoint_of(operation, traffic), methods=[http.method]))
            described.append(operation)
    _describe_in_openapi(app, described)


def add_endpoints(app: FastAPI, endpoints: Iterable[Endpoint]) -> None:
    """Add the rows of a table of ordinary FastAPI functions."""
    for endpoint in endpoints:
        options = endpoint.options | {"responses": ERROR_ANSWERS | endpoint.options.get("responses", {})}
        app.add_api_route(
            endpoint.path, endpoint.run, methods=[endpoint.method], dependencies=list(endpoint.access), **options
        )
    extend_openapi(app, add_error_schema)


def _endpoint_of(operation: Operation[Any, Any], traffic: Traffic) -> Callable[[Request], Awaitable[Response]]:
    http = operation.http
    assert http is not None
    read, run, reply = http.read, operation.run, http.reply
    recorder, now = traffic.of(operation.name, "rest"), traffic.now

    async def endpoint(request: Request) -> Response:
        began = now()
        recorder.received += 1
        outcome = CANCELLED
        try:
            asked = await read(request)
            recorder.reading.observe(now() - began)
            response = reply(await run(asked))
            outcome = OK
            return response
        except Exception as error:
            outcome = outcome_of(error)
            raise
        finally:
            recorder.answered(outcome, now() - began)

    endpoint.__name__ = operation.name
    return endpoint


def _describe_in_openapi(app: FastAPI, operations: Iterable[Operation[Any, Any]]) -> None:
    def extend(document: dict[str, Any]) -> None:
        add_error_schema(document)
        for operation in operations:
            assert operation.http is not None
            methods = document.setdefault("paths", {}).setdefault(operation.http.path, {})
            methods[operation.http.method.lower()] = _description_of(operation, document)

    extend_openapi(app, extend)


def _description_of(operation: Operation[Any, Any], document: dict[str, Any]) -> dict[str, Any]:
    http = operation.http
    assert http is not None
    done: dict[str, Any] = {"description": "Done."}
    if http.answer is not None:
        kind = "text/plain" if http.reply is text_reply else "application/json"
        done["content"] = {kind: {"schema": schema_of(http.answer, document)}}
    entry: dict[str, Any] = {
        "summary": operation.summary.replace("`", ""),  # which readers of a summary take for a character
        "operationId": f"{http.method.lower()}_{http.path.strip('/').replace('/', '_')}",
    }
    if operation.tag is not None:
        entry["tags"] = [operation.tag]
    if operation.event:
        entry["description"] = f"The same as the Socket.IO event `{operation.event}`."
    errors = {str(status): answer for status, answer in ERROR_ANSWERS.items()}
    return entry | http.openapi | {"responses": {"200": done} | errors | http.openapi.get("responses", {})}
