"""Takes the files of a model from a request, and keeps them in one format."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from ..errors import InvalidRequestError
from .model_files import ModelFiles, complete_categories, file_names, keep_archive, unpacked
from .receiving.uploads import Part, read_json, received_parts
from .storage import conversions, models, projects
from .storage.tables import CategoryRow, ModelFormatRow, ModelRow, ProjectRow

if TYPE_CHECKING:
    from .loop import Loop

MAX_PARTS = 10_000
CATEGORIES_FIELD = "categories"


class ModelUploads:
    """What all requests that bring models have in common."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def project(self, organization: str, project: str) -> tuple[ProjectRow, Sequence[CategoryRow]]:
        """A project with its categories."""
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            return row, await projects.categories_of(session, row)

    @asynccontextmanager
    async def received(
        self,
        request: Request,
        known: Sequence[CategoryRow],
        project: ProjectRow,
        former: dict[str, Any] | None = None,
    ) -> AsyncIterator[tuple[ModelFiles, dict[str, Any]]]:
        """The files of a request, and what `model.json` is to say beyond the loop's own knowledge.

        `former` is that of the model's first format. The files are there as long as the block is open.
        """
        limit = self._loop.settings.max_request_bytes
        async with received_parts(request, folder=self._loop.incoming, max_bytes=limit, max_parts=MAX_PARTS) as parts:
            files, field = _split(parts)
            async with unpacked(files, self._loop.incoming) as model:
                yield model, _information(model, await _text(field), known, project.id, former)

    async def keep(
        self,
        project: ProjectRow,
        stored: ModelRow,
        model_format: str,
        model: ModelFiles,
        information: dict[str, Any],
        *,
        before: Callable[[AsyncSession], Any] | None = None,
    ) -> None:
        """Pack the files and give them to the model. `before` is awaited first in the session that writes it down."""
        completed = information | {
            "host": stored.host,
            "organization": project.organization,
            "project": project.name,
            "version": stored.version,
            "id": stored.id,
            "format": model_format,
        }
        blob = await keep_archive(model, completed, self._loop.blobs)
        async with self._loop.database.writing() as session:
            await projects.refuse_gone(session, project)
            if before is not None:
                await before(session)
            await models.refuse_taken_format(session, stored.id, model_format)
            session.add(
                ModelFormatRow(
                    model_id=stored.id,
                    format=model_format,
                    sha256=blob.sha256,
                    size_bytes=blob.size_bytes,
                    files=file_names(model),
                    created=datetime.now(UTC),
                )
            )
            await conversions.finish(session, stored.id, model_format, datetime.now(UTC))


def _split(parts: Sequence[Part]) -> tuple[list[Part], Part | None]:
    """The files, and the field with the categories if there is one."""
    fields = [part for part in parts if part.name == CATEGORIES_FIELD]
    if len(fields) > 1:
        raise InvalidRequestError(f"the form has the field {CATEGORIES_FIELD!r} twice")
    files = [part for part in parts if part.name != CATEGORIES_FIELD]
    if not files:
        raise InvalidRequestError("the form has no part named 'files'; a model needs at least one file")
    return files, fields[0] if fields else None


async def _text(field: Part | None) -> bytes | None:
    return await field.read() if field is not None else None


def _information(
    model: ModelFiles,
    field: bytes | None,
    known: Sequence[CategoryRow],
    project_id: str,
    former: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """What `model.json` says beyond the loop's own knowledge; `former` is that of the model's first format."""
    information = (former or {}) | (model.information or {})
    given = information.get("categories")
    if field is not None:
        given = read_json(field, CATEGORIES_FIELD)
    if given is None:
        given = [category.name for category in known]
    return information | {"categories": complete_categories(given, known, project_id)}
