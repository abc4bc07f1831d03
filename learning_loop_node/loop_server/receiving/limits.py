"""Bounds the bodies of requests that are no uploads; uploads have limits of their own and are streamed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...api.operation import Endpoint
from ...api.replies import error_reply
from ...errors import TooLargeError

MAX_BYTES = 2**20
WITHOUT_BODY = ("GET", "HEAD", "OPTIONS")


class LimitedBodies:
    """Answers 413 to a body above the limit, as soon as it is known to be too large.

    Those of `endpoints` that stream read their bodies themselves. As in routing, the first that fits counts.
    """

    def __init__(self, app: ASGIApp, endpoints: Iterable[Endpoint]) -> None:
        self._app = app
        self._endpoints = [
            (endpoint.method, compile_path(endpoint.path)[0], endpoint.streams)
            for endpoint in endpoints
            if endpoint.method not in WITHOUT_BODY
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in WITHOUT_BODY or self._is_streamed(scope):
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"")
        is_too_large = announced.isdigit() and int(announced) > MAX_BYTES
        body: deque[Message] = deque()
        size_bytes, is_complete = 0, False
        while not is_too_large and not is_complete:
            body.append(await receive())
            size_bytes += len(body[-1].get("body", b""))
            is_too_large = size_bytes > MAX_BYTES
            is_complete = not body[-1].get("more_body", False)
        if is_too_large:
            await error_reply(TooLargeError(f"the body has more than {MAX_BYTES} bytes"))(scope, receive, send)
            return

        async def receive_again() -> Message:
            return body.popleft() if body else await receive()

        await self._app(scope, receive_again, send)

    def _is_streamed(self, scope: Scope) -> bool:
        method, path = scope["method"], scope["path"]
        found = (streams for known, pattern, streams in self._endpoints if known == method and pattern.match(path))
        return next(found, False)
