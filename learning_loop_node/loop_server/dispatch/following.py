"""What trainers say of the trainings that they have, and how these end."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ...enums import TrainingState
from ...errors import RefusedError
from ..nodes import ConnectedNode
from ..storage import trainings
from ..storage.tables import ModelRow, ProjectRow, TrainingRow
from .offers import Offers
from .trainer_choice import FREE, may_train
from .works import LOST, Work, Works, place_of

logger = logging.getLogger(__name__)

IDLE_TIMES = 3
"""So often a trainer says that it is idle before it is believed that it lost a training, or never got it.

One that has just connected may say so before it goes on with what it finds on its disk.
"""

OnModel = Callable[[ProjectRow, ModelRow], Awaitable[object]]


class Following:
    """Follows trainings at their trainers; one that a trainer lost waits again, or has failed."""

    def __init__(self, works: Works, offers: Offers, on_model: OnModel) -> None:
        """`on_model` is awaited with each model whose training has come to its end, before the training is finished."""
        self._works = works
        self._offers = offers
        self._on_model = on_model
        self._free: set[str] = set()
        """The connections of trainers of which it was known before that they are free: it is no news."""
        works.nodes.on_gone(self._on_gone)

    async def heard(self, node: ConnectedNode) -> None:
        """A trainer has said how it is."""
        work = self._works.of(node)
        if work is not None:
            work.away_since = None
            self._free.discard(node.sid)
            if not work.is_offered and not work.is_ending:
                await (self._is_at(work, node) if work.is_done_by(node) else self._is_idle(work, node))
        elif node.state not in FREE:
            self._free.discard(node.sid)
            await self._recognize(node)
        elif node.sid not in self._free:
            self._free.add(node.sid)
            self._works.wake()

    async def training_of(self, node: ConnectedNode, project: ProjectRow) -> str:
        """The id of the training on which a trainer works. `RefusedError` if the loop gave it none in this project."""
        work = self._works.of(node)
        if work is None or work.project.id != project.id:
            await self._recognize(node)
            work = self._works.of(node)
        if work is None or work.project.id != project.id:
            raise RefusedError(
                f"the loop knows of no training of {node.name or node.id} in {project.organization}/{project.name}; it "
                "was aborted, or begun by somebody else"
            )
        return work.training_id

    def ask_for_files(self, node: ConnectedNode, project: ProjectRow, model_id: str) -> None:
        """Let a trainer of 0.3.2 upload a model that it has told of."""
        place = (project.organization, project.name)
        self._works.call_soon(node, "save", *place, {"id": model_id}, name=f"save {model_id}")

    def progress_of(self, training_id: str) -> float | None:
        """How far the present step of a training is, from 0 to 1, if its trainer says so."""
        work = self._works.get(training_id)
        return work.progress if work is not None else None

    def notice_of(self, training: TrainingRow, project: ProjectRow) -> str | None:
        """What people should know of a training that goes on, or has gone, well: None if there is nothing."""
        if training.state == TrainingState.Finished:
            return "; ".join(filter(None, (_told(training.errors), training.uncounted))) or None
        work = self._works.get(training.id)
        if work is None:
            return None
        return "; ".join(filter(None, (self._away_text(work, training, project), training.uncounted))) or None

    def _away_text(self, work: Work, training: TrainingRow, project: ProjectRow) -> str | None:
        if work.away_since is None or self._works.trainer_of(training, project) is not None:
            return None
        name = training.trainer_name or training.trainer_id
        return (
            f"its trainer {name} is away since {work.away_since:%Y-%m-%d %H:%M} UTC; it goes on when that is back, and "
            f"`learning-loop trainings abort {training.number}` ends it"
        )

    # --- what is heard

    async def _is_at(self, work: Work, node: ConnectedNode) -> None:
        """The trainer works on it."""
        status = node.status
        errors, progress = status.get("errors") or {}, status.get("progress")
        is_begun = work.state is TrainingState.Starting
        is_news = is_begun or (node.state, errors) != (work.trainer_state, work.errors)
        is_told = is_news or progress != work.progress or work.seen_at != node.sid
        if work.seen_at != node.sid:
            work.commanded = None  # it went over a connection that has ended, perhaps into nothing
        work.idle_count, work.seen_at, work.progress, work.gone_since = 0, node.sid, progress, None
        if is_news:
            values: dict[str, Any] = {"trainer_state": node.state, "errors": errors, "progress": progress}
            if is_begun:
                values |= {"state": TrainingState.Running, "started": trainings.now()}
            if await self._works.change(work, **values) is None:
                return
            work.trainer_state, work.errors = node.state, errors
        if is_told:
            self._works.tell(work.project, work.number)
        if work.state in (TrainingState.Stopping, TrainingState.Aborting):
            self._works.wake()

    async def _is_idle(self, work: Work, node: ConnectedNode) -> None:
        """The trainer does not work on it, at least not now."""
        work.idle_count += 1
        if work.idle_count < (1 if work.seen_at == node.sid else IDLE_TIMES):
            return
        if work.state is TrainingState.Starting:
            await self._offers.put_back(work)
            return
        work.is_ending = True
        try:
            await self._end(work, node)
        finally:
            work.is_ending = False
        self._works.wake()

    async def _recognize(self, node: ConnectedNode) -> None:
        """A trainer works on something that we do not know it has: it was offered, or given up, too early."""
        place = node.status.get("context")
        if place is None or node.id is None:
            return
        async with self._works.database.reading() as session:
            project = await trainings.project_at(session, place["organization"], place["project"])
            row = await trainings.last_of_trainer(session, project.id, node.id) if project else None
        if row is None or project is None or not may_train(node, project) or self._works.of(node) is not None:
            return
        state = TrainingState(row.state)
        if state is TrainingState.Aborted:
            self._works.call_soon(node, "abort_training", name=f"abort training {row.number}")
        elif state is TrainingState.Queued or (state is TrainingState.Failed and (row.error or "").startswith(LOST)):
            async with self._works.database.writing() as session:
                values = {"state": TrainingState.Running, "trainer_name": node.name, "error": None, "ended": None}
                started = row.started or trainings.now()
                changed = await trainings.change(session, row.id, (state,), started=started, **values)
            if changed is not None:
                logger.info("the %s has training %d of %s after all", node, row.number, place_of(project))
                await self._is_at(self._works.add(changed, project), node)

    def _on_gone(self, node: ConnectedNode) -> None:
        self._free.discard(node.sid)
        for work in self._works.all():
            if work.is_of(node):
                work.progress, work.away_since = None, trainings.now()
                self._works.tell(work.project, work.number)

    # --- ends

    async def _end(self, work: Work, node: ConnectedNode) -> None:
        """The trainer has done with it: find out how it went."""
        async with self._works.database.reading() as session:
            row = await trainings.row_of(session, work.training_id)
            model = await trainings.model_of(session, row) if row is not None else None
        if row is None:
            self._works.drop(work.training_id)
            return
        if work.state is TrainingState.Aborting:
            await self._works.close(work, TrainingState.Aborted, None)
        elif model is not None:
            try:
                await self._on_model(work.project, model)
            except Exception:
                logger.exception("what is to happen with the model of %s did not", work)
            await self._works.close(work, TrainingState.Finished, None)
        elif row.errors:
            await self._works.close(work, TrainingState.Failed, _told(row.errors))
        elif work.state is TrainingState.Stopping:
            await self._works.close(work, TrainingState.Failed, "it was stopped before it had a model")
        else:
            reason = f"{LOST}: {node.name or node.id} is {node.state}, without a model and without an error"
            await self._works.close(work, TrainingState.Failed, reason)


def _told(errors: Mapping[str, Any]) -> str:
    return "; ".join(f"{key}: {text}" for key, text in errors.items())
