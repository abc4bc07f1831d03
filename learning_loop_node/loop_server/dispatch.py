"""Which trainer gets a training, and what becomes of it there.

The database says what a training is; in memory is only what is heard every few seconds anyway. So the loop may end at
any moment: what a trainer says next decides how it stands.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from ..enums import TrainerState, TrainingState
from ..errors import DeadlineError, NodeError, RefusedError, UnavailableError
from ..runtime.clock import Clock, SystemClock
from ..runtime.loose_tasks import start
from ..runtime.periodic import wait_unless
from .changes import Changes
from .nodes import ConnectedNode, NodeKind, Nodes
from .storage import trainings
from .storage.database import Database
from .storage.tables import ModelRow, ProjectRow, TrainingRow
from .trainer_choice import FREE, TRAINERS, Candidate, may_train, obstacle, variants_of, why_waiting
from .wire.nodes import kept_text

logger = logging.getLogger(__name__)

SUBJECT = "trainings"
LOOK_S = 5.0
ANSWER_S = 30.0
COMMAND_S = 10.0
"""So long a trainer may take to answer stop or abort, and so often it is told again."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0
"""After a refusal a trainer is not offered the same training for a while; the time doubles."""

IDLE_TIMES = 3
"""So often a trainer says that it is idle before it is believed that it lost a training, or never got it.

One that has just connected may say so before it goes on with what it finds on its disk.
"""

GONE_S = 60.0
"""So long a trainer that is to abort may be away; then the training is aborted, and the trainer told on its return."""

REFUSED = "refused"
LOST = "the trainer lost it"

OnModel = Callable[[ProjectRow, ModelRow], Awaitable[object]]


@dataclass(eq=False, slots=True, kw_only=True)
class Work:
    """A training that a trainer has, and how far it is."""

    training_id: str
    number: int
    project: ProjectRow
    state: TrainingState
    trainer_id: str
    trainer_state: str | None = None
    progress: float | None = None
    errors: Mapping[str, Any] = field(default_factory=dict)
    is_offered: bool = False
    """Whether the answer to the offer is awaited; what the trainer says meanwhile decides nothing."""
    is_ending: bool = False
    idle_count: int = 0
    seen_at: str | None = None
    """The connection over which the trainer said that it works on it."""
    commanded: float | None = None
    gone_since: float | None = None
    away_since: datetime | None = None
    """Since when its trainer is not connected; from the start of the loop on, as nobody knows of before."""

    def is_of(self, node: ConnectedNode) -> bool:
        """Whether a node is the trainer that has it; ids are what nodes say, so that its login has to fit, too."""
        return node.id == self.trainer_id and node.kind in TRAINERS and may_train(node, self.project)


