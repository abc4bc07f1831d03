"""Images and models of a project, in the shape that programs for 0.18 to 0.27 use."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from ..data_classes import Context
from ..errors import DownloadError, InvalidRequestError, LoopRefusedError, NodeError, RefusedError, StorageFullError
from ..images import LARGEST_PIXELS, decode, read_header
from ..runtime.archive import unpack
from ..runtime.threads import io_bound
from .communicator import LoopCommunicator, LoopResponse
from .loop import LoopClient
from .place import Place, part_of_path

logger = logging.getLogger(__name__)

TRY_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


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
        answer = await self._get(self._place.path(f"/data?{query_params or ''}"))
        try:
            return [str(image_id) for image_id in answer.json()["image_ids"]]
        except (ValueError, KeyError, TypeError) as error:
            raise DownloadError("the loop's answer has no list 'image_ids'") from error

    async def download_images_data(self, image_uuids: list[str], chunk_size: int = 100) -> list[dict[str, Any]]:
        """What the loop knows about these images; a request that is refused is logged, and its images are missing."""
        records: list[dict[str, Any]] = []
        self.progress = 0.0
        for start in range(0, len(image_uuids), chunk_size):
            chunk = image_uuids[start : start + chunk_size]
            try:
                path = self._place.path("/images?ids=" + ",".join(map(part_of_path, chunk)))
                records += (await self._get(path)).json()["images"]
            except (DownloadError, InvalidRequestError, ValueError, KeyError, TypeError) as error:
                logger.error("the data of %d images is missing: %s", len(chunk), error)
            self.progress = 0.5 * min(start + chunk_size, len(image_uuids)) / len(image_uuids)
        return records

    async def download_images(self, image_uuids: list[str], image_folder: str, chunk_size: int = 10) -> None:
        """Download `<id>.jpg` for each id that is not there yet, `chunk_size` at a time.

        What cannot be downloaded, or is no image, is logged and missing.
        """
        folder = Path(image_folder)
        await io_bound(folder.mkdir, parents=True, exist_ok=True)
        self.progress = 0.5
        missing = await io_bound(_missing, image_uuids, folder)
        for start in range(0, len(missing), chunk_size):
            chunk = missing[start : start + chunk_size]
            await asyncio.gather(*(self._download_image(image_id, folder) for image_id in chunk))
            self.progress = 0.5 + 0.5 * min(start + chunk_size, len(missing)) / len(missing)
        self.progress = 1.0

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

        Raises `RefusedError` where another try is pointless, a `LoopError` where it is not.
        """
        place = Place(self.loop_communicator.http, context)
        path = place.path(f"/trainings/{training_number}/models/latest/{part_of_path(mformat)}/file")
        answer = await self.loop_communicator.put(path, files=files)
        if answer.status_code == HTTPStatus.OK:
            return str(answer.json()["id"])
        if answer.status_code == HTTPStatus.CONFLICT:
            return _id_of_conflict(answer)
        text = f"model for training {training_number}, format {mformat}: {answer.status_code} {answer.text[:500]}"
        if 400 <= answer.status_code < 500 and answer.status_code not in TRY_LATER:
            raise RefusedError(text)
        raise LoopRefusedError(text, status=answer.status_code)

    @property
    def _place(self) -> Place:
        return Place(self.loop_communicator.http, self.context)

    async def _get(self, path: str) -> LoopResponse:
        answer = await self.loop_communicator.get(path)
        if answer.status_code != HTTPStatus.OK:
            raise DownloadError(f"{path}: {answer.status_code} {answer.text[:500]}")
        return answer

    async def _download_image(self, image_id: str, folder: Path) -> None:
        try:
            answer = await self._get(self._place.path(f"/images/{part_of_path(image_id)}/main"))
            await io_bound(self._keep_image, answer.content, folder / _file_of(image_id))
        except NodeError as error:
            logger.error("image %s is missing: %s", image_id, error)

    def _keep_image(self, content: bytes, file: Path) -> None:
        if self.check_jpeg:
            decode(content)
        else:
            read_header(content, max_pixels=LARGEST_PIXELS)
        aside = file.with_name(f".{file.name}.{uuid4().hex}.part")
        try:
            aside.write_bytes(content)
            aside.replace(file)
        except OSError as error:
            with contextlib.suppress(OSError):
                aside.unlink()
            raise StorageFullError(f"{file} cannot be written: {error}") from error


def _file_of(image_id: str) -> str:
    return f"{part_of_path(image_id)}.jpg"


def _missing(image_ids: list[str], folder: Path) -> list[str]:
    """The ids without a file; those that are no file names are logged and left out."""
    missing: list[str] = []
    for image_id in image_ids:
        try:
            if not (folder / _file_of(image_id)).exists():
                missing.append(image_id)
        except InvalidRequestError as error:
            logger.error("an image is missing: %s", error)
    return missing


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
