"""The trainings that trainers have now, as all parts of the dispatch share them.

The database says what a training is; in memory is only what is heard every few seconds anyway. So the loop may end at
any moment: what a trainer says next decides how it stands.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ...enums import TrainingState
from ...errors import NodeError
from ...runtime.clock import Clock
from ...runtime.loose_tasks import start
from ..changes import Changes
from ..nodes import ConnectedNode, Nodes
from ..storage import trainings
from ..storage.database import Database
from ..storage.tables import ProjectRow, TrainingRow
from ..wire.nodes import kept_text
from .trainer_choice import FREE, TRAINERS, may_train

logger = logging.getLogger(__name__)

SUBJECT = "trainings"
COMMAND_S = 10.0
"""So long a trainer may take to answer stop or abort, and so often it is told again."""

LOST = "the trainer lost it"


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

    def is_done_by(self, node: ConnectedNode) -> bool:
        """Whether this trainer says that it is busy, and nothing that speaks against it being busy with this."""
        place = node.status.get("context")
        here = {"organization": self.project.organization, "project": self.project.name}
        return node.state is not None and node.state not in FREE and place in (None, here)

    def __str__(self) -> str:
        return f"training {self.number} of {place_of(self.project)}"


class Works:
    """The works by their trainings, and what all who change them need."""

    def __init__(self, database: Database, nodes: Nodes, changes: Changes, clock: Clock) -> None:
        self.database = database
        self.nodes = nodes
        self.clock = clock
        self.woken = asyncio.Event()
        self.ended: dict[str, int] = {}
        """How many trainings ended, by their last state."""
        self._changes = changes
        self._by_training: dict[str, Work] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Find out which trainings are with trainers."""
        async with self.database.reading() as session:
            found = await trainings.with_trainers(session)
        for row, project in found:
            self.add(row, project).away_since = trainings.now()

    async def aclose(self) -> None:
        """Wait for nobody any more; what is kept is enough to go on."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- which there are

    def all(self) -> list[Work]:
        return list(self._by_training.values())

    def get(self, training_id: str) -> Work | None:
        return self._by_training.get(training_id)

    def of(self, node: ConnectedNode) -> Work | None:
        """What a trainer has; of several, what it says that it works on."""
        found = [work for work in self._by_training.values() if work.is_of(node)]
        return next((work for work in found if work.is_done_by(node)), found[0] if found else None)

    def trainer_of(self, training: TrainingRow, project: ProjectRow) -> ConnectedNode | None:
        """The trainer that has a training, if it is connected."""
        return self.trusted(training.trainer_id, project) if training.trainer_id is not None else None

    def trusted(self, trainer_id: str, project: ProjectRow) -> ConnectedNode | None:
        """The trainer with this id, if it is connected with a login that is good for the project."""
        return self.nodes.by_id(trainer_id, is_trusted=lambda node: node.kind in TRAINERS and may_train(node, project))

    # --- how they change

    def add(self, row: TrainingRow, project: ProjectRow) -> Work:
        """From now on its trainer has it."""
        work = self._by_training[row.id] = Work(
            training_id=row.id,
            number=row.number,
            project=project,
            state=TrainingState(row.state),
            trainer_id=row.trainer_id or "",
            trainer_state=row.trainer_state,
            errors=row.errors,
        )
        return work

    def drop(self, training_id: str) -> None:
        """It is with no trainer any more. Nothing happens if it was not."""
        self._by_training.pop(training_id, None)

    def count_end(self, training_id: str, state: TrainingState) -> None:
        """The same, for good."""
        self.drop(training_id)
        self.ended[state] = self.ended.get(state, 0) + 1

    async def change(self, work: Work, **values: Any) -> TrainingRow | None:
        """Change the row of a work; if that is no longer with a trainer, the work is forgotten."""
        async with self.database.writing() as session:
            row = await trainings.change(session, work.training_id, trainings.WITH_TRAINER, **values)
        if row is None:
            self.drop(work.training_id)
            return None
        work.state = TrainingState(row.state)
        return row

    async def close(self, work: Work, state: TrainingState, error: str | None) -> None:
        """It has ended, with an error or without."""
        values: dict[str, Any] = {"state": state, "ended": trainings.now(), "progress": None}
        await self.change(work, **values, error=kept_text(error) if error else None)
        log = logger.warning if state is TrainingState.Failed else logger.info
        log("%s is %s%s", work, state, f": {error}" if error else "")
        self.count_end(work.training_id, state)
        self.tell(work.project, work.number)
        self.wake()

    # --- who is told

    def wake(self) -> None:
        """Let it be looked at once whether there is something to do."""
        self.woken.set()

    def tell(self, project: ProjectRow, number: int) -> None:
        """Tell those who listen to changes."""
        self._changes.tell(SUBJECT, project.organization, project.name, [str(number)])

    def call_soon(self, node: ConnectedNode, event: str, *arguments: Any, name: str) -> None:
        """Send a command to a trainer, and wait for its answer in the background."""
        self.start(self._call(node, event, *arguments), name)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run something in the background that ends with the dispatch at the latest."""
        task = start(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, node: ConnectedNode, event: str, *arguments: Any) -> None:
        try:
            answer = await self.nodes.call(node, event, *arguments, timeout_s=COMMAND_S)
            if answer is None and event == "abort_training":  # before 0.20 there was only stop
                await self.nodes.call(node, "stop_training", timeout_s=COMMAND_S)
        except NodeError as error:
            logger.warning("%s: %s", event, error)


def place_of(project: ProjectRow) -> str:
    return f"{project.organization}/{project.name}"
