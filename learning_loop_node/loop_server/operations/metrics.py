"""What Prometheus asks the loop for."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ...api.operation import Endpoint
from ...api.replies import metrics_reply
from ..access.origin import is_from_here
from ..access.rights import Right
from ..loop import Loop


def endpoints(loop: Loop) -> list[Endpoint]:
    check_login = loop.auth.needs(Right.READ)

    async def tell_metrics(request: Request) -> Response:
        """Counts and latencies in the text format of Prometheus.

        On the machine of the loop without login; from elsewhere it needs that of somebody who may see a project.
        """
        if not is_from_here(request):
            await check_login(request)
        await loop.census.refresh()
        return metrics_reply(await loop.metrics.exposition(request.headers.get("accept", "")))

    return [
        Endpoint(
            method="GET",
            path="/metrics",
            run=tell_metrics,
            options={
                "tags": ["health"],
                "summary": "Counts and latencies in the text format of Prometheus",
                "response_class": Response,
                "responses": {"200": {"content": {"text/plain": {}}}},
            },
        )
    ]
