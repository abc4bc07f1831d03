"""What a model finds in images that the loop has already, as trainers send it."""

from __future__ import annotations

from fastapi import Depends
from pydantic import TypeAdapter
from starlette.requests import Request

from ...api.operation import Endpoint
from ..bodies import read_entries, read_json
from ..loop import Loop
from ..rights import Right
from ..storage import detections, projects
from ..wire.detections import DetectionsOf
from ..wire.ground import Done
from .forms import json_body
from .projects import PROJECT

MAX_IMAGES = 1000
MAX_BYTES = 64 * 2**20
_ENTRY = TypeAdapter(DetectionsOf)


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = DetectionOperations(loop)
    return [
        Endpoint(
            method="POST",
            path=f"{PROJECT}/detections",
            run=operations.receive,
            access=[Depends(loop.auth.needs(Right.LABEL))],
            streams=True,
            options={
                "tags": ["images"],
                "summary": "Say what a model finds in images that are here already",
                "openapi_extra": json_body(list[DetectionsOf]),
            },
        ),
    ]


class DetectionOperations:
    """Answers requests that bring detections."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def receive(self, organization: str, project: str, request: Request) -> Done:
        """A list with one entry per image. What the models in an entry had found there before is replaced by it."""
        async with self._loop.database.reading() as session:
            await projects.project_named(session, organization, project)
        entries = await read_entries("detections", await read_json(request, MAX_BYTES), _ENTRY, MAX_IMAGES)
        async with self._loop.database.writing() as session:
            project_id = (await projects.project_named(session, organization, project)).id
            ids = await detections.replace(session, project_id, entries)
        self._loop.changes.tell("images", organization, project, ids)
        return Done()
