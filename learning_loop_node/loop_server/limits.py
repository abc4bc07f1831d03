"""Bounds the bodies of requests that are no uploads; uploads have limits of their own and are streamed."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..api.replies import error_reply
from ..errors import TooLargeError

MAX_BYTES = 2**20
WITHOUT_BODY = ("GET", "HEAD", "OPTIONS")


class LimitedBodies:
    """Answers 413 to a body above the limit, as soon as it is known to be too large."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in WITHOUT_BODY:
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if headers.get(b"content-type", b"").lower().startswith(b"multipart/form-data"):
            await self._app(scope, receive, send)
            return
        announced = headers.get(b"content-length", b"")
        body: list[Message] = []
        size_bytes = int(announced) if announced.isdigit() else 0
        while size_bytes <= MAX_BYTES:
            body.append(await receive())
            size_bytes = max(size_bytes, sum(len(message.get("body", b"")) for message in body))
            if not body[-1].get("more_body", False):
                break
        if size_bytes > MAX_BYTES:
            await error_reply(TooLargeError(f"the body has more than {MAX_BYTES} bytes"))(scope, receive, send)
            return

        async def receive_again() -> Message:
            return body.pop(0) if body else await receive()

        await self._app(scope, receive_again, send)
