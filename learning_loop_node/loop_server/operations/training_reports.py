"""What trainers report of their trainings over Socket.IO."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from ...errors import InvalidRequestError, NotFoundError
from ..access.rights import Right
from ..dispatch.works import SUBJECT
from ..loop import Loop
from ..node_events import TOLD, NodeEvent, need
from ..nodes import ConnectedNode
from ..storage import projects, trainings
from ..storage.tables import TrainingMetricRow, TrainingRow
from ..wire.ground import ShortText
from ..wire.nodes import kept_text
from ..wire.trainings import ConfusionCounts, ModelReport, TrainingReport

logger = logging.getLogger(__name__)

LONGEST_TOLD = 40
"""So many characters of a wrong count stand in a text."""


def events(loop: Loop) -> list[NodeEvent]:
    reports = TrainingReports(loop)
    place = [ShortText, ShortText]
    return [
        NodeEvent(name="update_training", arguments=[*place, TrainingReport], run=reports.hear),
        NodeEvent(name="update_model", arguments=[*place, ModelReport], run=reports.hear_of_model, is_of_legacy=True),
    ]


class TrainingReports:
    """Keeps what trainers report of the training that they have."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    async def hear(self, node: ConnectedNode, organization: str, project: str, report: TrainingReport) -> None:
        """Keep a new state of the training; which training it is, the loop knows. The same again changes nothing."""
        need(node, Right.MANAGE, organization, project)
        async with self._loop.database.reading() as session:
            place = await projects.project_named(session, organization, project)
        if node.id is None:
            node.id, node.name = report.trainer_id, report.trainer_name or ""
        if node.id != report.trainer_id:
            raise InvalidRequestError(f"trainer_id is {report.trainer_id!r}, but this trainer is {node.id!r}")
        training_id = await self._loop.dispatch.following.training_of(node, place)
        async with self._loop.database.writing() as session:
            row = await trainings.row_of(session, training_id)
            if row is None:
                raise NotFoundError("the training is gone")
            confusion, row.uncounted = _counts(report.confusion_matrix, row, node)
            given = report.hyperparameters
            metric = TrainingMetricRow(
                training_id=row.id,
                moment=datetime.now(UTC),
                epoch=report.best_epoch,
                confusion=confusion,
                train_image_count=report.train_image_count or 0,
                test_image_count=report.test_image_count or 0,
                hyperparameters=given if given not in (None, row.hyperparameters) else None,
            )
            if not await trainings.add_metric(session, metric):
                return
            row.confusion, row.best_epoch = confusion, report.best_epoch
            row.train_image_count = report.train_image_count
            row.test_image_count = report.test_image_count
            model = await trainings.model_of(session, row)
            if model is not None:
                model.confusion = confusion
            number = row.number
        self._loop.changes.tell(SUBJECT, organization, project, [str(number)])

    async def hear_of_model(self, node: ConnectedNode, organization: str, project: str, report: ModelReport) -> None:
        """Keep a new model of a trainer of 0.3.2, and let the trainer send its files."""
        need(node, Right.MANAGE, organization, project)
        async with self._loop.database.reading() as session:
            place = await projects.project_named(session, organization, project)
        training_id = await self._loop.dispatch.following.training_of(node, place)
        model_id = str(report.id)
        async with self._loop.database.writing() as session:
            row = await trainings.row_of(session, training_id)
            if row is None:
                raise NotFoundError("the training is gone")
            confusion, row.uncounted = _counts(report.confusion_matrix, row, node)
            is_new = await trainings.announce_model(
                session, row, model_id=model_id, host=node.host, confusion=confusion
            )
            row.confusion = confusion
            row.train_image_count, row.test_image_count = report.train_image_count, report.test_image_count
            if is_new:
                metric = TrainingMetricRow(
                    training_id=row.id,
                    moment=datetime.now(UTC),
                    epoch=None,
                    confusion=confusion,
                    train_image_count=report.train_image_count or 0,
                    test_image_count=report.test_image_count or 0,
                    hyperparameters=None,
                )
                await trainings.add_metric(session, metric)
            number = row.number
        self._loop.changes.tell(SUBJECT, organization, project, [str(number)])
        self._loop.dispatch.following.ask_for_files(node, place, model_id)


def _counts(matrix: Mapping[str, Any], training: TrainingRow, node: ConnectedNode) -> tuple[dict[str, Any], str | None]:
    """Those that can be kept, and what is wrong with the others: no report, and with it a model, is lost for them."""
    names = {category["id"]: category["name"] for category in training.categories}
    kept: dict[str, Any] = {}
    foreign, unreadable = [], []
    for category_id, counts in matrix.items():
        if category_id not in names:
            foreign.append(repr(category_id))
            continue
        try:
            kept[category_id] = ConfusionCounts.model_validate(counts).model_dump()
        except ValidationError as error:
            wrong = {entry["loc"][:1]: repr(entry["input"])[:LONGEST_TOLD] for entry in error.errors()}
            unreadable += [" ".join((names[category_id], *map(str, place), text)) for place, text in wrong.items()]
    troubles = []
    if foreign:
        troubles.append(f"its trainer counted what are no ids of categories that it trains: {_some(sorted(foreign))}")
    if unreadable:
        troubles.append(f"its trainer counted in a form that cannot be read: {_some(unreadable)}")
    trouble = kept_text("; ".join(troubles)) or None
    if trouble is not None and trouble != training.uncounted:
        logger.warning("training %d of the %s: %s", training.number, node, trouble)
    return kept, trouble


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:TOLD]) + (f" and {len(texts) - TOLD} more" if len(texts) > TOLD else "")
