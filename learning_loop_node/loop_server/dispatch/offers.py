"""Offers trainings that wait to trainers that fit, and says why one waits."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ...enums import TrainerState, TrainingState
from ...enums.trainer import ODDITIES
from ...errors import DeadlineError, NodeError, UnavailableError
from ..nodes import ConnectedNode, NodeKind
from ..storage import trainings
from ..storage.tables import ProjectRow, TrainingRow
from .trainer_choice import TRAINERS, Candidate, obstacle, variants_of, why_waiting
from .works import Work, Works

logger = logging.getLogger(__name__)

ANSWER_S = 30.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0
"""After a refusal a trainer is not offered the same training for a while; the time doubles."""

REFUSED = "refused"


class Offers:
    """Gives out what is queued, the oldest first, and puts back what is not taken."""

    def __init__(self, works: Works) -> None:
        self._works = works
        self._pauses: dict[tuple[str, str], float] = {}
        """Until when a training is not offered to a trainer, by the ids of both."""

    async def give_out(self) -> None:
        """Offer what waits to whoever is idle."""
        now = self._works.clock.now()
        self._pauses = {pair: until for pair, until in self._pauses.items() if now < until}
        free = [node for node in self._trainers() if node.state == TrainerState.Idle and self._works.of(node) is None]
        if not free:
            return
        async with self._works.database.reading() as session:
            waiting = await trainings.queued(session)
        for row, project in waiting:
            fitting = [node for node in free if obstacle(self._candidate(node, row, project), row, project) is None]
            if fitting:
                node = min(fitting, key=_preference(row))
                free.remove(node)
                await self._give(row, project, node)

    def waiting_for(self, training: TrainingRow, project: ProjectRow) -> str:
        """Why a training that is queued is not given to any trainer, in one sentence for people."""
        candidates = [self._candidate(node, training, project) for node in self._trainers()]
        return why_waiting(candidates, training, project)

    async def put_back(self, work: Work, *, refused_by: ConnectedNode | None = None) -> None:
        """To its place in the queue; one that was to end meanwhile has ended."""
        if work.state is not TrainingState.Starting:
            await self._works.close(work, TrainingState.Aborted, None)
            return
        async with self._works.database.writing() as session:
            row = await trainings.change(
                session, work.training_id, (TrainingState.Starting,), state=TrainingState.Queued
            )
            if row is not None and refused_by is not None:
                row.refusals += 1
                row.trainer_id = None
                pause_s = min(FIRST_PAUSE_S * 2 ** min(row.refusals - 1, 10), LONGEST_PAUSE_S)
                self._pauses[row.id, refused_by.id or ""] = self._works.clock.now() + pause_s
        self._works.drop(work.training_id)
        if refused_by is None:
            logger.info("%s was not begun and waits again", work)
        self._works.tell(work.project, work.number)
        self._works.wake()

    def _trainers(self) -> list[ConnectedNode]:
        """Those that are connected; a node of 0.3.2 is one if it is in a state in which only trainers are."""
        states = set(TrainerState)
        found = [node for kind in TRAINERS for node in self._works.nodes.of_kind(kind)]
        return [node for node in found if node.kind is NodeKind.TRAINER or node.state in states]

    def _candidate(self, node: ConnectedNode, row: TrainingRow, project: ProjectRow) -> Candidate:
        work, until = self._works.of(node), self._pauses.get((row.id, node.id or ""), 0.0)
        occupation = None
        if work is not None:
            is_here = work.project.id == project.id
            occupation = f"training {work.number}" if is_here else "a training of another project"
            if work.errors.keys() - ODDITIES:
                occupation += ", which tells of an error"
        return Candidate(node=node, occupation=occupation, pause_s=until - self._works.clock.now())

    async def _give(self, row: TrainingRow, project: ProjectRow, node: ConnectedNode) -> None:
        """Note first who gets it, then offer it: whatever happens in between, it is not given to two."""
        async with self._works.database.writing() as session:
            changed = await trainings.change(
                session,
                row.id,
                (TrainingState.Queued,),
                state=TrainingState.Starting,
                trainer_id=node.id,
                trainer_name=node.name,
                trainer_architecture=node.status.get("architecture"),
                trainer_state=None,
                progress=None,
                errors={},
                uncounted=None,
                offered=trainings.now(),
            )
        if changed is None:
            return
        work = self._works.add(changed, project)
        work.is_offered = True
        self._works.tell(project, row.number)
        self._works.start(self._offer(changed, work, node), f"offer training {row.number}")

    async def _offer(self, row: TrainingRow, work: Work, node: ConnectedNode) -> None:
        arguments = (work.project.organization, work.project.name, _details_of(row, node))
        try:
            answer = await self._works.nodes.call(node, "begin_training", *arguments, timeout_s=ANSWER_S)
        except (DeadlineError, UnavailableError) as error:
            logger.warning("%s: %s; what it says next decides", work, error)
            return
        except NodeError as error:
            answer = {"success": False, "error_msg": str(error)}
        finally:
            work.is_offered = False
        await self._decide(work, node, answer)

    async def _decide(self, work: Work, node: ConnectedNode, answer: Any) -> None:
        """What the answer to an offer means."""
        if answer is True or (isinstance(answer, dict) and answer.get("success") is True):
            logger.info("%s: the %s has begun it", work, node)
            work.seen_at, work.idle_count = node.sid, -1  # an old version may answer before it knows its own state
            if work.state is TrainingState.Starting:
                values = {"state": TrainingState.Running, "started": trainings.now()}
                await self._works.change(work, **values)
            self._works.tell(work.project, work.number)
            self._works.wake()
        elif isinstance(answer, dict) and answer.get("payload") == REFUSED:
            logger.info("%s: the %s does not take it now: %s", work, node, answer.get("error_msg"))
            await self.put_back(work, refused_by=node)
        else:
            text = answer.get("error_msg") if isinstance(answer, dict) else None
            reason = text or "it does not know the event begin_training, so that it is no trainer for this loop"
            await self._works.close(work, TrainingState.Failed, f"{node.name or node.id} cannot begin it: {reason}")


def _details_of(row: TrainingRow, node: ConnectedNode) -> dict[str, Any]:
    """What `begin_training` says of a training; 0.3.2 wants to know the model to go on from, and nothing else."""
    if node.kind is NodeKind.LEGACY:
        return {"id": row.base_model_id}
    return {
        "id": row.id,
        "training_number": row.number,
        "model_variant": row.model_variant,
        "base_model_uuid": row.base_model_id,
        "hyperparameters": row.hyperparameters,
        "categories": row.categories,
    }


def _preference(row: TrainingRow) -> Callable[[ConnectedNode], bool]:
    """Those that name the variant come before those that name none."""
    return lambda node: row.model_variant not in variants_of(node)