class Dispatch:
    """A service that offers waiting trainings to idle trainers, follows them there, and passes on stop and abort."""

    name = "dispatch of trainings"

    def __init__(
        self, database: Database, nodes: Nodes, changes: Changes, *, on_model: OnModel, clock: Clock | None = None
    ) -> None:
        """`on_model` is awaited with each model whose training has come to its end, before the training is finished."""
        self._database = database
        self._nodes = nodes
        self._changes = changes
        self._on_model = on_model
        self._clock = clock or SystemClock()
        self._works: dict[str, Work] = {}
        self._pauses: dict[tuple[str, str], float] = {}
        self._free: set[str] = set()
        """The connections of trainers of which it was known before that they are free: it is no news."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self.ended: dict[str, int] = {}
        """How many trainings ended, by their last state."""
        nodes.on_gone(self._on_gone)

    async def open(self) -> None:
        """Find out which trainings are with trainers."""
        async with self._database.reading() as session:
            found = await trainings.with_trainers(session)
        for row, project in found:
            self._works[row.id] = work = _work_of(row, project)
            work.away_since = trainings.now()

    async def aclose(self) -> None:
        """Wait for nobody any more; what is kept is enough to go on."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self) -> None:
        """Look at once whether there is something to do."""
        self._woken.set()

    async def run(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self.look()
            except (NodeError, SQLAlchemyError, OSError) as error:
                logger.warning("trainings cannot be given to trainers now, trying again: %s", error)
            await wait_unless(self._woken, LOOK_S, self._clock)

    async def look(self) -> None:
        """Pass on stop and abort, and offer what waits to whoever is idle."""
        for work in list(self._works.values()):
            await self._command(work)
        free = [node for node in self._trainers() if node.state == TrainerState.Idle and self._work_of(node) is None]
        if not free:
            return
        async with self._database.reading() as session:
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

    def progress_of(self, training_id: str) -> float | None:
        """How far the present step of a training is, from 0 to 1, if its trainer says so."""
        work = self._works.get(training_id)
        return work.progress if work is not None else None

    def notice_of(self, training: TrainingRow, project: ProjectRow) -> str | None:
        """What people should know of a training that goes on, or has gone, well: None if there is nothing."""
        if training.state == TrainingState.Finished:
            return _told(training.errors) or None
        work = self._works.get(training.id)
        if work is None or work.away_since is None or self.trainer_of(training, project) is not None:
            return None
        name = training.trainer_name or training.trainer_id
        return (
            f"its trainer {name} is away since {work.away_since:%Y-%m-%d %H:%M} UTC; it goes on when that is back, and "
            f"`learning-loop trainings abort {training.number}` ends it"
        )

    def trainer_of(self, training: TrainingRow, project: ProjectRow) -> ConnectedNode | None:
        """The trainer that has a training, if it is connected."""
        if training.trainer_id is None:
            return None
        return self._trusted(training.trainer_id, project)

    # --- what people ask for

    async def stop(self, project: ProjectRow, number: int) -> None:
        """Let a training end with the model that it has. `RefusedError` if it has not begun, or has ended."""
        async with self._database.writing() as session:
            row = await trainings.numbered(session, project.id, number)
            state = TrainingState(row.state)
            if state is TrainingState.Queued:
                raise RefusedError(f"training {number} has not begun, so that there is no model; abort it instead")
            if state.has_ended:
                raise RefusedError(f"training {number} is {state} already")
            if state is TrainingState.Aborting:
                raise RefusedError(f"training {number} is being aborted, so that its model is dropped")
            row.state = TrainingState.Stopping
        self._asked(row.id, TrainingState.Stopping)
        self._tell(project, number)

    async def abort(self, project: ProjectRow, number: int) -> None:
        """Let a training end and drop what it has. `RefusedError` if it has ended."""
        async with self._database.writing() as session:
            row = await trainings.numbered(session, project.id, number)
            state = TrainingState(row.state)
            if state.has_ended:
                raise RefusedError(f"training {number} is {state} already")
            is_there = state.is_with_trainer and self.trainer_of(row, project) is not None
            row.state = TrainingState.Aborting if is_there else TrainingState.Aborted
            if not is_there:
                row.ended = trainings.now()
        if is_there:
            self._asked(row.id, TrainingState.Aborting)
        else:
            self._forget(row.id, TrainingState.Aborted)
        self._tell(project, number)

    def _asked(self, training_id: str, state: TrainingState) -> None:
        work = self._works.get(training_id)
        if work is not None:
            work.state, work.commanded = state, None
        self.wake()

    # --- what trainers say

    async def heard(self, node: ConnectedNode) -> None:
        """A trainer has said how it is."""
        work = self._work_of(node)
        if work is not None:
            work.away_since = None
            self._free.discard(node.sid)
            if not work.is_offered and not work.is_ending:
                await (self._is_at(work, node) if _is_busy_with(node, work) else self._is_idle(work, node))
        elif node.state not in FREE:
            self._free.discard(node.sid)
            await self._recognize(node)
        elif node.sid not in self._free:
            self._free.add(node.sid)
            self.wake()

    def ask_for_files(self, node: ConnectedNode, project: ProjectRow, model_id: str) -> None:
        """Let a trainer of 0.3.2 upload a model that it has told of."""
        self._start(self._send(node, "save", project.organization, project.name, {"id": model_id}), f"save {model_id}")

    async def training_of(self, node: ConnectedNode, project: ProjectRow) -> str:
        """The id of the training on which a trainer works. `RefusedError` if the loop gave it none in this project."""
        work = self._work_of(node)
        if work is None or work.project.id != project.id:
            await self._recognize(node)
            work = self._work_of(node)
        if work is None or work.project.id != project.id:
            raise RefusedError(
                f"the loop knows of no training of {node.name or node.id} in {project.organization}/{project.name}; it "
                "was aborted, or begun by somebody else"
            )
        return work.training_id

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
            if await self._change(work, **values) is None:
                return
            work.trainer_state, work.errors = node.state, errors
        if is_told:
            self._tell(work.project, work.number)
        if work.state in (TrainingState.Stopping, TrainingState.Aborting):
            self.wake()

    async def _is_idle(self, work: Work, node: ConnectedNode) -> None:
        """The trainer does not work on it, at least not now."""
        work.idle_count += 1
        if work.idle_count < (1 if work.seen_at == node.sid else IDLE_TIMES):
            return
        if work.state is TrainingState.Starting:
            await self._put_back(work)
            return
        work.is_ending = True
        try:
            await self._end(work, node)
        finally:
            work.is_ending = False
        self.wake()

    async def _recognize(self, node: ConnectedNode) -> None:
        """A trainer works on something that we do not know it has: it was offered, or given up, too early."""
        place = node.status.get("context")
        if place is None or node.id is None:
            return
        async with self._database.reading() as session:
            project = await trainings.project_at(session, place["organization"], place["project"])
            row = await trainings.last_of_trainer(session, project.id, node.id) if project else None
        if row is None or project is None or not may_train(node, project) or self._work_of(node) is not None:
            return
        state = TrainingState(row.state)
        if state is TrainingState.Aborted:
            self._start(self._send(node, "abort_training"), f"abort training {row.number}")
        elif state is TrainingState.Queued or (state is TrainingState.Failed and (row.error or "").startswith(LOST)):
            async with self._database.writing() as session:
                values = {"state": TrainingState.Running, "trainer_name": node.name, "error": None, "ended": None}
                started = row.started or trainings.now()
                changed = await trainings.change(session, row.id, (state,), started=started, **values)
            if changed is not None:
                logger.info("the %s has training %d of %s after all", node, row.number, _place(project))
                self._works[row.id] = work = _work_of(changed, project)
                await self._is_at(work, node)

    # --- offers

    def _trainers(self) -> list[ConnectedNode]:
        """Those that are connected; a node of 0.3.2 is one if it is in a state in which only trainers are."""
        states = set(TrainerState)
        found = [node for kind in TRAINERS for node in self._nodes.of_kind(kind)]
        return [node for node in found if node.kind is NodeKind.TRAINER or node.state in states]

    def _candidate(self, node: ConnectedNode, row: TrainingRow, project: ProjectRow) -> Candidate:
        work, until = self._work_of(node), self._pauses.get((row.id, node.id or ""), 0.0)
        occupation = None
        if work is not None:
            is_here = work.project.id == project.id
            occupation = f"training {work.number}" if is_here else "a training of another project"
        return Candidate(node=node, occupation=occupation, pause_s=until - self._clock.now())

    async def _give(self, row: TrainingRow, project: ProjectRow, node: ConnectedNode) -> None:
        """Note first who gets it, then offer it: whatever happens in between, it is not given to two."""
        async with self._database.writing() as session:
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
                offered=trainings.now(),
            )
        if changed is None:
            return
        work = self._works[row.id] = _work_of(changed, project)
        work.is_offered = True
        self._tell(project, row.number)
        self._start(self._offer(changed, work, node), f"offer training {row.number}")

    async def _offer(self, row: TrainingRow, work: Work, node: ConnectedNode) -> None:
        project = work.project
        try:
            answer = await self._nodes.call(
                node, "begin_training", project.organization, project.name, details_of(row, node), timeout_s=ANSWER_S
            )
        except (DeadlineError, UnavailableError) as error:
            logger.warning("training %d of %s: %s; what it says next decides", row.number, _place(project), error)
            return
        except NodeError as error:
            answer = {"success": False, "error_msg": str(error)}
        finally:
            work.is_offered = False
        await self._decide(work, node, answer)

    async def _decide(self, work: Work, node: ConnectedNode, answer: Any) -> None:
        """What the answer to an offer means."""
        place = f"training {work.number} of {_place(work.project)}"
        if answer is True or (isinstance(answer, dict) and answer.get("success") is True):
            logger.info("%s: the %s has begun it", place, node)
            work.seen_at, work.idle_count = node.sid, -1  # an old version may answer before it knows its own state
            if work.state is TrainingState.Starting:
                values = {"state": TrainingState.Running, "started": trainings.now()}
                await self._change(work, **values)
            self._tell(work.project, work.number)
            self.wake()
        elif isinstance(answer, dict) and answer.get("payload") == REFUSED:
            logger.info("%s: the %s does not take it now: %s", place, node, answer.get("error_msg"))
            await self._put_back(work, refused_by=node)
        else:
            text = answer.get("error_msg") if isinstance(answer, dict) else None
            reason = text or "it does not know the event begin_training, so that it is no trainer for this loop"
            await self._close(work, TrainingState.Failed, f"{node.name or node.id} cannot begin it: {reason}")

    async def _put_back(self, work: Work, *, refused_by: ConnectedNode | None = None) -> None:
        """To its place in the queue; one that was to end meanwhile has ended."""
        if work.state is not TrainingState.Starting:
            await self._close(work, TrainingState.Aborted, None)
            return
        async with self._database.writing() as session:
            row = await trainings.change(
                session, work.training_id, (TrainingState.Starting,), state=TrainingState.Queued
            )
            if row is not None and refused_by is not None:
                row.refusals += 1
                row.trainer_id = None
                pause_s = min(FIRST_PAUSE_S * 2 ** min(row.refusals - 1, 10), LONGEST_PAUSE_S)
                self._pauses[row.id, refused_by.id or ""] = self._clock.now() + pause_s
        self._works.pop(work.training_id, None)
        if refused_by is None:
            logger.info("training %d of %s was not begun and waits again", work.number, _place(work.project))
        self._tell(work.project, work.number)
        self.wake()

    # --- commands

    async def _command(self, work: Work) -> None:
        """Pass on that a training is to end, again and again until its trainer says that it has."""
        if work.state not in (TrainingState.Stopping, TrainingState.Aborting) or work.is_offered or work.is_ending:
            return
        now = self._clock.now()
        node = self._trusted(work.trainer_id, work.project)
        if node is None:
            work.gone_since = now if work.gone_since is None else work.gone_since
            if work.state is TrainingState.Aborting and now - work.gone_since >= GONE_S:
                await self._close(work, TrainingState.Aborted, None)
            return
        if work.commanded is not None and now - work.commanded < COMMAND_S:
            return
        if not _is_busy_with(node, work):
            return
        if work.state is TrainingState.Aborting:
            work.commanded = now
            self._start(self._send(node, "abort_training"), f"abort training {work.number}")
        elif node.state == TrainerState.TrainingRunning:  # else some versions drop the training, others do nothing
            work.commanded = now
            self._start(self._send(node, "stop_training"), f"stop training {work.number}")

    async def _send(self, node: ConnectedNode, event: str, *arguments: Any) -> None:
        try:
            answer = await self._nodes.call(node, event, *arguments, timeout_s=COMMAND_S)
            if answer is None and event == "abort_training":  # before 0.20 there was only stop
                await self._nodes.call(node, "stop_training", timeout_s=COMMAND_S)
        except NodeError as error:
            logger.warning("%s: %s", event, error)

    # --- ends

    async def _end(self, work: Work, node: ConnectedNode) -> None:
        """The trainer has done with it: find out how it went."""
        async with self._database.reading() as session:
            row = await trainings.row_of(session, work.training_id)
            model = await trainings.model_of(session, row) if row is not None else None
        if row is None:
            self._works.pop(work.training_id, None)
            return
        if work.state is TrainingState.Aborting:
            await self._close(work, TrainingState.Aborted, None)
        elif model is not None:
            try:
                await self._on_model(work.project, model)
            except Exception:
                logger.exception("what is to happen with the model of training %d did not", work.number)
            await self._close(work, TrainingState.Finished, None)
        elif row.errors:
            await self._close(work, TrainingState.Failed, _told(row.errors))
        elif work.state is TrainingState.Stopping:
            await self._close(work, TrainingState.Failed, "it was stopped before it had a model")
        else:
            reason = f"{LOST}: {node.name or node.id} is {node.state}, without a model and without an error"
            await self._close(work, TrainingState.Failed, reason)

    async def _close(self, work: Work, state: TrainingState, error: str | None) -> None:
        values: dict[str, Any] = {"state": state, "ended": trainings.now(), "progress": None}
        await self._change(work, **values, error=kept_text(error) if error else None)
        log = logger.warning if state is TrainingState.Failed else logger.info
        log("training %d of %s is %s%s", work.number, _place(work.project), state, f": {error}" if error else "")
        self._forget(work.training_id, state)
        self._tell(work.project, work.number)
        self.wake()

    def _forget(self, training_id: str, state: TrainingState) -> None:
        self._works.pop(training_id, None)
        self._pauses = {pair: until for pair, until in self._pauses.items() if pair[0] != training_id}
        self.ended[state] = self.ended.get(state, 0) + 1

    # --- small things

    async def _change(self, work: Work, **values: Any) -> TrainingRow | None:
        """Change the row of a work; if that is no longer with a trainer, the work is forgotten."""
        async with self._database.writing() as session:
            row = await trainings.change(session, work.training_id, trainings.WITH_TRAINER, **values)
        if row is None:
            self._works.pop(work.training_id, None)
            return None
        work.state = TrainingState(row.state)
        return row

    def _work_of(self, node: ConnectedNode) -> Work | None:
        found = [work for work in self._works.values() if work.is_of(node)]
        return next((work for work in found if _is_busy_with(node, work)), found[0] if found else None)

    def _trusted(self, trainer_id: str, project: ProjectRow) -> ConnectedNode | None:
        return self._nodes.by_id(trainer_id, is_trusted=lambda node: node.kind in TRAINERS and may_train(node, project))

    def _on_gone(self, node: ConnectedNode) -> None:
        self._free.discard(node.sid)
        for work in self._works.values():
            if work.is_of(node):
                work.progress, work.away_since = None, trainings.now()
                self._tell(work.project, work.number)

    def _tell(self, project: ProjectRow, number: int) -> None:
        self._changes.tell(SUBJECT, project.organization, project.name, [str(number)])

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = start(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def details_of(row: TrainingRow, node: ConnectedNode) -> dict[str, Any]:
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


def _is_busy_with(node: ConnectedNode, work: Work) -> bool:
    place = node.status.get("context")
    here = {"organization": work.project.organization, "project": work.project.name}
    return node.state is not None and node.state not in FREE and place in (None, here)


def _preference(row: TrainingRow) -> Callable[[ConnectedNode], bool]:
    """Those that know the variant come first."""
    return lambda node: row.model_variant not in variants_of(node)


def _work_of(row: TrainingRow, project: ProjectRow) -> Work:
    return Work(
        training_id=row.id,
        number=row.number,
        project=project,
        state=TrainingState(row.state),
        trainer_id=row.trainer_id or "",
        trainer_state=row.trainer_state,
        errors=row.errors,
    )


def _told(errors: Mapping[str, Any]) -> str:
    return "; ".join(f"{key}: {text}" for key, text in errors.items())


def _place(project: ProjectRow) -> str:
    return f"{project.organization}/{project.name}"
