"""What people ask of trainings that are there, stop and abort, and how it reaches their trainers."""

from __future__ import annotations

from ...enums import TrainerState, TrainingState
from ...errors import RefusedError
from ..storage import trainings
from ..storage.tables import ProjectRow
from .works import COMMAND_S, Work, Works

GONE_S = 60.0
"""So long a trainer that is to abort may be away; then the training is aborted, and the trainer told on its return."""

TRAINED = tuple(TrainerState)[tuple(TrainerState).index(TrainerState.TrainingFinished) :]
"""States of a trainer that has come to the end of training, so that there is nothing to stop any more."""


class Commands:
    """Notes that a training is to end, and tells its trainer until that says that it has."""

    def __init__(self, works: Works) -> None:
        self._works = works

    async def stop(self, project: ProjectRow, number: int) -> None:
        """Let a training end with the model that it has; before its trainer trains, as soon as it does.

        `RefusedError` if it has not begun, has trained already, or has ended.
        """
        async with self._works.database.writing() as session:
            row = await trainings.numbered(session, project.id, number)
            state = TrainingState(row.state)
            if state is TrainingState.Queued:
                raise RefusedError(f"training {number} has not begun, so that there is no model; abort it instead")
            if state.has_ended:
                raise RefusedError(f"training {number} is {state} already")
            if state is TrainingState.Aborting:
                raise RefusedError(f"training {number} is being aborted, so that its model is dropped")
            if state is not TrainingState.Stopping and row.trainer_state in TRAINED:
                raise RefusedError(
                    f"training {number} has trained already, so that it is too late to stop it: its trainer says "
                    f"{row.trainer_state}, and ends by itself; `learning-loop trainings abort {number}` ends it now"
                )
            row.state = TrainingState.Stopping
        self._asked(row.id, TrainingState.Stopping)
        self._works.tell(project, number)

    async def abort(self, project: ProjectRow, number: int) -> None:
        """Let a training end and drop what it has. `RefusedError` if it has ended."""
        async with self._works.database.writing() as session:
            row = await trainings.numbered(session, project.id, number)
            state = TrainingState(row.state)
            if state.has_ended:
                raise RefusedError(f"training {number} is {state} already")
            is_there = state.is_with_trainer and self._works.trainer_of(row, project) is not None
            row.state = TrainingState.Aborting if is_there else TrainingState.Aborted
            if not is_there:
                row.ended = trainings.now()
        if is_there:
            self._asked(row.id, TrainingState.Aborting)
        else:
            self._works.count_end(row.id, TrainingState.Aborted)
        self._works.tell(project, number)

    async def pass_on(self, work: Work) -> None:
        """Pass on that a training is to end, again and again until its trainer says that it has."""
        if work.state not in (TrainingState.Stopping, TrainingState.Aborting) or work.is_offered or work.is_ending:
            return
        now = self._works.clock.now()
        node = self._works.trusted(work.trainer_id, work.project)
        if node is None:
            work.gone_since = now if work.gone_since is None else work.gone_since
            if work.state is TrainingState.Aborting and now - work.gone_since >= GONE_S:
                await self._works.close(work, TrainingState.Aborted, None)
            return
        if work.commanded is not None and now - work.commanded < COMMAND_S:
            return
        if not work.is_done_by(node):
            return
        if work.state is TrainingState.Aborting:
            work.commanded = now
            self._works.call_soon(node, "abort_training", name=f"abort training {work.number}")
        elif node.state == TrainerState.TrainingRunning:  # else some versions drop the training, others do nothing
            work.commanded = now
            self._works.call_soon(node, "stop_training", name=f"stop training {work.number}")

    def _asked(self, training_id: str, state: TrainingState) -> None:
        work = self._works.get(training_id)
        if work is not None:
            work.state, work.commanded = state, None
        self._works.wake()
