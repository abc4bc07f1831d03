"""The address at which the predecessor's README uploads a model: without `models` in it."""

from __future__ import annotations

from collections.abc import Iterable, Set

from fastapi import Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request

from ...api.operation import Endpoint
from ..access.rights import Right
from ..loop import Loop
from ..wire.models import StoredModel
from .models import ModelOperations
from .projects import PROJECT


def endpoints(loop: Loop, others: Iterable[Endpoint]) -> list[Endpoint]:
    """To be routed after all others: what these have in the place of the format is none."""
    inside = [
        endpoint.path.removeprefix(f"{PROJECT}/") for endpoint in others if endpoint.path.startswith(f"{PROJECT}/")
    ]
    operations = ShortUploadOperations(loop, {path.partition("/")[0] for path in inside})
    return [
        Endpoint(
            method="POST",
            path=f"{PROJECT}/{{model_format}}",
            run=operations.add,
            access=[Depends(loop.auth.needs(Right.MANAGE))],
            streams=True,
            options={"tags": ["models"], "summary": "Add a model", "include_in_schema": False},
        )
    ]


class ShortUploadOperations:
    """Takes models as `…/models/{format}` does."""

    def __init__(self, loop: Loop, resources: Set[str]) -> None:
        self._models = ModelOperations(loop)
        self._resources = resources

    async def add(self, organization: str, project: str, model_format: str, request: Request) -> StoredModel:
        """Add a model: forms only; everything else is answered as if this address were not there."""
        if model_format in self._resources:
            raise HTTPException(405)
        if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            raise HTTPException(404)
        return await self._models.add(organization, project, model_format, request, version=None, comment="")
