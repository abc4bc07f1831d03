"""Counts what is asked of the loop, by the templates of its paths, never by the paths themselves."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...api.traffic import CANCELLED, Traffic

OTHER = "other"
"""A path that is no address of ours, or a method that nobody knows; strangers choose these as they like."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Requests:
    """Requests by path and method; the outcome is their status. `in_progress` counts streams, too, while they last."""

    def __init__(self) -> None:
        self.traffic = Traffic()
        self.in_progress = 0


class CountedRequests:
    """Notes each request when its answer begins: a stream of events may go on for hours."""

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app = app
        self._requests = requests
        self._traffic = requests.traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = self._traffic.now()
        is_noted = False

        def note(outcome: str) -> None:
            nonlocal is_noted
            is_noted = True
            recorder = self._traffic.of(*_place_of(scope))
            recorder.received += 1
            recorder.answered(outcome, self._traffic.now() - began)

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                note(str(message["status"]))
            await send(message)

        self._requests.in_progress += 1
        try:
            await self._app(scope, receive, send_noted)
        except Exception:
            if not is_noted:
                note("500")
            raise
        finally:
            self._requests.in_progress -= 1
            if not is_noted:
                note(CANCELLED)


def _place_of(scope: Scope) -> tuple[str, str]:
    method = scope["method"]
    return getattr(scope.get("route"), "path", OTHER), method if method in METHODS else OTHER
