"""The models that come out of trainings, as trainers upload them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from ...api.operation import Endpoint
from ...api.replies import json_reply
from ...enums import TrainingState
from ...errors import NodeError, RefusedError, UnfitTrainingError
from ..access.rights import Right
from ..dispatch.works import LOST, SUBJECT
from ..loop import Loop
from ..model_uploads import ModelUploads
from ..names import check_format
from ..receiving.bodies import drained
from ..storage import models, projects, trainings
from ..storage.tables import ModelRow, TrainingRow
from ..wire.models import StoredModel
from .forms import MODEL_FORM
from .trainings import TRAINING, TrainingNumber


class _StoredAlreadyError(RefusedError):
    """The format is there."""


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = TrainedModels(loop)
    return [
        Endpoint(
            method="PUT",
            path=f"{TRAINING}/models/latest/{{model_format}}/file",
            run=operations.add,
            access=[Depends(loop.auth.needs(Right.MANAGE))],
            streams=True,
            options={
                "tags": ["trainings"],
                "summary": "A trainer uploads its model in one format",
                "openapi_extra": MODEL_FORM,
                "response_model": StoredModel,
            },
        ),
    ]


class TrainedModels:
    """Takes the models of trainings."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._uploads = ModelUploads(loop)

    async def add(
        self, organization: str, project: str, training_number: TrainingNumber, model_format: str, request: Request
    ) -> Response:
        """Keep the files of a training's model in one format. All formats of it belong to one model, with one id.

        409 with `detail.id` if this format is there already: so a trainer that did not get an answer finds out.
        """
        try:
            check_format(model_format)
            place, known = await self._uploads.project(organization, project)
            async with self._loop.database.writing() as session:
                await projects.refuse_gone(session, place)
                training = await trainings.numbered(session, place.id, training_number)
                _refuse_ended(training)
                await trainings.take_model(session, training)
                model_id = training.model_id or ""
                model = await trainings.model_of(session, training)
                is_there = await models.find_format(session, model_id, model_format) is not None
        except NodeError:
            await drained(request)  # else some clients would see a broken connection, not the answer
            raise
        if is_there:
            await drained(request)
            return _stored_already(model_id)
        former = model.information if model is not None else {"categories": training.categories}
        async with self._uploads.received(request, known, place, former) as (files, information):
            information = _filled(information, training)
            stored = model or _model_row(training, request.url.netloc, information)

            async def make_model(session: AsyncSession) -> None:
                if await models.find_format(session, model_id, model_format) is not None:
                    raise _StoredAlreadyError
                present = await trainings.numbered(session, place.id, training_number)
                _refuse_ended(present)
                if await trainings.model_of(session, present) is None:
                    new = _model_row(training, request.url.netloc, information)
                    new.confusion = present.confusion
                    session.add(new)
                    await session.flush()

            try:
                await self._uploads.keep(place, stored, model_format, files, information, before=make_model)
            except _StoredAlreadyError:
                return _stored_already(model_id)
        self._loop.changes.tell("models", organization, project, [model_id])
        self._loop.changes.tell(SUBJECT, organization, project, [str(training_number)])
        return json_reply({"id": model_id, "version": stored.version})


def _stored_already(model_id: str) -> Response:
    return json_reply({"detail": {"id": model_id}, "code": RefusedError().code}, 409)


def _refuse_ended(training: TrainingRow) -> None:
    """Raise `UnfitTrainingError` if nothing is expected any more. No 409: trainers would take that for a success."""
    state = TrainingState(training.state)
    was_lost = state is TrainingState.Failed and (training.error or "").startswith(LOST)
    is_expected = state.is_with_trainer or state is TrainingState.Finished or was_lost
    if state is TrainingState.Queued and training.trainer_id is not None:
        is_expected = True  # a trainer has it after all
    if not is_expected or state is TrainingState.Aborting:
        raise UnfitTrainingError(f"training {training.number} is {state}, so that no model of it is taken")


def _filled(information: dict[str, Any], training: TrainingRow) -> dict[str, Any]:
    """What some detectors need to know of a model, and no trainer says."""
    resolution = training.hyperparameters.get("resolution")
    known: dict[str, Any] = {"model_size": training.model_variant}
    if isinstance(resolution, int) and not isinstance(resolution, bool):
        known["resolution"] = resolution
    return known | {name: value for name, value in information.items() if value is not None}


def _model_row(training: TrainingRow, host: str, information: dict[str, Any]) -> ModelRow:
    return ModelRow(
        id=training.model_id,
        project_id=training.project_id,
        version=training.model_version,
        host=host,
        comment=training.description or "",
        created=datetime.now(UTC),
        information=information,
        parent_id=training.base_model_id,
        training_number=training.number,
        confusion=training.confusion,
    )
