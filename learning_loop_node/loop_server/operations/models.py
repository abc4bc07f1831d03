"""Models: one per version, each in one or several formats."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from fastapi import Depends, Query
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from ...api.operation import Endpoint
from ...enums import ConversionState
from ...errors import NotFoundError
from ..access.rights import Right
from ..loop import Loop
from ..model_uploads import ModelUploads
from ..names import check_format, check_version, next_version
from ..storage import conversions, models, projects
from ..storage.tables import ConversionRow, ModelFormatRow, ModelRow, ProjectRow
from ..wire.models import FormatFile, ModelRecord, Models, ParentModel, StoredModel
from .conversions import conversion_record
from .forms import MODEL_FORM
from .projects import PROJECT


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = ModelOperations(loop)
    nodes, readers = [Depends(loop.auth.needs(Right.FETCH))], [Depends(loop.auth.needs(Right.READ))]
    managers = [Depends(loop.auth.needs(Right.MANAGE))]
    return [
        Endpoint(
            method="GET",
            path=f"{PROJECT}/models",
            run=operations.all,
            access=readers,
            options={"tags": ["models"], "summary": "The models of a project"},
        ),
        Endpoint(
            method="GET",
            path=f"{PROJECT}/models/{{model}}",
            run=operations.one,
            access=readers,
            options={"tags": ["models"], "summary": "One model, where it comes from and what is known of it"},
        ),
        Endpoint(
            method="POST",
            path=f"{PROJECT}/models/{{model_format}}",
            run=operations.add,
            access=managers,
            streams=True,
            options={"tags": ["models"], "summary": "Add a model", "openapi_extra": MODEL_FORM},
        ),
        Endpoint(
            method="PUT",
            path=f"{PROJECT}/models/{{model_id}}/{{model_format}}/file",
            run=operations.add_format,
            access=managers,
            streams=True,
            options={"tags": ["models"], "summary": "Add a format to a model", "openapi_extra": MODEL_FORM},
        ),
        Endpoint(
            method="GET",
            path=f"{PROJECT}/models/{{model_id}}/{{model_format}}/file",
            run=operations.download,
            access=nodes,
            options={"tags": ["models"], "summary": "Download a model", "response_class": FileResponse},
        ),
    ]


class ModelOperations:
    """Answers requests for models."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._uploads = ModelUploads(loop)

    async def all(
        self,
        organization: str,
        project: str,
        model_format: str | None = Query(default=None, alias="format", description="Only models that have it."),
    ) -> Models:
        """The models of a project, oldest first."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            found = await models.models_of(session, row.id)
            formats = await models.formats_of(session, found)
            converted = await conversions.conversions_of(session, found)
        by_id = {model.id: model for model in found}
        records = [
            _record(model, formats[model.id], converted[model.id], by_id.get(model.parent_id or ""))
            for model in found
            if formats[model.id]
        ]
        return Models(models=[entry for entry in records if model_format is None or model_format in entry.formats])

    async def one(self, organization: str, project: str, model: str) -> ModelRecord:
        """A model, named by its version or its id."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            found = await models.model_named(session, row.id, model)
            formats = await models.formats_of(session, [found])
            converted = await conversions.conversions_of(session, [found])
            parent = await session.get(ModelRow, found.parent_id) if found.parent_id else None
        return _record(found, formats[found.id], converted[found.id], parent)

    async def add(
        self,
        organization: str,
        project: str,
        model_format: str,
        request: Request,
        version: str | None = Query(default=None, description="Digits and dots; without it the next free one."),
        comment: str = Query(default="", max_length=4096),
    ) -> StoredModel:
        """Add a model: one zip or single files, as parts named `files`.

        `model.json` is completed with id, version, format, organization, project and host, and made where it is
        missing. Its categories may also come as form field `categories`; without any they are those of the project.
        """
        check_format(model_format)
        if version is not None:
            check_version(version)
        row, known = await self._uploads.project(organization, project)
        async with self._uploads.received(request, known, row) as (model, information):
            stored = await self._reserve(row, version, comment, request.url.netloc, information)
            try:
                await self._uploads.keep(row, stored, model_format, model, information)
            except BaseException:
                await self._give_up(stored)
                raise
        self._loop.changes.tell("models", organization, project, [stored.id])
        return StoredModel(id=stored.id, version=stored.version)

    async def add_format(
        self, organization: str, project: str, model_id: str, model_format: str, request: Request
    ) -> StoredModel:
        """Add the same model in another format; 409 if it has this one already."""
        check_format(model_format)
        row, known = await self._uploads.project(organization, project)
        async with self._loop.database.reading() as session:
            stored = await models.model_by_id(session, row.id, model_id)
            await models.refuse_taken_format(session, model_id, model_format)
        async with self._uploads.received(request, known, row, stored.information) as (model, information):
            await self._uploads.keep(row, stored, model_format, model, information)
        self._loop.changes.tell("models", organization, project, [stored.id])
        return StoredModel(id=stored.id, version=stored.version)

    async def download(self, organization: str, project: str, model_id: str, model_format: str) -> Response:
        """The model as a flat zip. `Range` gets a part of it; `X-Content-SHA256` is the hash of the whole."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            model = await models.model_by_id(session, row.id, model_id)
            archive = await models.find_format(session, model_id, model_format)
        if archive is None:
            raise NotFoundError(f"the model {model.version} has no format {model_format!r}")
        digest = base64.b64encode(bytes.fromhex(archive.sha256)).decode()
        headers = {
            # Nodes make a folder of the name, and take everything after `filename=` for it.
            "Content-Disposition": f'attachment; filename="model_{model.id}_{model_format}.zip"',
            "ETag": f'"{archive.sha256}"',
            "X-Content-SHA256": archive.sha256,
            "Repr-Digest": f"sha-256=:{digest}:",
        }
        path = await self._loop.blobs.path(archive.sha256)
        return FileResponse(path, media_type="application/zip", headers=headers)

    async def _reserve(
        self, project: ProjectRow, version: str | None, comment: str, host: str, information: dict[str, Any]
    ) -> ModelRow:
        """Take the version before the files are packed: it stands in them, and nobody else may get it."""
        async with self._loop.database.writing() as session:
            await projects.refuse_gone(session, project)
            taken = await models.versions(session, project.id)
            if version is not None:
                await models.refuse_taken_version(session, project.id, version)
            row = ModelRow(
                id=str(uuid4()),
                project_id=project.id,
                version=version or next_version(list(taken)),
                host=host,
                comment=comment,
                created=datetime.now(UTC),
                information=information,
            )
            session.add(row)
        return row

    async def _give_up(self, stored: ModelRow) -> None:
        async with self._loop.database.writing() as session:
            await models.forget(session, stored.id)


def _record(
    model: ModelRow, formats: Sequence[ModelFormatRow], converted: Sequence[ConversionRow], parent: ModelRow | None
) -> ModelRecord:
    return ModelRecord(
        id=model.id,
        version=model.version,
        host=model.host,
        formats=[row.format for row in formats],
        created=model.created.isoformat(),
        comment=model.comment,
        deployment_decision=model.deployment_decision,
        parent=ParentModel(id=model.parent_id, version=parent.version if parent else None) if model.parent_id else None,
        training=model.training_number,
        confusion_matrix=model.confusion,
        archives={
            row.format: FormatFile(sha256=row.sha256, size_bytes=row.size_bytes, files=row.files) for row in formats
        },
        problems=[conversion_record(row) for row in converted if row.state == ConversionState.Failed],
    )
