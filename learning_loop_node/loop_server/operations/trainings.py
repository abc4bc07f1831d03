"""Trainings: asked for, listed, stopped, begun again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Depends, Path, Query
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from ...api.operation import Endpoint
from ...enums import TrainingState
from ...errors import RefusedError, UnfitTrainingError
from ..access.auth import caller_of
from ..access.rights import Right
from ..dispatch.works import SUBJECT
from ..loop import Loop
from ..storage import models, projects, trainings
from ..storage.tables import CategoryRow, ModelRow, ProjectRow, TrainingMetricRow, TrainingRow
from ..wire.ground import Done
from ..wire.projects import ModelCategory
from ..wire.trainings import (
    BaseModelPlace,
    Chart,
    ChartPoint,
    Epoch,
    NewLog,
    NewTraining,
    TrainedModel,
    TrainerPlace,
    TrainingChanges,
    TrainingLog,
    TrainingMetrics,
    TrainingPage,
    TrainingRecord,
)
from .projects import PROJECT

TRAININGS = f"{PROJECT}/trainings"
TRAINING = f"{TRAININGS}/{{training_number}}"
PAGE, MAX_PAGE = 100, 1000

TrainingNumber = Annotated[int, Path(ge=0, le=2**31 - 1)]


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = TrainingOperations(loop)
    readers, managers = [Depends(loop.auth.needs(Right.READ))], [Depends(loop.auth.needs(Right.MANAGE))]

    def row(method: str, path: str, run: Any, access: Sequence[Any], summary: str) -> Endpoint:
        options = {"tags": ["trainings"], "summary": summary}
        return Endpoint(method=method, path=path, run=run, access=access, options=options)

    return [
        row("GET", TRAININGS, operations.page, readers, "The trainings of a project"),
        row("POST", TRAININGS, operations.add, managers, "Queue a training"),
        row("GET", TRAINING, operations.one, readers, "A training, and how it stands"),
        row("GET", f"{TRAINING}/metrics", operations.metrics, readers, "What was reported of a training"),
        row("GET", f"{TRAINING}/log", operations.log, readers, "The end of a training's log"),
        row("POST", f"{TRAINING}/log", operations.keep_log, managers, "A trainer sends the end of its log"),
        row("POST", f"{TRAINING}/stop", operations.stop, managers, "End a training with the model that it has"),
        row("POST", f"{TRAINING}/abort", operations.abort, managers, "End a training and drop what it has"),
        row("POST", f"{TRAINING}/retry", operations.retry, managers, "Queue a training again, with changes if need be"),
    ]


class TrainingOperations:
    """Answers what people ask of trainings."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def page(
        self,
        organization: str,
        project: str,
        before: int | None = Query(default=None, ge=1, le=2**53, description="The `next` of the page before."),
        limit: int = Query(default=PAGE, ge=1, le=MAX_PAGE, description="Trainings per page."),
    ) -> TrainingPage:
        """Trainings, newest first; beside them all models that have files, in one chart, the newest first."""
        async with self._loop.database.reading() as session:
            place = await projects.project_named(session, organization, project)
            found = await trainings.page(session, place.id, limit=limit, before=before)
            records = await self._records(session, place, found)
            known = await models.models_of(session, place.id)
            formats = await models.formats_of(session, known)
        points = [
            ChartPoint(model_id=model.id, version=model.version, created=model.created.isoformat())
            for model in reversed(known)
            if formats[model.id]
        ]
        is_full = len(found) == limit
        return TrainingPage(charts=[Chart(data=points)], trainings=records, next=found[-1].number if is_full else None)

    async def add(self, organization: str, project: str, new: NewTraining, request: Request) -> TrainingRecord:
        """Queue a training for the next idle trainer that fits; it is followed by `GET`, or with `/api/events`.

        409 if the same `idempotency_key` was given with something else; 422 if images, annotations or the base model
        are not there.
        """
        author = caller_of(request).author
        async with self._loop.database.reading() as session:
            place = await projects.project_named(session, organization, project)
            former = await trainings.with_key(session, place.id, new.idempotency_key)
            if former is None:
                row = await _fit(session, place, new, author)
        if former is None:
            return await self._queue(place, row)
        return await self._same(place, former, new)

    async def retry(
        self,
        organization: str,
        project: str,
        training_number: TrainingNumber,
        request: Request,
        changes: TrainingChanges | None = None,
    ) -> TrainingRecord:
        """Queue a new training that does the same as one that has ended, except for what is given."""
        async with self._loop.database.reading() as session:
            place = await projects.project_named(session, organization, project)
            former = await trainings.numbered(session, place.id, training_number)
            if not TrainingState(former.state).has_ended:
                raise RefusedError(f"training {training_number} is {former.state}; only one that has ended is retried")
            new = NewTraining(
                model_variant=former.model_variant,
                hyperparameters=former.hyperparameters,
                architecture=former.architecture,
                trainer=former.wanted_trainer,
                base_model=former.base_model_id,
                category_ids=[category["id"] for category in former.categories],
                description=former.description,
            )
            if changes is not None:
                new = changes.applied_to(new)
            row = await _fit(session, place, new, caller_of(request).author)
        row.retry_of = former.number
        return await self._queue(place, row)

    async def one(self, organization: str, project: str, training_number: TrainingNumber) -> TrainingRecord:
        """What was asked for, which trainer has it, how far it is, and what came out of it."""
        async with self._loop.database.reading() as session:
            place = await projects.project_named(session, organization, project)
            return await self._record(session, place, await trainings.numbered(session, place.id, training_number))

    async def metrics(self, organization: str, project: str, training_number: TrainingNumber) -> TrainingMetrics:
        """Each better state that the trainer has found, in their order."""
        async with self._loop.database.reading() as session:
            place = await projects.project_named(session, organization, project)
            row = await trainings.numbered(session, place.id, training_number)
            found = await trainings.metrics_of(session, row.id)
        return TrainingMetrics(epochs=[_epoch(entry) for entry in found])

    async def log(self, organization: str, project: str, training_number: TrainingNumber) -> TrainingLog:
        """The last 64 KB that the training program has said, as its trainer sent them last."""
        async with self._loop.database.reading() as session:
            place = await projects.project_named(session, organization, project)
            row = await trainings.numbered(session, place.id, training_number)
            text, size_bytes = await trainings.log_of(session, row.id)
        return TrainingLog(text=text, size_bytes=size_bytes)

    async def keep_log(self, organization: str, project: str, training_number: TrainingNumber, log: NewLog) -> Done:
        """Replace the end of the log."""
        async with self._loop.database.writing() as session:
            place = await projects.project_named(session, organization, project)
            row = await trainings.numbered(session, place.id, training_number)
            row.log = log.text.replace("\0", "")  # which Postgres cannot keep
            row.log_bytes = log.size_bytes if log.size_bytes is not None else len(log.text.encode())
        self._loop.changes.tell(SUBJECT, organization, project, [str(training_number)])
        return Done()

    async def stop(self, organization: str, project: str, training_number: TrainingNumber) -> TrainingRecord:
        """Its model is uploaded and detects, as if the training had come to its end by itself."""
        place = await self._project(organization, project)
        await self._loop.dispatch.commands.stop(place, training_number)
        return await self.one(organization, project, training_number)

    async def abort(self, organization: str, project: str, training_number: TrainingNumber) -> TrainingRecord:
        """One that waits leaves the queue; the trainer of one that runs drops it."""
        place = await self._project(organization, project)
        await self._loop.dispatch.commands.abort(place, training_number)
        return await self.one(organization, project, training_number)

    async def _project(self, organization: str, project: str) -> ProjectRow:
        async with self._loop.database.reading() as session:
            return await projects.project_named(session, organization, project)

    async def _queue(self, place: ProjectRow, row: TrainingRow) -> TrainingRecord:
        async with self._loop.database.writing() as session:
            await projects.refuse_gone(session, place)
            former = await trainings.with_key(session, place.id, row.idempotency_key)
            if former is None:
                await trainings.add(session, row)
            record = await self._record(session, place, former or row)
        self._loop.changes.tell(SUBJECT, place.organization, place.name, [str(record.number)])
        self._loop.dispatch.works.wake()
        return record

    async def _same(self, place: ProjectRow, former: TrainingRow, new: NewTraining) -> TrainingRecord:
        """The training that the same request has made before."""
        asked = (new.model_variant, new.hyperparameters, new.architecture, new.trainer, new.description)
        kept = (
            former.model_variant,
            former.hyperparameters,
            former.architecture,
            former.wanted_trainer,
            former.description,
        )
        if asked != kept:
            raise RefusedError(
                f"training {former.number} has the idempotency_key {new.idempotency_key!r} and is another one; take "
                "another key for each training"
            )
        async with self._loop.database.reading() as session:
            return await self._record(session, place, former)

    async def _record(self, session: AsyncSession, place: ProjectRow, row: TrainingRow) -> TrainingRecord:
        [record] = await self._records(session, place, [row])
        return record

    async def _records(
        self, session: AsyncSession, place: ProjectRow, rows: Sequence[TrainingRow]
    ) -> list[TrainingRecord]:
        ids = {id_ for row in rows for id_ in (row.base_model_id, row.model_id) if id_ is not None}
        known = await trainings.models_by_id(session, ids)
        formats = await models.formats_of(session, list(known.values()))
        names = {id_: [entry.format for entry in entries] for id_, entries in formats.items()}
        return [self._record_of(place, row, known, names) for row in rows]

    def _record_of(
        self, place: ProjectRow, row: TrainingRow, known: dict[str, ModelRow], formats: dict[str, list[str]]
    ) -> TrainingRecord:
        state, dispatch = TrainingState(row.state), self._loop.dispatch
        base = known.get(row.base_model_id or "")
        model = known.get(row.model_id or "") if formats.get(row.model_id or "") else None
        trainer = None
        if row.trainer_id is not None and state is not TrainingState.Queued:
            is_connected = dispatch.works.trainer_of(row, place) is not None
            trainer = TrainerPlace(id=row.trainer_id, name=row.trainer_name or "", is_connected=is_connected)
        return TrainingRecord(
            number=row.number,
            id=row.id,
            state=state,
            waiting_for=dispatch.offers.waiting_for(row, place) if state is TrainingState.Queued else None,
            notice=dispatch.following.notice_of(row, place),
            trainer_state=row.trainer_state if state.is_with_trainer else None,
            progress=dispatch.following.progress_of(row.id),
            errors=row.errors,
            error=row.error,
            model_variant=row.model_variant,
            architecture=(row.trainer_architecture if trainer else None) or row.architecture,
            wanted_trainer=row.wanted_trainer,
            hyperparameters=row.hyperparameters,
            categories=[ModelCategory.model_validate(entry) for entry in row.categories],
            base_model=(
                BaseModelPlace(id=row.base_model_id, version=base.version if base else None)
                if row.base_model_id
                else None
            ),
            trainer=trainer,
            model=TrainedModel(id=model.id, version=model.version, formats=formats[model.id]) if model else None,
            train_image_count=row.train_image_count,
            test_image_count=row.test_image_count,
            best_epoch=row.best_epoch,
            confusion_matrix=row.confusion,
            refusals=row.refusals,
            retry_of=row.retry_of,
            description=row.description,
            created=row.created.isoformat(),
            created_by=row.created_by,
            started=row.started.isoformat() if row.started else None,
            ended=row.ended.isoformat() if row.ended else None,
        )


