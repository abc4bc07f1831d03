"""Models and their formats."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from ...errors import NotFoundError, RefusedError
from .tables import ModelFormatRow, ModelRow, TrainingRow

TOLD = 10
"""So many versions stand in the text of an error, the newest ones."""


async def versions(session: AsyncSession, project_id: str) -> Sequence[str]:
    """Those of the models, and those that are taken for trainings whose models have no files yet."""
    known = select(ModelRow.version).where(ModelRow.project_id == project_id)
    taken = select(TrainingRow.model_version).where(
        TrainingRow.project_id == project_id, TrainingRow.model_version.is_not(None)
    )
    return [version for version in await session.scalars(known.union(taken)) if version is not None]


async def models_of(session: AsyncSession, project_id: str) -> Sequence[ModelRow]:
    """All models, oldest first."""
    query = select(ModelRow).where(ModelRow.project_id == project_id).order_by(ModelRow.created, ModelRow.id)
    return (await session.scalars(query)).all()


async def formats_of(session: AsyncSession, models: Sequence[ModelRow]) -> dict[str, list[ModelFormatRow]]:
    """The formats of these models by the model's id."""
    query = select(ModelFormatRow).where(ModelFormatRow.model_id.in_([model.id for model in models]))
    result: dict[str, list[ModelFormatRow]] = {model.id: [] for model in models}
    for row in await session.scalars(query.order_by(ModelFormatRow.created, ModelFormatRow.format)):
        result[row.model_id].append(row)
    return result


async def model_by_id(session: AsyncSession, project_id: str, model_id: str) -> ModelRow:
    model = await session.get(ModelRow, model_id)
    if model is None or model.project_id != project_id:
        raise NotFoundError(f"there is no model {model_id} in this project")
    return model


async def model_by_version(session: AsyncSession, project_id: str, version: str) -> ModelRow:
    query = select(ModelRow).where(ModelRow.project_id == project_id, ModelRow.version == version)
    model = await session.scalar(query)
    if model is None:
        raise NotFoundError(f"there is no model with version {version} in this project")
    return model


async def model_named(session: AsyncSession, project_id: str, name: str) -> ModelRow:
    """A model by its version or its id."""
    query = select(ModelRow).where(
        ModelRow.project_id == project_id, (ModelRow.version == name) | (ModelRow.id == name)
    )
    model = await session.scalar(query)
    if model is None:
        known = [row.version for row in await models_of(session, project_id)]
        more = f"; and {len(known) - TOLD} older ones" if len(known) > TOLD else ""
        raise NotFoundError(
            f"there is no model {name} in this project; "
            + (
                f"there are: {', '.join(known[-TOLD:])}{more}"
                if known
                else "learning-loop train, or models push, makes the first"
            )
        )
    return model


async def refuse_taken_version(session: AsyncSession, project_id: str, version: str) -> None:
    if version in await versions(session, project_id):
        raise RefusedError(
            f"there is a model with version {version} already; choose another one, or leave it out; a further "
            f"format of it is added with PUT …/{{model_format}}/file (learning-loop models push --to {version})"
        )


async def refuse_taken_format(session: AsyncSession, model_id: str, model_format: str) -> None:
    if await find_format(session, model_id, model_format) is not None:
        raise RefusedError(f"the model {model_id} is stored in format {model_format} already")


async def find_format(session: AsyncSession, model_id: str, model_format: str) -> ModelFormatRow | None:
    return await session.get(ModelFormatRow, (model_id, model_format))


async def forget(session: AsyncSession, model_id: str) -> None:
    """Remove a model that never got its files."""
    await session.execute(delete(ModelRow).where(ModelRow.id == model_id))


async def forget_unfinished(session: AsyncSession) -> None:
    """Remove all models whose upload was interrupted by the end of the process.

    Those of which a trainer has told before it sends their files (with their counts) wait for these.
    """
    is_empty = ModelRow.id.not_in(select(ModelFormatRow.model_id))
    await session.execute(delete(ModelRow).where(is_empty, ModelRow.confusion.is_(None)))
