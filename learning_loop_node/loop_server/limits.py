"""Bounds the bodies of requests that are no uploads; uploads have limits of their own and are streamed."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..api.replies import error_reply
from ..errors import TooLargeError

MAX_BYTES = 4 * 2**20


class LimitedBodies:
    """Answers 413 to a body above the limit, as soon as it is known to be too large."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if headers.get(b"content-type", b"").lower().startswith(b"multipart/form-data"):
            await self._app(scope, receive, send)
            return
        error = TooLargeError(f"the body has more than {MAX_BYTES} bytes")
        announced = headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > MAX_BYTES:
            await error_reply(error)(scope, receive, send)
            return
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BYTES:
                raise error
            return message

        await self._app(scope, receive_limited, send)
