"""Annotations, made, changed and deleted, one or many at once."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, Query
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from ...api.operation import Endpoint
from ...api.replies import json_reply
from ...errors import InvalidRequestError
from ...runtime.threads import io_bound
from ..access.auth import caller_of
from ..access.rights import Right
from ..loop import Loop
from ..receiving.bodies import read_entries, read_json
from ..storage import labelling, projects
from ..storage.labelling import Done
from ..wire.annotations import (
    MAX_ANNOTATIONS,
    AnnotationChange,
    AnnotationChanges,
    AnnotationRecord,
    ChangedAnnotations,
    NamedAnnotationChange,
    NewAnnotation,
    NewAnnotationOf,
)
from ..wire.ground import LARGEST_WHOLE
from ..wire.image_changes import Versioned
from .forms import json_body
from .projects import PROJECT

MAX_BYTES = 16 * 2**20
_NEW, _CHANGE, _CHOSEN = TypeAdapter(NewAnnotationOf), TypeAdapter(NamedAnnotationChange), TypeAdapter(Versioned)


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = AnnotationOperations(loop)
    people = [Depends(loop.auth.needs(Right.LABEL))]
    one = {"tags": ["annotations"], "response_model": AnnotationRecord}
    return [
        Endpoint(
            method="POST",
            path=f"{PROJECT}/images/{{image_id}}/annotations",
            run=operations.create,
            access=people,
            options=one | {"summary": "Annotate an image"},
        ),
        Endpoint(
            method="PATCH",
            path=f"{PROJECT}/annotations/{{annotation_id}}",
            run=operations.change,
            access=people,
            options=one | {"summary": "Change an annotation"},
        ),
        Endpoint(
            method="DELETE",
            path=f"{PROJECT}/annotations/{{annotation_id}}",
            run=operations.delete,
            access=people,
            options=one | {"summary": "Delete an annotation"},
        ),
        Endpoint(
            method="POST",
            path=f"{PROJECT}/annotations",
            run=operations.change_many,
            access=people,
            streams=True,
            options={
                "tags": ["annotations"],
                "summary": "Make, change and delete many annotations, all or none",
                "response_model": ChangedAnnotations,
                "openapi_extra": json_body(AnnotationChanges),
            },
        ),
    ]


class AnnotationOperations:
    """Answers requests that change annotations."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def create(
        self, organization: str, project: str, image_id: str, new: NewAnnotation, request: Request
    ) -> Response:
        """Annotate an image. This is a change of the image, too: its new version is in the answer."""
        wanted = NewAnnotationOf.model_construct(
            new.model_fields_set | {"image_id"}, **new.__dict__ | {"image_id": image_id}
        )
        done = await self._apply(organization, project, request, create=[wanted])
        return json_reply(done.created[0])

    async def change(
        self, organization: str, project: str, annotation_id: str, change: AnnotationChange, request: Request
    ) -> Response:
        """Change an annotation, if it still has the `version` named; else 409 says who was faster."""
        wanted = NamedAnnotationChange.model_construct(
            change.model_fields_set | {"id"}, **change.__dict__ | {"id": annotation_id}
        )
        done = await self._apply(organization, project, request, change=[wanted])
        return json_reply(done.changed[0])

    async def delete(
        self,
        organization: str,
        project: str,
        annotation_id: str,
        request: Request,
        version: int = Query(ge=1, le=LARGEST_WHOLE, description="The version that the caller knows."),
    ) -> Response:
        """Delete an annotation for good."""
        chosen = [Versioned.model_construct(id=annotation_id, version=version)]
        done = await self._apply(organization, project, request, delete=chosen)
        return json_reply(done.deleted[0])

    async def change_many(self, organization: str, project: str, request: Request) -> Response:
        """Make, change and delete up to 1000 annotations of any images of the project.

        If one of them is not in the version named, nothing happens, and 409 lists all of these.
        """
        body = await read_json(request, MAX_BYTES)
        if not isinstance(body, dict):
            raise InvalidRequestError("the body must be an object with create, change and delete, each a list")
        create = await read_entries("create", body.get("create", []), _NEW, MAX_ANNOTATIONS)
        change = await read_entries("change", body.get("change", []), _CHANGE, MAX_ANNOTATIONS)
        delete = await read_entries("delete", body.get("delete", []), _CHOSEN, MAX_ANNOTATIONS)
        if len(create) + len(change) + len(delete) > MAX_ANNOTATIONS:
            raise InvalidRequestError(f"send up to {MAX_ANNOTATIONS} annotations at once, all three lists together")
        done = await self._apply(organization, project, request, create=create, change=change, delete=delete)
        answer = {"created": done.created, "changed": done.changed, "deleted": done.deleted}
        return await io_bound(json_reply, answer)

    async def _apply(self, organization: str, project: str, request: Request, **wanted: Any) -> Done:
        user = caller_of(request).author
        async with self._loop.database.writing() as session:
            project_id = (await projects.project_named(session, organization, project)).id
            done = await labelling.apply(session, project_id, user=user, **wanted)
        tell = self._loop.changes.tell
        entries = (*done.created, *done.changed, *done.deleted)
        tell("annotations", organization, project, [entry["id"] for entry in entries])
        tell("images", organization, project, done.images)
        return done