async def _fit(session: AsyncSession, place: ProjectRow, new: NewTraining, author: str | None) -> TrainingRow:
    """A training as it is asked for; raises why it cannot be done."""
    categories = _chosen(await projects.categories_of(session, place), new.category_ids)
    await trainings.refuse_without_images(session, place.id, categories)
    return _row(place, new, categories, await _base(session, place, new.base_model), author)


def _chosen(known: Sequence[CategoryRow], ids: Sequence[str] | None) -> Sequence[CategoryRow]:
    """The categories of a training, in the order of the project."""
    missing = set(ids or ()) - {category.id for category in known}
    if missing:
        raise UnfitTrainingError(f"category_ids: there is no category {', '.join(sorted(missing))} in this project")
    chosen = [category for category in known if ids is None or category.id in ids]
    if not chosen:
        raise UnfitTrainingError("the project has no categories; make some, and annotate images with them")
    return chosen


async def _base(session: AsyncSession, place: ProjectRow, name: str | None) -> ModelRow | None:
    """The model from which a training goes on."""
    if name is None:
        return None
    model = await models.model_named(session, place.id, name)
    if not (await models.formats_of(session, [model]))[model.id]:
        raise UnfitTrainingError(f"base_model: {model.version} has no files, so that no training can go on from it")
    return model


def _row(
    place: ProjectRow, new: NewTraining, categories: Sequence[CategoryRow], base: ModelRow | None, author: str | None
) -> TrainingRow:
    return TrainingRow(
        id=str(uuid4()),
        project_id=place.id,
        idempotency_key=new.idempotency_key,
        state=TrainingState.Queued,
        model_variant=new.model_variant,
        architecture=new.architecture,
        wanted_trainer=new.trainer,
        base_model_id=base.id if base else None,
        hyperparameters=new.hyperparameters,
        categories=[_category(category) for category in categories],
        description=new.description,
        created=datetime.now(UTC),
        created_by=author,
        errors={},
        refusals=0,
        log_bytes=0,
    )


def _category(row: CategoryRow) -> dict[str, Any]:
    """A category as trainers take it; they want each field to have exactly its type."""
    names = ("id", "name", "description", "hotkey", "color", "point_size", "type")
    return {name: getattr(row, name) for name in names}


def _epoch(row: TrainingMetricRow) -> Epoch:
    return Epoch(
        moment=row.moment.isoformat(),
        epoch=row.epoch,
        confusion_matrix=row.confusion,
        train_image_count=row.train_image_count,
        test_image_count=row.test_image_count,
        hyperparameters=row.hyperparameters,
    )
