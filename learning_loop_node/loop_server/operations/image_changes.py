"""Images moved between states and sets, tagged, deleted and restored, one or many at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fastapi import Depends, Query
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from ...api.operation import Endpoint
from ...api.replies import json_reply
from ...runtime.threads import io_bound
from ..access.auth import caller_of
from ..access.rights import Right
from ..loop import Loop
from ..storage import image_changes, projects, records
from ..storage.tables import ImageRow
from ..wire.ground import LARGEST_WHOLE
from ..wire.image_changes import Change, ChangedImages, ChosenImages, ImageChange, ImageChanges, Versioned
from ..wire.images import ImageSummary
from .projects import PROJECT

Work = Callable[[AsyncSession, str, str | None], Awaitable[list[ImageRow]]]


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = ImageChangeOperations(loop)
    people, managers = [Depends(loop.auth.needs(Right.LABEL))], [Depends(loop.auth.needs(Right.MANAGE))]
    many = {"tags": ["images"], "response_model": ChangedImages}
    one = {"tags": ["images"], "response_model": ImageSummary}
    return [
        Endpoint(
            method="PATCH",
            path=f"{PROJECT}/images/{{image_id}}",
            run=operations.change_one,
            access=people,
            options=one | {"summary": "Change state, set, tags, name or properties of an image"},
        ),
        Endpoint(
            method="PATCH",
            path=f"{PROJECT}/images",
            run=operations.change,
            access=people,
            options=many | {"summary": "Change many images, all or none"},
        ),
        Endpoint(
            method="DELETE",
            path=f"{PROJECT}/images/{{image_id}}",
            run=operations.delete_one,
            access=managers,
            options=one | {"summary": "Delete an image; it can be restored for a while"},
        ),
        Endpoint(
            method="POST",
            path=f"{PROJECT}/images/delete",
            run=operations.delete,
            access=managers,
            options=many | {"summary": "Delete many images, all or none"},
        ),
        Endpoint(
            method="POST",
            path=f"{PROJECT}/images/restore",
            run=operations.restore,
            access=managers,
            options=many | {"summary": "Restore deleted images, all or none"},
        ),
    ]


class ImageChangeOperations:
    """Answers requests that change images."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def change_one(
        self, organization: str, project: str, image_id: str, change: Change, request: Request
    ) -> Response:
        """Change an image, if it still has the `version` that the change is made from; else 409 says who was first."""
        wanted = ImageChange.model_construct(change.model_fields_set | {"id"}, **change.__dict__ | {"id": image_id})
        [row] = await self._write(organization, project, request, _changing([wanted]))
        return json_reply(records.summary(row))

    async def change(self, organization: str, project: str, changes: ImageChanges, request: Request) -> Response:
        """Change up to 1000 images. If one of them is not in the version named, none is, and 409 lists all of these."""
        return await _reply(await self._write(organization, project, request, _changing(changes.images)))

    async def delete_one(
        self,
        organization: str,
        project: str,
        image_id: str,
        request: Request,
        version: int = Query(ge=1, le=LARGEST_WHOLE, description="The version that the caller knows."),
    ) -> Response:
        """Delete an image. Until the end of its grace period (`LOOP_GRACE_PERIOD`) it can be restored."""
        chosen = [Versioned.model_construct(id=image_id, version=version)]
        [row] = await self._write(organization, project, request, _deleting(chosen))
        return json_reply(records.summary(row))

    async def delete(self, organization: str, project: str, chosen: ChosenImages, request: Request) -> Response:
        """Delete up to 1000 images; they can be restored until the end of their grace period."""
        return await _reply(await self._write(organization, project, request, _deleting(chosen.images)))

    async def restore(self, organization: str, project: str, chosen: ChosenImages, request: Request) -> Response:
        """Restore up to 1000 deleted images with everything that belonged to them."""

        async def work(session: AsyncSession, project_id: str, user: str | None) -> list[ImageRow]:
            return await image_changes.bring_back(session, project_id, chosen.images, user)

        return await _reply(await self._write(organization, project, request, work))

    async def _write(self, organization: str, project: str, request: Request, work: Work) -> list[ImageRow]:
        user = caller_of(request).author
        async with self._loop.database.writing() as session:
            project_id = (await projects.project_named(session, organization, project)).id
            rows = await work(session, project_id, user)
        self._loop.changes.tell("images", organization, project, [row.id for row in rows])
        return rows


def _changing(changes: Sequence[ImageChange]) -> Work:
    async def work(session: AsyncSession, project_id: str, user: str | None) -> list[ImageRow]:
        return await image_changes.change(session, project_id, changes, user)

    return work


def _deleting(chosen: Sequence[Versioned]) -> Work:
    async def work(session: AsyncSession, project_id: str, user: str | None) -> list[ImageRow]:
        return await image_changes.set_aside(session, project_id, chosen, user)

    return work


async def _reply(rows: Sequence[ImageRow]) -> Response:
    return await io_bound(lambda: json_reply({"images": [records.summary(row) for row in rows]}))
