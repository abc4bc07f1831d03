"""Trainings: asked for, given to trainers, reported upon, ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ...enums import ImageSet, ImageState, TrainingState
from ...errors import NotFoundError, RefusedError, UnfitTrainingError
from ..names import next_major_version, next_minor_version
from . import models
from .tables import (
    AnnotationRow,
    CategoryRow,
    ImageRow,
    ModelFormatRow,
    ModelRow,
    ProjectRow,
    TrainingMetricRow,
    TrainingRow,
)

WITH_TRAINER = tuple(state for state in TrainingState if state.is_with_trainer)
MOST_QUEUED = 1000
"""Of one project."""

MOST_METRICS = 10_000
"""Of one training; of more, the last one is replaced."""


async def add(session: AsyncSession, row: TrainingRow) -> None:
    """Give a training the next number of its project and put it at the end of the queue."""
    waiting = select(func.count()).where(
        TrainingRow.project_id == row.project_id, TrainingRow.state == TrainingState.Queued
    )
    if (await session.scalar(waiting) or 0) >= MOST_QUEUED:
        raise RefusedError(f"{MOST_QUEUED} trainings of this project wait already; abort some")
    last = select(func.max(TrainingRow.number)).where(TrainingRow.project_id == row.project_id)
    row.number = (await session.scalar(last) or 0) + 1
    session.add(row)
    await session.flush()


async def with_key(session: AsyncSession, project_id: str, key: str | None) -> TrainingRow | None:
    """The training that was asked for with this idempotency key, None without one."""
    if key is None:
        return None
    query = select(TrainingRow).where(TrainingRow.project_id == project_id, TrainingRow.idempotency_key == key)
    return await session.scalar(query)


async def numbered(session: AsyncSession, project_id: str, number: int) -> TrainingRow:
    query = select(TrainingRow).where(TrainingRow.project_id == project_id, TrainingRow.number == number)
    row = await session.scalar(query)
    if row is None:
        raise NotFoundError(f"there is no training {number} in this project; GET …/trainings lists those that are")
    return row


async def page(session: AsyncSession, project_id: str, *, limit: int, before: int | None) -> Sequence[TrainingRow]:
    """Newest first, from before this number on."""
    query = select(TrainingRow).where(TrainingRow.project_id == project_id)
    if before is not None:
        query = query.where(TrainingRow.number < before)
    return (await session.scalars(query.order_by(TrainingRow.number.desc()).limit(limit))).all()


async def queued(session: AsyncSession) -> Sequence[tuple[TrainingRow, ProjectRow]]:
    """What waits for a trainer, of all projects that are not deleted, oldest first."""
    query = (
        select(TrainingRow, ProjectRow)
        .join(ProjectRow, ProjectRow.id == TrainingRow.project_id)
        .where(TrainingRow.state == TrainingState.Queued, ProjectRow.deleted.is_(None))
        .order_by(TrainingRow.created, TrainingRow.number)
    )
    return [(row, project) for row, project in await session.execute(query)]


async def with_trainers(session: AsyncSession) -> Sequence[tuple[TrainingRow, ProjectRow]]:
    """What trainers have."""
    query = (
        select(TrainingRow, ProjectRow)
        .join(ProjectRow, ProjectRow.id == TrainingRow.project_id)
        .where(TrainingRow.state.in_(WITH_TRAINER))
    )
    return [(row, project) for row, project in await session.execute(query)]


async def last_of_trainer(session: AsyncSession, project_id: str, trainer_id: str) -> TrainingRow | None:
    """The training of this project that was given to this trainer last."""
    query = select(TrainingRow).where(TrainingRow.project_id == project_id, TrainingRow.trainer_id == trainer_id)
    return await session.scalar(query.order_by(TrainingRow.offered.desc()).limit(1))


async def row_of(session: AsyncSession, training_id: str) -> TrainingRow | None:
    return await session.get(TrainingRow, training_id)


async def project_at(session: AsyncSession, organization: str, project: str) -> ProjectRow | None:
    """A project by its names, None if there is none."""
    query = select(ProjectRow).where(
        ProjectRow.organization == organization, ProjectRow.name == project, ProjectRow.deleted.is_(None)
    )
    return await session.scalar(query)


async def change(
    session: AsyncSession, training_id: str, former: Collection[TrainingState], **values: Any
) -> TrainingRow | None:
    """Change a training if it is in one of these states; None if it is not, or is gone."""
    row = await session.get(TrainingRow, training_id, populate_existing=True)
    if row is None or row.state not in former:
        return None
    for name, value in values.items():
        setattr(row, name, value)
    return row


# --- models


async def model_of(session: AsyncSession, training: TrainingRow) -> ModelRow | None:
    """The model of a training, once the loop has files of it."""
    if training.model_id is None:
        return None
    has_files = exists().where(ModelFormatRow.model_id == ModelRow.id)
    return await session.scalar(select(ModelRow).where(ModelRow.id == training.model_id, has_files))


async def models_by_id(session: AsyncSession, ids: Collection[str]) -> dict[str, ModelRow]:
    rows = await session.scalars(select(ModelRow).where(ModelRow.id.in_(ids)))
    return {row.id: row for row in rows}


async def take_model(session: AsyncSession, training: TrainingRow) -> None:
    """Give a training the id and version of its model, once and for good."""
    if training.model_id is not None:
        return
    taken = await models.versions(session, training.project_id)
    base = await session.get(ModelRow, training.base_model_id) if training.base_model_id else None
    training.model_version = next_minor_version(taken, base.version) if base else next_major_version(taken)
    training.model_id = str(uuid4())
    await session.flush()


async def announce_model(
    session: AsyncSession, training: TrainingRow, *, model_id: str, host: str, confusion: dict[str, Any]
) -> bool:
    """Keep a model whose files are still to come, under the id that its trainer gave it; whether it is new.

    The last one of a training is its model.
    """
    known = await session.get(ModelRow, model_id)
    if known is not None:
        if known.project_id != training.project_id:
            raise RefusedError(f"there is a model {model_id} in another project already; take another id")
        known.confusion = confusion
        return False
    base = await session.get(ModelRow, training.base_model_id) if training.base_model_id else None
    taken = await models.versions(session, training.project_id)
    training.model_id = model_id
    training.model_version = next_minor_version(taken, base.version) if base else next_major_version(taken)
    session.add(
        ModelRow(
            id=model_id,
            project_id=training.project_id,
            version=training.model_version,
            host=host,
            comment=training.description or "",
            created=now(),
            information={"categories": training.categories},
            parent_id=training.base_model_id,
            training_number=training.number,
            confusion=confusion,
        )
    )
    await session.flush()
    return True


# --- what a trainer reports


async def add_metric(session: AsyncSession, row: TrainingMetricRow) -> bool:
    """Keep what was reported, unless it is what was reported last; returns whether it is new."""
    query = select(TrainingMetricRow).where(TrainingMetricRow.training_id == row.training_id)
    last = await session.scalar(query.order_by(TrainingMetricRow.id.desc()).limit(1))
    told = ("epoch", "confusion", "train_image_count", "test_image_count")
    if last is not None and all(getattr(last, name) == getattr(row, name) for name in told):
        return False
    count = select(func.count()).where(TrainingMetricRow.training_id == row.training_id)
    if last is not None and (await session.scalar(count) or 0) >= MOST_METRICS:
        await session.delete(last)
    session.add(row)
    return True


async def metrics_of(session: AsyncSession, training_id: str) -> Sequence[TrainingMetricRow]:
    """In the order in which they were reported."""
    query = select(TrainingMetricRow).where(TrainingMetricRow.training_id == training_id)
    return (await session.scalars(query.order_by(TrainingMetricRow.id))).all()


async def log_of(session: AsyncSession, training_id: str) -> tuple[str, int]:
    """The end of the log, and how long the whole of it is."""
    found = (
        await session.execute(select(TrainingRow.log, TrainingRow.log_bytes).where(TrainingRow.id == training_id))
    ).one()
    return found.log or "", found.log_bytes


# --- whether it can be done


async def refuse_without_images(session: AsyncSession, project_id: str, categories: Sequence[CategoryRow]) -> None:
    """Raise `UnfitTrainingError` that names what is missing: images of a set, or annotations of a category."""
    complete = (ImageRow.project_id == project_id, ImageRow.state == ImageState.Complete, ImageRow.deleted.is_(None))
    if not await session.scalar(select(exists().where(*complete))):
        raise UnfitTrainingError(
            "the project has no images in the state complete, which are what is trained with; complete some first"
        )
    for needed in (ImageSet.Train, ImageSet.Test):
        if not await session.scalar(select(exists().where(*complete, ImageRow.set == needed))):
            raise UnfitTrainingError(
                f"no complete image is in the set {needed}; set `set` of some to {needed}, since a training needs "
                "images of both train and test"
            )
    in_training = (AnnotationRow.project_id == project_id, *complete, ImageRow.set == ImageSet.Train)
    annotated = set()
    for category in categories:  # one by one, since that ends with the first annotation of each
        is_of_it = (ImageRow.number == AnnotationRow.image_number, AnnotationRow.category_id == category.id)
        if await session.scalar(select(exists().where(*is_of_it, *in_training))):
            annotated.add(category.id)
    missing = [f'"{category.name}"' for category in categories if category.id not in annotated]
    if missing:
        what = f"category {missing[0]} has" if len(missing) == 1 else f"categories {', '.join(missing[:20])} have"
        raise UnfitTrainingError(
            f"{what} no annotation in complete images of the set train; annotate some, or choose the other categories "
            "with category_ids"
        )


def now() -> datetime:
    return datetime.now(UTC)
