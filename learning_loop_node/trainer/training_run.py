"""Takes a training through its steps: saves where it rests, tries again what failed, ends what cannot go on."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from ..client.failures import status_of_refusal
from ..enums import TrainerState
from ..errors import (
    ChildFailedError,
    CriticalError,
    InsufficientMemoryError,
    InvalidRequestError,
    NodeError,
    NodeNeedsRestartError,
    NotFoundError,
    ProgramMissingError,
    RefusedError,
    StorageFullError,
)
from ..runtime.threads import io_bound
from .hook_errors import text_of
from .steps import KEEPING_A_MODEL, LEAVING_A_MODEL, UPLOAD_MODEL, step_at
from .steps.upload_model import has_model

if TYPE_CHECKING:
    from .trainer_logic_generic import TrainerLogicGeneric

logger = logging.getLogger(__name__)

FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 300.0
SHOWN_S = 0.1
"""So long each state can be seen at least, by tests and by whoever watches."""

TRIES_WITHOUT_HOPE = 3
TRIES_WITH_SOME_HOPE = 10
LIKE_MISTAKES = 3
"""So often in a row may the user's code fail in the same words, where waiting will hardly help."""
MEANWHILE_OVER = (408, 425, 429)
"""Statuses of a refusal that another try may not meet."""


