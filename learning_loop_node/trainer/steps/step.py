"""A row of the table of steps."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ...enums import TrainerState

if TYPE_CHECKING:
    from ..trainer_logic_generic import TrainerLogicGeneric


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What brings a training from one resting state to the next; `name` is also the key of its errors."""

    name: str
    before: TrainerState
    during: TrainerState
    after: TrainerState
    action: Callable[[TrainerLogicGeneric], Coroutine[Any, Any, Any]]
    shows_old_error: bool = True

    async def run(self, logic: TrainerLogicGeneric) -> None:
        """Try it once."""
        action = partial(self.action, logic)
        await logic._perform_state(self.name, self.during, self.after, action, reset_early=not self.shows_old_error)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastStep:
    """What is done when nothing else is left; afterwards there is no training."""

    before: TrainerState
    action: Callable[[TrainerLogicGeneric], Coroutine[Any, Any, Any]]

    async def run(self, logic: TrainerLogicGeneric) -> None:
        await self.action(logic)
