"""Gives the loop the new model, each format once, also when an answer is lost."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...data_classes import Context
from ...data_classes.codec import to_json
from ...data_classes.model_information import FILE_NAME
from ...errors import CriticalError, StorageFullError
from ...runtime.threads import io_bound
from ..hook_results import checked_metadata
from .download_model import BASE_MODEL_FILE

if TYPE_CHECKING:
    from ..trainer_logic_generic import TrainerLogicGeneric

logger = logging.getLogger(__name__)

UPLOAD_FOLDER = ".upload"


async def upload_model(logic: TrainerLogicGeneric) -> None:
    """Afterwards `model_uuid_for_detecting` says what the loop calls it."""
    logic.training.model_uuid_for_detecting = await logic._upload_model_return_new_model_uuid(logic.training.context)


async def upload_model_files(logic: TrainerLogicGeneric, context: Context) -> str:
    """The id of the model. `CriticalError` if there is none, or the loop does not take it or tell its id."""
    files = files_by_format(await logic._get_latest_model_files(), logic.model_format)
    await io_bound(_check, files)
    model_json = await io_bound(logic._dump_model_json)
    progress, training = logic.active_training_io, logic.training
    done = progress.load_model_upload_progress()
    for model_format, paths in files.items():
        if model_format in done:
            continue
        model_uuid = await logic.node.data_exchanger.upload_model_get_uuid(
            context, [*paths, model_json], training.training_number, model_format
        )
        if model_uuid is not None:
            progress.save_uploaded_model_uuid(model_uuid)
        done.append(model_format)
        progress.save_model_upload_progress(done)
        logger.info("the loop has the model in format %s", model_format)
    try:
        return progress.load_uploaded_model_uuid()
    except FileNotFoundError as error:
        raise CriticalError("the loop has the model already, but does not say its id") from error


def files_by_format(files: Any, own_format: str) -> dict[str, list[str]]:
    """What a trainer says its model consists of; a mere list is in its own format. `CriticalError` without any."""
    if isinstance(files, list | tuple):
        files = {own_format: files}
    if not isinstance(files, Mapping) or not files or not all(files.values()):
        raise CriticalError("the training made no model; its log says why")
    return {str(model_format): [str(path) for path in paths] for model_format, paths in files.items()}


async def has_model(logic: TrainerLogicGeneric) -> bool:
    """Whether the training has made a model: all the files are there that the logic names, and not all are older.

    The logic may name files without having looked, and those of the base model lie in the same folder.
    """
    try:
        files = files_by_format(await logic._get_latest_model_files(), logic.model_format)
    except Exception:  # there is none, in whatever way the user's code finds that out
        return False
    return await io_bound(
        _are_new, [Path(path) for paths in files.values() for path in paths], logic.training.training_folder_path
    )


def _are_new(files: Iterable[Path], training_folder: Path) -> bool:
    base_model = training_folder / BASE_MODEL_FILE
    base_time_ns = base_model.stat().st_mtime_ns if base_model.is_file() else 0
    found = [file.stat() if file.is_file() else None for file in files]
    return all(entry is not None and entry.st_size > 0 for entry in found) and any(
        entry is not None and entry.st_mtime_ns > base_time_ns for entry in found
    )


def write_model_json(logic: TrainerLogicGeneric) -> str:
    """Categories in the order of the training, and what the logic adds; the loop completes the rest."""
    content = {"categories": logic.training.categories} | checked_metadata(logic._get_model_metadata())
    file = logic.training.training_folder_path / UPLOAD_FOLDER / FILE_NAME
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(to_json(content))
    except OSError as error:
        raise StorageFullError(f"{file} cannot be written: {error.strerror}") from error
    return str(file)


def _check(files: Mapping[str, list[str]]) -> None:
    for model_format, paths in files.items():
        for path in map(Path, paths):
            if path.name == FILE_NAME:
                raise CriticalError(
                    f"{path}: {FILE_NAME} is made by the trainer; return what it should say from _get_model_metadata"
                )
            if not path.is_file():
                raise CriticalError(f"the model file {path} (format {model_format}) is missing after the training")
            if path.stat().st_size == 0:
                raise CriticalError(f"the model file {path} (format {model_format}) is empty")