class TrainingRun:
    """The steps of one trainer's trainings, one after the other.

    A step that fails is tried again after 5, 10, 20 … 300 s. What the loop or the disk keeps it from is tried for
    ever; what will hardly change, a few times; a `CriticalError`, never. Nor does a mistake in the user's code heal,
    that comes in the same words again and again. Then the training goes on with the best model that it has made so far,
    or ends without a result. The upload of a finished model is not given up because of anything but a `CriticalError`.
    """

    def __init__(self, logic: TrainerLogicGeneric) -> None:
        self._logic = logic
        self._failures: Counter[str] = Counter()
        self._most: dict[str, int | None] = {}
        self._mistakes: dict[str, tuple[str, int]] = {}

    def forget_failures(self, error_key: str | None = None) -> None:
        """Of this step, or of all: the next failure counts as the first one."""
        if error_key is None:
            self._failures.clear()
            self._mistakes.clear()
        else:
            self._failures.pop(error_key, None)
            self._mistakes.pop(error_key, None)

    def try_name(self, error_key: str) -> str:
        """What the present try of a step is called, if it is not the first one, such as "try 2 of 3"."""
        count, most = self._failures[error_key], self._most.get(error_key)
        if count == 0:
            return "started again"
        return f"try {count + 1}" if most is None else f"try {count + 1} of {most}"

    async def run(self) -> None:
        """Go through the steps of the present training, from where it is, until it is over."""
        training = self._logic.training
        while self._logic._training is training:
            await step_at(training.training_state).run(self._logic)
            await self._logic.clock.sleep(SHOWN_S)

    async def perform(
        self,
        error_key: str,
        state_during: TrainerState,
        state_after: TrainerState,
        action: Callable[[], Coroutine[Any, Any, Any]],
        reset_early: bool = False,
    ) -> None:
        """Try one step. Afterwards the training is in the state after it, in the one before, or ready for clean-up.

        Only where it rests it is saved. Its error goes with the success, with `reset_early` as soon as it is tried.
        """
        logic, training = self._logic, self._logic.training
        if count := self._failures[error_key]:
            await logic.clock.sleep(min(FIRST_WAIT_S * 2 ** (count - 1), LONGEST_WAIT_S))
        await logic.clock.sleep(SHOWN_S)
        state_before = training.training_state
        if reset_early:
            logic.errors.reset(error_key)
        self._enter(state_during)
        await logic.clock.sleep(SHOWN_S)
        try:
            await action()
            training.training_state = state_after
            await io_bound(logic.last_training_io.save, training)
        except NodeNeedsRestartError as error:
            training.training_state = state_before
            logic.errors.set(error_key, str(error))
            raise
        except Exception as error:
            await self._fail(error_key, error, state_before, state_after)
        else:
            self.forget_failures(error_key)
            logic.errors.reset(error_key)
            logger.info("%s: done, %s", error_key, state_after.value)
            logic._tell_change()

    async def _fail(self, error_key: str, error: Exception, state_before: str, state_after: TrainerState) -> None:
        text = text_of(error, self._logic)
        self._failures[error_key] += 1
        count, most = self._failures[error_key], most_tries(error, error_key)
        self._most[error_key] = most
        is_over = self._is_same_mistake(error_key, error, text) or (most is not None and count >= most)
        if not is_over:
            logger.warning(
                "%s failed (try %d), trying again: %s", error_key, count, text, exc_info=_traceback_of(error)
            )
            is_first = most is None or count == 1
            self._logic.errors.set(error_key, text if is_first else f"try {count} of {most} failed: {text}")
            self._enter(state_before)
            return
        if count > 1:
            text = f"given up after {count} tries: {text}"
        is_model_left = error_key in LEAVING_A_MODEL and await has_model(self._logic)
        if is_model_left:
            text = f"the best model so far is used; {text}"
        logger.error("%s: %s", error_key, text, exc_info=_traceback_of(error))
        self._logic.errors.set(error_key, text)
        if is_model_left:
            self._go_on(error_key, text, state_after)
        else:
            self._give_up(error_key, text)

    def _is_same_mistake(self, error_key: str, error: Exception, text: str) -> bool:
        """Whether the user's code has failed in these words often enough. The upload of a model is not given up."""
        before, count = self._mistakes.get(error_key, ("", 0))
        count = 0 if not _is_mistake(error) or error_key == UPLOAD_MODEL else count + 1 if text == before else 1
        self._mistakes[error_key] = text, count
        return count >= LIKE_MISTAKES

    def _go_on(self, error_key: str, text: str, state_after: TrainerState) -> None:
        """Take the step for done; its error is shown until the training is over."""
        logic = self._logic
        self.forget_failures(error_key)
        try:
            logic.active_training_io.save_notice(error_key, text)
            logic.training.training_state = state_after
            logic.last_training_io.save(logic.training)
        except StorageFullError as error:  # a restart would train again
            logger.error("%s", error)
        self._enter(state_after)

    def _give_up(self, error_key: str, text: str) -> None:
        logic = self._logic
        self._enter(TrainerState.ReadyForCleanup)
        try:
            logic.active_training_io.save_failure(error_key, text)
            logic.last_training_io.save(logic.training)
        except StorageFullError as error:
            logger.error("%s", error)

    def _enter(self, state: str) -> None:
        self._logic.training.training_state = state
        self._logic._tell_change()


def most_tries(error: Exception, error_key: str = "") -> int | None:
    """How often in a row this step may end with such an error; None for as often as it takes."""
    match error:
        case CriticalError() | ProgramMissingError():
            return 1
        case _ if error_key in KEEPING_A_MODEL:
            return None
        case InsufficientMemoryError():
            return TRIES_WITH_SOME_HOPE
        case ChildFailedError() | RefusedError() | InvalidRequestError() | NotFoundError():
            return TRIES_WITHOUT_HOPE
        case NodeError():
            status = status_of_refusal(error)
            is_final = status is not None and 400 <= status < 500 and status not in (401, 403, *MEANWHILE_OVER)
            return TRIES_WITHOUT_HOPE if is_final else None
        case _:
            return TRIES_WITH_SOME_HOPE


def _is_mistake(error: Exception) -> bool:
    """Whether this comes of the user's code itself, and not of what is around it: memory, disks, networks."""
    is_of_memory = isinstance(error, MemoryError) or "out of memory" in str(error).lower()
    return not isinstance(error, NodeError | OSError) and not is_of_memory


def _traceback_of(error: Exception) -> Exception | None:
    """Ours say what is wrong; of others, where they come from helps."""
    return None if isinstance(error, NodeError) else error
