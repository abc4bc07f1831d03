"""What can be asked of a process, declared once.

An `Operation` is a row of a node's table: which typed request it takes, which method runs it, where it is found over
HTTP and as an event. The method knows no transport. An `Endpoint` is a row of the loop's table: an ordinary FastAPI
function with its place.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from .replies import json_reply

R = TypeVar("R")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Nothing:
    """The request of an operation that needs no input."""


async def read_nothing(_request: Request) -> Nothing:
    """The reader of a request without input."""
    return Nothing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Http(Generic[R, A]):
    """Where and how an operation is found over HTTP.

    `read` turns the request into the typed one, `reply` the result into the response. `answer` is the type of what is
    then in the body, and `openapi` what the generated documentation says beyond that.
    """

    method: str
    path: str
    read: Callable[[Request], Awaitable[R]]
    reply: Callable[[A], Response] = json_reply
    answer: Any = None
    openapi: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[R, A]):
    """One thing that can be asked, over HTTP, as a Socket.IO event, or both.

    `read_event` turns the arguments of the event into the typed request, `reply_event` the result into what the caller
    is acknowledged with. `tag` is the heading under which the documentation of the HTTP interface has it.
    """

    request: type[R]
    run: Callable[[R], Awaitable[A]]
    summary: str
    http: Http[R, A] | None = None
    event: str | None = None
    read_event: Callable[..., R] | None = None
    reply_event: Callable[[A], Any] = lambda result: result
    tag: str | None = None

    @property
    def name(self) -> str:
        """What it is called where it is counted: its event, or its path, with the method unless that is GET."""
        if self.event is not None:
            return self.event
        assert self.http is not None, "an operation has a path or an event"
        path = re.sub(r"[{}]", "", self.http.path).strip("/").replace("/", "_")
        return path if self.http.method == "GET" else f"{self.http.method.lower()}_{path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A function with FastAPI's parameters, and where it is found. `access` are the dependencies that may refuse it.

    One that `streams` reads the body itself, piece by piece, and has limits of its own for it.
    """

    method: str
    path: str
    run: Callable[..., Any]
    access: Sequence[Any] = ()
    streams: bool = False
    options: dict[str, Any] = field(default_factory=dict)
