"""Models in the format `mocked`, as the tests of nodes expect them: two small texts beside `model.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from ...data_classes import Category
from ...data_classes.codec import to_dict
from ...runtime.threads import io_bound
from ..loop import Loop
from ..model_files import ModelFiles, file_names, keep_archive, removed_folder
from ..storage.blobs import Blob
from ..storage.tables import ModelFormatRow, ModelRow, ProjectRow

MOCKED = "mocked"
FILES = {"file_1.txt": "content of file one", "file_2.txt": "content of file two"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MockedModel:
    """A model whose zip is kept, and which no project has yet."""

    id: str
    version: str
    host: str
    information: dict[str, Any]
    files: list[str]
    blob: Blob


async def keep_mocked_model(
    loop: Loop, *, organization: str, project: str, id: str, version: str, host: str, categories: Sequence[Category]
) -> MockedModel:
    """Make the zip of a model and keep it among the blobs."""
    information: dict[str, Any] = {"categories": [to_dict(category) for category in categories]}
    known = {"host": host, "organization": organization, "project": project, "version": version, "id": id}
    async with removed_folder(loop.incoming) as folder:
        model = ModelFiles(folder, await io_bound(_write, folder), None)
        blob = await keep_archive(model, information | known | {"format": MOCKED}, loop.blobs)
        return MockedModel(
            id=id, version=version, host=host, information=information, files=file_names(model), blob=blob
        )


async def add_mocked_model(session: AsyncSession, project: ProjectRow, model: MockedModel) -> None:
    """Give the model to a project."""
    now = datetime.now(UTC)
    session.add(
        ModelRow(
            id=model.id,
            project_id=project.id,
            version=model.version,
            host=model.host,
            comment="",
            created=now,
            information=model.information,
        )
    )
    await session.flush()
    session.add(
        ModelFormatRow(
            model_id=model.id,
            format=MOCKED,
            sha256=model.blob.sha256,
            size_bytes=model.blob.size_bytes,
            files=model.files,
            created=now,
        )
    )


def _write(folder: Path) -> list[Path]:
    files = []
    for name, content in FILES.items():
        file = folder / name
        file.write_text(content)
        files.append(file)
    return files
