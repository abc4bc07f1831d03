"""What a model finds in images that the loop has already, as trainers send it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from fastapi import Depends, Query
from pydantic import TypeAdapter
from starlette.requests import Request

from ...api.operation import Endpoint
from ..access.rights import Right
from ..loop import Loop
from ..receiving.bodies import read_entries, read_json
from ..storage import detections, projects
from ..storage.images import KINDS
from ..wire.detections import DetectionsOf
from ..wire.ground import Done, ShortText
from .forms import json_body
from .projects import PROJECT

MAX_IMAGES = 1000
MAX_BYTES = 64 * 2**20
AT_ONCE = 5000
"""So many detections are kept before somebody else may write something."""

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

    async def receive(
        self,
        organization: str,
        project: str,
        request: Request,
        model: ShortText | None = Query(default=None, description="Version of the model that looked at all images."),
    ) -> Done:
        """A list with one entry per image. What the models in an entry had found there before is replaced by it.

        In an entry without detections the model that looked found nothing, which counts in its evaluation: it is the
        one given, or the one that all other entries name.

        Nothing is kept if an image is not there. Of many detections some are kept at a time; should that be
        interrupted, send them again.
        """
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
        entries = await read_entries("detections", await read_json(request, MAX_BYTES), _ENTRY, MAX_IMAGES)
        async with self._loop.database.reading() as session:
            await detections.refuse_unknown(session, row.id, entries)
        looked = model or _only_model(entries)
        for some in _portions(entries):
            async with self._loop.database.writing() as session:
                await projects.refuse_gone(session, row)
                ids = await detections.replace(session, row.id, some, looked)
            self._loop.changes.tell("images", organization, project, ids)
        return Done()


def _only_model(entries: Iterable[DetectionsOf]) -> str | None:
    """The model that all of these are from, None if there are none or several."""
    names = {name for entry in entries for name in detections.models_in(entry)}
    return names.pop() if len(names) == 1 else None


def _portions(entries: Iterable[DetectionsOf]) -> Iterator[list[DetectionsOf]]:
    """Entries that are kept together; those of one image always are."""
    of_image: defaultdict[str, list[DetectionsOf]] = defaultdict(list)
    for entry in entries:
        of_image[entry.image_id].append(entry)
    portion: list[DetectionsOf] = []
    size = 0
    for group in of_image.values():
        count = sum(len(getattr(entry, f"{kind}_detections")) for entry in group for kind in KINDS)
        if portion and size + count > AT_ONCE:
            yield portion
            portion, size = [], 0
        portion += group
        size += count
    if portion:
        yield portion
