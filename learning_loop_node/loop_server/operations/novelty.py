"""Novelty scores, which programs of users give to images."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import Body, Depends
from starlette.requests import Request

from ...api.operation import Endpoint
from ..access.auth import caller_of
from ..access.rights import Right
from ..loop import Loop
from ..storage import image_changes, projects
from ..storage.versions import refuse_missing
from ..wire.novelty import NoveltyScores, ScoredImages
from .projects import PROJECT

PROPERTY = "novelty_score"
WITHOUT_PREFIX = PROJECT.removeprefix("/api")


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = NoveltyOperations(loop)
    return [
        Endpoint(
            method="PUT",
            path=f"{project}/images/novelty_scores",
            run=operations.set,
            access=[Depends(loop.auth.needs(Right.LABEL))],
            options={"tags": ["images"], "summary": "Give images a novelty score", "include_in_schema": is_shown},
        )
        for project, is_shown in ((PROJECT, True), (WITHOUT_PREFIX, False))
    ]


class NoveltyOperations:
    """Answers requests about novelty scores."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def set(
        self, organization: str, project: str, request: Request, scores: NoveltyScores = Body()
    ) -> ScoredImages:
        """Keep these numbers as property `novelty_score` of the images.

        404 if one of them is not there, 409 if it is deleted.
        """
        async with self._loop.database.writing() as session:
            row = await projects.project_named(session, organization, project)
            found = await image_changes.images_named(session, row.id, list(scores))
            refuse_missing("image", list(scores), found)
            image_changes.refuse_deleted([image for image in found.values() if image.deleted is not None])
            changed = [image for id_, image in found.items() if image.properties.get(PROPERTY) != scores[id_]]
            for image in changed:
                image.properties = image.properties | {PROPERTY: scores[image.id]}
            image_changes.touch(changed, datetime.now(UTC), caller_of(request).author)
        self._loop.changes.tell("images", organization, project, [image.id for image in changed])
        return ScoredImages(count=len(changed))
