"""Runs the program that trains, watches it, and says what its end means."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import (
    ChildCrashedError,
    ChildFailedError,
    ChildOutOfMemoryError,
    ChildTimedOutError,
    CriticalError,
    InsufficientMemoryError,
    NodeError,
    StorageFullError,
)
from ...runtime.race import first_of
from ...runtime.threads import io_bound
from ...runtime.trouble import Trouble
from ..silence import Silence
from ..try_marks import mark_try
from .upload_model import has_model

if TYPE_CHECKING:
    from ..trainer_logic import TrainerLogic

logger = logging.getLogger(__name__)

LOOK_S = 5.0
CANCELLED_GRACE_S = 3.0
TAIL_LINES = 15
LONGEST_TAIL = 2000


async def train_by_command(logic: TrainerLogic) -> None:
    """Start the program, wait for its end, and raise what it died of. Whatever happens, it does not run afterwards.

    `CriticalError` if another try would begin anew, instead of going on, while there is a model.
    """
    error: NodeError | None = None
    try:
        await io_bound(mark_try, logic.training.training_folder_path, logic._steps.try_name("run_training"))
        if not logic._stop_requested:  # for whoever looks, it runs already
            await logic._begin_command()
        if logic._executor is None and logic._stop_requested:
            return
        error = await first_of(_wait_for_end(logic), _watch(logic))
    finally:
        logic._stop_requested = False
        if logic._executor is not None:
            await logic._executor.stop_and_wait(CANCELLED_GRACE_S)
    if error is None:
        return
    if not logic._can_resume() and await has_model(logic):
        raise CriticalError(str(error)) from error
    raise error


async def _wait_for_end(logic: TrainerLogic) -> NodeError | None:
    status = await logic.executor.wait()
    if logic._stop_requested or logic.executor.was_stopped or not status:
        return None
    return await _error_of(logic, status)


async def _watch(logic: TrainerLogic) -> NodeError:
    """Look for errors in the log, and tell the loop about better models; that the loop is away does not matter."""
    trouble = Trouble(logic.clock)
    limit_s = logic._environment_vars.training_silence_limit_s
    silence = Silence(Path(logic.executor.log_file_path), limit_s, logic.clock)
    while True:
        await logic.clock.sleep(LOOK_S)
        if await io_bound(silence.has_lasted):
            return ChildTimedOutError(
                f"the training program has printed nothing for {limit_s:g} s (TRAINING_SILENCE_LIMIT_S) and was ended"
            )
        if text := await io_bound(logic._get_executor_error_from_log):
            return _error_named(text)
        try:
            await logic._sync_training()
            trouble.ends()
        except NodeError as error:
            if trouble.is_news(str(error)):
                logger.warning("the loop is not told about the metrics: %s", error)
        except Exception as error:
            if trouble.is_news(repr(error)):
                logger.exception("the metrics are not known")


async def _error_of(logic: TrainerLogic, status: int) -> NodeError:
    """Why a program that nobody has stopped has ended with this status."""
    text = await io_bound(logic._get_executor_error_from_log)
    tail = "".join(await io_bound(logic.executor.get_own_log_by_lines, TAIL_LINES))[-LONGEST_TAIL:].strip()
    said = f"; it said last:\n{tail}" if tail else "; it said nothing"
    if text:
        return _error_named(text)
    if "No space left on device" in tail:
        return StorageFullError(f"the training program found no space on the disk{said}")
    if "MemoryError" in tail:
        return InsufficientMemoryError(f"the training program needs more memory than there is{said}")
    if status == -signal.SIGKILL:
        return ChildOutOfMemoryError(
            f"the training program was killed (signal 9), which the system does when memory runs out{said}"
        )
    if status < 0:
        return ChildCrashedError(f"the training program was ended by signal {_name_of(-status)}{said}")
    return ChildFailedError(f"the training program ended with status {status}{said}")


def _error_named(text: str) -> NodeError:
    """What the log says is wrong, as an error; of memory there may be more later."""
    return InsufficientMemoryError(text) if "out of memory" in text.lower() else ChildFailedError(text)


def _name_of(number: int) -> str:
    return f"{number} ({signal.Signals(number).name})" if number in set(signal.Signals) else str(number)
