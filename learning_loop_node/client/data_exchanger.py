"""Images and models of a project, in the shape that programs for 0.18 to 0.27 use."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from ..data_classes import Context
from ..errors import CriticalError, DownloadError, ModelUploadFailedError, NodeError, StorageFullError
from ..runtime.archive import unpack
from ..runtime.threads import io_bound
from .communicator import LoopCommunicator, LoopResponse
from .loop import LoopClient
from .models import patience_s
from .place import Place, part_of_path
from .training_data import AT_ONCE, FetchedImages, TrainingData

TRY_LATER = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
)
"""Refusals that somebody may put right, which is no reason to lose a model."""


class DataExchanger:
    """Downloads what a training needs, and uploads what came of it.

    `progress` is 0 to 0.5 while data of images are fetched and 0.5 to 1 while the images are. With `check_jpeg` each
    image is decoded once; otherwise only its header is looked at.
    """

    def __init__(self, context: Context | None, loop_communicator: LoopCommunicator) -> None:
        self.loop_communicator = loop_communicator
        self.progress = 0.0
        self.check_jpeg = True
        self._context = context

    def set_context(self, context: Context | None) -> None:
        self._context = context
        self.progress = 0.0

    @property
    def context(self) -> Context:
        """The project; `AssertionError` if none is set."""
        if self._context is None:
            raise AssertionError("DataExchanger: Context was not set yet.. call set_context() first.")
        return self._context

    async def fetch_image_uuids(self, query_params: str | None = "") -> list[str]:
        """The ids of the project's images, or of those that the query selects (`state=complete`)."""
        return await self._training_data().ids(query_params or "")

    async def download_images_data(self, image_uuids: list[str], chunk_size: int = 100) -> list[dict[str, Any]]:
        """What the loop knows about these images; a request that is refused is logged, and its images are missing.

        `DownloadError` if the loop fails or is away, after trying for a minute.
        """
        self.progress = 0.0
        data = self._training_data(on_progress=lambda share: self._set_progress(0.5 * share))
        return (await data.records(image_uuids, per_request=chunk_size)).records

    async def download_images(self, image_uuids: list[str], image_folder: str, chunk_size: int = 10) -> FetchedImages:
        """Download `<id>.jpg` for each id that is not there yet, `chunk_size` at a time.

        What the loop does not have, or is no image, is logged and missing; the result names it. `DownloadError` if the
        loop fails or is away, after trying for a minute.
        """
        self.progress = 0.5
        data = self._training_data(
            on_progress=lambda share: self._set_progress(0.5 + 0.5 * share), at_once=max(1, chunk_size)
        )
        return await data.images(image_uuids, Path(image_folder))

    async def download_model(
        self, target_folder: str, context: Context, model_uuid: str, model_format: str
    ) -> list[str]:
        """Download a model and put its files into the folder; returns their paths. Raises `DownloadError`."""
        target = Path(target_folder)
        work = target.parent / f".{target.name}.{uuid4().hex}.download"
        models = LoopClient(self.loop_communicator.http, context).models
        try:
            await io_bound(work.mkdir, parents=True)
            received = await models.download(model_uuid, model_format, work / "model.zip")
            return await io_bound(_unpack_into, received.file, work / "unpacked", target)
        except NodeError as error:
            raise DownloadError(f"model {model_uuid} in format {model_format}: {error}") from error
        except OSError as error:
            raise StorageFullError(f"{target} cannot be written: {error}") from error
        finally:
            await io_bound(shutil.rmtree, work, ignore_errors=True)

    async def upload_model_get_uuid(
        self, context: Context, files: list[str], training_number: int | None, mformat: str
    ) -> str | None:
        """Upload the latest model of a training; returns its id, None if it was there before and its id is not told.

        Raises `CriticalError` where another try is pointless, `ModelUploadFailedError` or another `LoopError` where it
        is not.
        """
        place = Place(self.loop_communicator.http, context)
        path = place.path(f"/trainings/{training_number}/models/latest/{part_of_path(mformat)}/file")
        patience = int(patience_s([Path(file) for file in files]))
        answer = await self.loop_communicator.put(path, files=files, timeout=patience)
        if answer.status_code == HTTPStatus.OK:
            return str(answer.json()["id"])
        if answer.status_code == HTTPStatus.CONFLICT:
            return _id_of_conflict(answer)
        text = f"model for training {training_number}, format {mformat}: {answer.status_code} {answer.text[:500]}"
        if 400 <= answer.status_code < 500 and answer.status_code not in TRY_LATER:
            raise CriticalError(text)
        raise ModelUploadFailedError(text, status=answer.status_code)

    @property
    def _place(self) -> Place:
        return Place(self.loop_communicator.http, self.context)

    def _training_data(
        self, *, at_once: int = AT_ONCE, on_progress: Callable[[float], None] = lambda _: None
    ) -> TrainingData:
        return TrainingData(self._place, checks_pixels=self.check_jpeg, at_once=at_once, on_progress=on_progress)

    def _set_progress(self, progress: float) -> None:
        self.progress = progress


def _unpack_into(archive: Path, unpacked: Path, target: Path) -> list[str]:
    """Unpack aside, then move the files to where they belong; returns their paths."""
    target.mkdir(parents=True, exist_ok=True)
    unpack(archive, unpacked)
    placed: list[str] = []
    for file in sorted(path for path in unpacked.rglob("*") if path.is_file()):
        place = target / file.relative_to(unpacked)
        place.parent.mkdir(parents=True, exist_ok=True)
        file.replace(place)
        placed.append(str(place))
    return placed


def _id_of_conflict(answer: LoopResponse) -> str | None:
    """The id of the model that is stored already, if the loop tells it."""
    try:
        return str(UUID(answer.json()["detail"]["id"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
