"""Removes what a training has left, when nothing more is to be done for it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ...runtime.threads import io_bound

if TYPE_CHECKING:
    from ..trainer_logic_generic import TrainerLogicGeneric

logger = logging.getLogger(__name__)

RETRY_S = 5.0
TRIES = 3


async def clean_up(logic: TrainerLogicGeneric) -> None:
    """Clear the training; if it failed, not before the loop has heard why."""
    failure = logic.active_training_io.load_failure()
    if failure is not None:
        logic.errors.set(*failure)
        logic.training_slot.release()
        await _be_heard(logic)
    await logic._clear_training()


async def clear_training(logic: TrainerLogicGeneric) -> None:
    """When this returns, there is no training, and the process may be about to end."""
    training, progress = logic.training, logic.active_training_io
    await logic.node.send_rest_of_log()
    try:
        await logic._clear_training_data(training.training_folder)
    except Exception:  # of the user: the training has ended all the same
        logger.exception("the data of training %s is not cleared", training.training_number)
    deletions = (
        progress.delete_detections,
        progress.delete_detections_upload_file_index,
        progress.delete_detection_upload_progress,
        logic.last_training_io.delete,
    )
    for delete in deletions:
        try:
            await io_bound(delete)
        except OSError as error:
            logger.error("something of training %s is not deleted: %s", training.training_number, error)
    logic._forget_training()
    logger.info("training %s has ended", training.training_number)
    await logic.node.send_status()
    logic._may_restart()


async def _be_heard(logic: TrainerLogicGeneric) -> None:
    """Wait until the loop was told; without a connection there is no other work anyway."""
    refused_count = 0
    while not logic.node.is_muted and refused_count < TRIES:
        await logic.node.send_status()
        if logic.node.is_heard:
            return
        refused_count += logic.node.connection.is_connected
        await logic.clock.sleep(RETRY_S)
