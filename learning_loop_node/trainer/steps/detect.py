"""Lets the new model detect in all images of the project, some at a time, so that a restart goes on where it was."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ...data_classes import Detections, ModelInformation
from ...data_classes.model_information import FILE_NAME
from ...errors import CriticalError, DownloadError
from ...runtime.threads import io_bound
from ..hook_results import checked_detections

if TYPE_CHECKING:
    from ..trainer_logic import TrainerLogic

logger = logging.getLogger(__name__)

DETECTIONS = "detections"
"""Under this key the loop is told, and people are, if the model does not seem to detect."""

STATES = ("inbox", "annotate", "review", "complete")


async def detect_in_portions(logic: TrainerLogic) -> None:
    """Each portion of images becomes one file of detections."""
    training, progress = logic.training, logic.active_training_io
    model_uuid = training.model_uuid_for_detecting
    if model_uuid is None:
        raise CriticalError("there is no model to detect with: the loop did not say its id")
    logic._detection_progress = 0.0
    information = await _download_model(logic, model_uuid)
    asked_count = found_count = 0
    try:
        portions = await io_bound(progress.load_detection_plan, model_uuid)
        if portions is None:
            portions = await _plan(logic, model_uuid)
        for index, portion in enumerate(portions):
            if not await io_bound(progress.detections_exist, index):
                images = await io_bound(_files_of, portion, Path(training.images_folder))
                found = await _detect(logic, information, images) if images else []
                asked_count, found_count = asked_count + len(images), found_count + len(found)
                await io_bound(progress.save_detections, _with_empty_ones(found, images), index)
            logic._detection_progress = (index + 1) / len(portions)
    finally:
        await io_bound(shutil.rmtree, str(information.model_root_path), ignore_errors=True)
        logic._detection_progress = None
    if asked_count and not found_count:
        logic.errors.set(
            DETECTIONS,
            f"`_detect` returned 0 Detections for {asked_count} images, which counts as nothing found in any of them; "
            "if that is so, let it return one for each image, with nothing in it",
        )


async def _detect(logic: TrainerLogic, information: ModelInformation, images: list[str]) -> list[Detections]:
    return checked_detections(await logic._detect(information, images, str(information.model_root_path)), images)


async def _download_model(logic: TrainerLogic, model_uuid: str) -> ModelInformation:
    training = logic.training
    folder = training.training_folder_path / f"model_for_auto_detections_{model_uuid}_{logic.model_format}"
    await io_bound(shutil.rmtree, folder, ignore_errors=True)
    await logic.node.data_exchanger.download_model(str(folder), training.context, model_uuid, logic.model_format)
    information = await io_bound(ModelInformation.load_from_disk, str(folder))
    if information is None:
        raise DownloadError(f"the model {model_uuid} came without {FILE_NAME}")
    return information


async def _plan(logic: TrainerLogic, model_uuid: str) -> list[list[str]]:
    """Fetch the images, and write down which of them belong together."""
    training, exchanger, progress = logic.training, logic.node.data_exchanger, logic.active_training_io
    exchanger.set_context(training.context)
    ids: dict[str, None] = {}
    for state in STATES:
        ids |= dict.fromkeys(await exchanger.fetch_image_uuids(query_params=f"state={state}"))
    await exchanger.download_images(list(ids), training.images_folder)
    images, size = list(ids), max(1, logic.inference_batch_size)
    portions = [images[start : start + size] for start in range(0, len(images), size)]
    logger.info("the new model detects in %d images", len(images))
    await io_bound(progress.delete_detections)
    await io_bound(progress.save_detection_plan, model_uuid, portions)
    return portions


def _files_of(image_ids: list[str], folder: Path) -> list[str]:
    """Those that are there; the others could not be fetched."""
    return [str(file) for image_id in image_ids if (file := folder / f"{image_id}.jpg").exists()]


def _with_empty_ones(found: list[Detections], images: list[str]) -> list[Detections]:
    """One for each image, so that the loop knows where the model found nothing."""
    known = {detections.image_id for detections in found}
    return [*found, *(Detections(image_id=name) for image in images if (name := Path(image).stem) not in known)]
