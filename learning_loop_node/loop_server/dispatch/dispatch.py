"""Brings waiting trainings and idle trainers together: the service, made of the parts beside this file."""

from __future__ import annotations

import logging

from sqlalchemy.exc import SQLAlchemyError

from ...errors import NodeError
from ...runtime.clock import Clock, SystemClock
from ...runtime.periodic import wait_unless
from ..changes import Changes
from ..nodes import Nodes
from ..storage.database import Database
from .commands import Commands
from .following import Following, OnModel
from .offers import Offers
from .works import Works

logger = logging.getLogger(__name__)

LOOK_S = 5.0


class Dispatch:
    """A service that offers waiting trainings to idle trainers, follows them there, and passes on stop and abort."""

    name = "dispatch of trainings"

    def __init__(
        self, database: Database, nodes: Nodes, changes: Changes, *, on_model: OnModel, clock: Clock | None = None
    ) -> None:
        """`on_model` is awaited with each model whose training has come to its end, before the training is finished."""
        self._clock = clock or SystemClock()
        self.works = Works(database, nodes, changes, self._clock)
        self.offers = Offers(self.works)
        self.commands = Commands(self.works)
        self.following = Following(self.works, self.offers, on_model)

    async def open(self) -> None:
        """Find out which trainings are with trainers."""
        await self.works.open()

    async def aclose(self) -> None:
        """Wait for nobody any more; what is kept is enough to go on."""
        await self.works.aclose()

    async def run(self) -> None:
        woken = self.works.woken
        while True:
            woken.clear()
            try:
                await self.look()
            except (NodeError, SQLAlchemyError, OSError) as error:
                logger.warning("trainings cannot be given to trainers now, trying again: %s", error)
            await wait_unless(woken, LOOK_S, self._clock)

    async def look(self) -> None:
        """Pass on stop and abort, and offer what waits to whoever is idle."""
        for work in self.works.all():
            await self.commands.pass_on(work)
        await self.offers.give_out()
