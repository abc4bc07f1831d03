"""Fetches the model that a training continues from."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from ...data_classes.model_information import FILE_NAME
from ...errors import StorageFullError
from ...runtime.threads import io_bound

if TYPE_CHECKING:
    from ..trainer_logic_generic import TrainerLogicGeneric

logger = logging.getLogger(__name__)

BASE_MODEL_FILE = "base_model.json"


async def download_base_model(logic: TrainerLogicGeneric) -> None:
    """Its files go into the training's folder, its `model.json` as `base_model.json`."""
    training = logic.training
    if not has_base_model(training.base_model_uuid):
        if training.base_model_uuid:
            logger.warning("%r is no id of a model; the training starts from scratch", training.base_model_uuid)
        return
    folder = training.training_folder_path
    await logic.node.data_exchanger.download_model(
        str(folder), training.context, str(training.base_model_uuid), logic.model_format
    )
    await io_bound(_rename, folder)


def has_base_model(base_model_uuid: str | None) -> bool:
    """Whether this names a model to continue from."""
    try:
        UUID(str(base_model_uuid))
    except ValueError:
        return False
    return True


def _rename(folder: Path) -> None:
    file = folder / FILE_NAME
    if not file.exists():
        logger.warning("the base model has no %s", FILE_NAME)
        return
    try:
        file.replace(folder / BASE_MODEL_FILE)
        os.utime(folder / BASE_MODEL_FILE)  # what is newer is not of the base model
    except OSError as error:
        raise StorageFullError(f"{folder / BASE_MODEL_FILE} cannot be written: {error.strerror}") from error
