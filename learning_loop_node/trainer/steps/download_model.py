"""Fetches the model that a training continues from."""

from __future__ import annotations

import logging
import os
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from ...client.failures import status_of_refusal
from ...client.loop import LoopClient
from ...data_classes.model_information import FILE_NAME
from ...errors import CriticalError, DownloadError, NodeError, StorageFullError
from ...runtime.threads import io_bound

if TYPE_CHECKING:
    from ..trainer_logic_generic import TrainerLogicGeneric

logger = logging.getLogger(__name__)

BASE_MODEL_FILE = "base_model.json"


async def download_base_model(logic: TrainerLogicGeneric) -> None:
    """Its files go into the training's folder, its `model.json` as `base_model.json`.

    `CriticalError` if the loop says that it does not have the format of this trainer.
    """
    training = logic.training
    if not has_base_model(training.base_model_uuid):
        if training.base_model_uuid:
            logger.warning("%r is no id of a model; the training starts from scratch", training.base_model_uuid)
        return
    folder = training.training_folder_path
    try:
        await logic.node.data_exchanger.download_model(
            str(folder), training.context, str(training.base_model_uuid), logic.model_format
        )
    except DownloadError as error:
        if status_of_refusal(error) == HTTPStatus.NOT_FOUND:
            await _check_format(logic, error)
        raise
    await io_bound(_rename, folder)


def has_base_model(base_model_uuid: str | None) -> bool:
    """Whether this names a model to continue from."""
    try:
        UUID(str(base_model_uuid))
    except ValueError:
        return False
    return True


async def _check_format(logic: TrainerLogicGeneric, error: DownloadError) -> None:
    """Say which formats the base model has, if the loop knows that, and the one that is needed is not among them."""
    try:
        models = await LoopClient(logic.node.loop_http, logic.training.context).models.list()
    except NodeError as reason:
        logger.warning("the formats of the base model are not known: %s", reason)
        return
    for model in models:
        if model.id == logic.training.base_model_uuid and model.formats and logic.model_format not in model.formats:
            formats = f"the format{'s' if len(model.formats) > 1 else ''} {', '.join(model.formats)}"
            raise CriticalError(
                f"the base model {model.version or model.id} has {formats}; this trainer needs {logic.model_format}: "
                f"train without a base model, or choose one that has {logic.model_format}"
            ) from error


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
