"""What must survive a restart: the training itself, and how far its model and its detections are uploaded.

Files and their names are those of 0.27, so that a training continues when a trainer is updated in the middle of it.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from ..client.communicator import LoopCommunicator
from ..client.place import Place
from ..data_classes import Context, Detections, Training
from ..data_classes.codec import from_dict, from_json, to_json
from ..errors import InvalidDataError, LoopRefusedError, StorageFullError
from ..runtime.files import make_folder, replace_file
from ..runtime.threads import io_bound
from ..settings import GLOBALS

logger = logging.getLogger(__name__)

LARGEST_PORTION = 100
"""Images whose detections go to the loop with one request."""


class LastTrainingIO:
    """The training that a node works on, in the data folder; it is there until everything is done."""

    def __init__(self, node_uuid: str, data_folder: Path | None = None) -> None:
        self.node_uuid = node_uuid
        self._data_folder = data_folder

    @property
    def file(self) -> Path:
        return Path(self._data_folder or GLOBALS.data_folder) / f"last_training__{self.node_uuid}.json"

    def save(self, training: Training) -> None:
        """`StorageFullError` if the disk does not keep it; what was saved before is still there then."""
        _write(self.file, to_json(training))

    def load(self) -> Training:
        """`FileNotFoundError` without one, `InvalidDataError` if it cannot be read."""
        return from_dict(Training, from_json(self.file.read_bytes()))

    def delete(self) -> None:
        self.file.unlink(missing_ok=True)

    def exists(self) -> bool:
        return self.file.exists()

    def keep_aside(self) -> Path:
        """Put what cannot be read out of the way, where somebody can look at it."""
        return self.file.replace(self.file.with_name(f"{self.file.name}.broken"))


class ActiveTrainingIO:
    """How far the results of a training have come, in the training's folder."""

    def __init__(self, training_folder: str, loop_communicator: LoopCommunicator, context: Context) -> None:
        self.training_folder = str(training_folder)
        self.loop_communicator = loop_communicator
        self.context = context
        folder = Path(self.training_folder)
        self.mup_path = folder / "model_uploading_progress.txt"
        self.muuid_path = folder / "uploaded_model_uuid.txt"
        self.det_path = str(folder / "detections_{0}.json")
        self.dufi_path = folder / "detection_uploading_json_index.txt"
        self.dup_path = folder / "detection_uploading_progress.txt"
        self._plan_path = folder / "detection_images.json"
        self._failure_path = folder / "failure.json"
        self._notice_path = folder / "notice.json"

    # --- the model

    def save_model_upload_progress(self, formats: list[str]) -> None:
        """Which formats the loop has."""
        _write(self.mup_path, ",".join(formats).encode())

    def load_model_upload_progress(self) -> list[str]:
        text = _read(self.mup_path)
        return text.split(",") if text else []

    def save_uploaded_model_uuid(self, model_uuid: str) -> None:
        """What the loop calls the model."""
        _write(self.muuid_path, model_uuid.encode())

    def load_uploaded_model_uuid(self) -> str:
        """`FileNotFoundError` as long as the loop has not said it."""
        return self.muuid_path.read_text()

    # --- detections, in numbered files

    def save_detections(self, detections: list[Detections], index: int = 0) -> None:
        _write(self._detections_file(index), to_json(detections))

    def load_detections(self, index: int = 0) -> list[Detections]:
        """`FileNotFoundError` without such a file, `InvalidDataError` if it cannot be read."""
        content = from_json(self._detections_file(index).read_bytes())
        if not isinstance(content, list):
            raise InvalidDataError(f"{self._detections_file(index)} must have a list of detections")
        return [from_dict(Detections, entry) for entry in content]

    def delete_detections(self) -> None:
        for file in self._get_detection_file_names():
            file.unlink(missing_ok=True)
        self._plan_path.unlink(missing_ok=True)

    def detections_exist(self, index: int | None = None) -> bool:
        """Whether there are any, or those of this number."""
        return self._detections_file(index).exists() if index is not None else bool(self._get_detection_file_names())

    def get_number_of_detection_files(self) -> int:
        return len(self._get_detection_file_names())

    def save_detection_plan(self, model_uuid: str, portions: list[list[str]]) -> None:
        """Which images belong to which file of detections, so that a restart goes on where it was."""
        _write(self._plan_path, to_json({"model_uuid": model_uuid, "portions": portions}))

    def load_detection_plan(self, model_uuid: str) -> list[list[str]] | None:
        """None if there is none for this model."""
        with suppress(FileNotFoundError, InvalidDataError, KeyError, TypeError):
            content = from_json(self._plan_path.read_bytes())
            if content["model_uuid"] == model_uuid:
                return [[str(image_id) for image_id in portion] for portion in content["portions"]]
        return None

    # --- their upload: which file, and how many images of it

    def save_detections_upload_file_index(self, index: int) -> None:
        _write(self.dufi_path, str(index).encode())

    def load_detections_upload_file_index(self) -> int:
        return _number(self.dufi_path)

    def delete_detections_upload_file_index(self) -> None:
        self.dufi_path.unlink(missing_ok=True)

    def detections_upload_file_index_exists(self) -> bool:
        return self.dufi_path.exists()

    def save_detection_upload_progress(self, count: int) -> None:
        _write(self.dup_path, str(count).encode())

    def load_detection_upload_progress(self) -> int:
        return _number(self.dup_path)

    def delete_detection_upload_progress(self) -> None:
        self.dup_path.unlink(missing_ok=True)

    def detection_upload_progress_exist(self) -> bool:
        return self.dup_path.exists()

    async def upload_detetions(self) -> None:
        """Send all detections that the loop does not have yet. (The name is that of 0.27.)"""
        first = self.load_detections_upload_file_index()
        for index in [number for number, _ in await io_bound(self._numbered_files) if number >= first]:
            detections = await io_bound(self.load_detections, index)
            await self._upload_detections_batched(self.context, detections)
            # In this order a crash in between sends a file again, instead of leaving out the beginning of the next one.
            self.save_detection_upload_progress(0)
            self.save_detections_upload_file_index(index + 1)

    async def _upload_detections_batched(self, context: Context, detections: list[Detections]) -> None:
        for start in range(self.load_detection_upload_progress(), len(detections), LARGEST_PORTION):
            portion = detections[start : start + LARGEST_PORTION]
            await self._upload_detections_and_save_progress(context, portion, start + len(portion))

    async def _upload_detections_and_save_progress(
        self, context: Context, batch_detections: list[Detections], up_progress: int
    ) -> None:
        """Send these, of which the last one is number `up_progress` of its file."""
        if batch_detections:
            path = Place(self.loop_communicator.http, context).path("/detections")
            answer = await self.loop_communicator.post(path, json=batch_detections)
            if answer.status_code != HTTPStatus.OK:
                raise LoopRefusedError(
                    f"the loop did not store the detections: {answer.status_code} {answer.text[:500]}",
                    status=answer.status_code,
                )
        self.save_detection_upload_progress(up_progress)

    # --- why it ended

    def save_failure(self, error_key: str, text: str) -> None:
        """Why there will be no model, until the loop has heard it."""
        _write(self._failure_path, to_json({"key": error_key, "text": text}))

    def load_failure(self) -> tuple[str, str] | None:
        return _read_error(self._failure_path)

    def save_notice(self, error_key: str, text: str) -> None:
        """What went wrong in a training that goes on all the same, with the model that it has made."""
        _write(self._notice_path, to_json({"key": error_key, "text": text}))

    def load_notice(self) -> tuple[str, str] | None:
        return _read_error(self._notice_path)

    def _detections_file(self, index: int) -> Path:
        return Path(self.det_path.format(index))

    def _get_detection_file_names(self) -> list[Path]:
        return [file for _, file in self._numbered_files()]

    def _numbered_files(self) -> list[tuple[int, Path]]:
        files = Path(self.training_folder).glob("detections_*.json")
        numbered = [(file.stem.removeprefix("detections_"), file) for file in files]
        return sorted((int(text), file) for text, file in numbered if text.isdecimal())


def _write(file: Path, content: bytes) -> None:
    try:
        make_folder(file.parent)
        replace_file(file, content)
    except OSError as error:
        raise StorageFullError(f"{file} cannot be written: {error.strerror}") from error


def _read_error(file: Path) -> tuple[str, str] | None:
    with suppress(FileNotFoundError, InvalidDataError, KeyError, TypeError):
        content = from_json(file.read_bytes())
        return str(content["key"]), str(content["text"])
    return None


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return ""


def _number(file: Path) -> int:
    text = _read(file)
    return int(text) if text.isdecimal() else 0
