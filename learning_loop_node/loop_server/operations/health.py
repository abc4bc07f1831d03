"""Whether the loop is alive and ready."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from starlette.responses import Response

from ...api.openapi import NOT_READY
from ...api.operation import Endpoint
from ...api.replies import json_reply
from ..loop import Loop
from ..wire.ground import Done
from ..wire.login import LoopStatus


def endpoints(loop: Loop) -> list[Endpoint]:
    async def tell_status() -> LoopStatus:
        """Asked by nodes before they log in; needs no login, whatever the settings say."""
        return LoopStatus(version=version("learning-loop-node"))

    async def tell_alive() -> Done:
        """Whether the process is alive."""
        return Done()

    async def tell_ready() -> Response:
        """Whether the loop can do its work; 503 names what is missing."""
        missing = await loop.missing()
        return json_reply({"status": "not ready" if missing else "ready", "missing": missing}, 503 if missing else 200)

    def row(path: str, run: Any, summary: str, **options: Any) -> Endpoint:
        return Endpoint(method="GET", path=path, run=run, options={"tags": ["health"], "summary": summary} | options)

    return [
        row("/api/status", tell_status, "Whether the loop is there, and its version"),
        row("/healthz", tell_alive, "Whether the process is alive"),
        row("/readyz", tell_ready, "Whether the loop can do its work", responses={503: NOT_READY}),
    ]
