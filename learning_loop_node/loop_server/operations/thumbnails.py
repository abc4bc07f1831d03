"""Small pictures of images."""

from __future__ import annotations

from fastapi import Depends, Query
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ...api.operation import Endpoint
from ..access.rights import Right
from ..loop import Loop
from ..names import no_such_image
from ..storage import images, projects
from ..thumbnails import SIZES
from .file_reply import file_reply
from .projects import PROJECT


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = ThumbnailOperations(loop)
    return [
        Endpoint(
            method="GET",
            path=f"{PROJECT}/images/{{image_id}}/thumbnail",
            run=operations.thumbnail,
            access=[Depends(loop.auth.needs(Right.READ))],
            options={"tags": ["images"], "summary": "A small picture of the image", "response_class": FileResponse},
        )
    ]


class ThumbnailOperations:
    """Answers requests for thumbnails."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def thumbnail(
        self,
        organization: str,
        project: str,
        image_id: str,
        request: Request,
        size: int = Query(default=256, description=f"Pixels of the longer side: {', '.join(map(str, SIZES))}."),
    ) -> Response:
        """The image upright as a JPEG, no side longer than `size`; one that is smaller keeps its size."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            image = await images.image_of(session, row.id, image_id)
        if image is None:
            raise no_such_image(organization, project, image_id)
        file = await self._loop.thumbnails.path(image.sha256, size)
        return await file_reply(request, file, "image/jpeg", f"{image.sha256}-{size}")
