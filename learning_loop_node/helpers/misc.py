"""Old path of small functions; those with a subject of their own live in `images`, `node` and `runtime`."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import numpy as np

from ..data_classes import Context, SocketResponse
from ..errors import InvalidImageError, TooLargeError
from ..images import LARGEST_PIXELS, ImageInput, array_from_raw, check, decode, encode_jpeg
from ..node.identity import node_uuid
from ..runtime.loose_tasks import start
from ..runtime.memory import free_gpu_memory_mb, free_memory_mb
from ..runtime.threads import io_bound
from ..settings import GLOBALS

logger = logging.getLogger(__name__)

ImageFormat = Literal["raw", "jpeg"]
ImageData = ImageInput

# Images


def jpg_bytes_to_numpy_array(jpg_bytes: bytes) -> np.ndarray:
    """H×W×3 RGB, upright."""
    return decode(jpg_bytes)


def numpy_array_to_jpg_bytes(image_array: np.ndarray) -> bytes:
    return encode_jpeg(image_array)


def image_format_of(image_data: dict[str, Any]) -> ImageFormat:
    """What an image dictionary of an event holds; `raw` unless it says otherwise."""
    match image_data.get("format", "raw"):
        case "raw":
            return "raw"
        case "jpeg":
            return "jpeg"
        case other:
            raise ValueError(f"unknown image format: {other}")


def image_from_dict(image_data: dict[str, Any]) -> ImageInput:
    """The image of an event: an array, or the bytes of a JPEG."""
    if image_format_of(image_data) == "jpeg":
        return bytes(image_data["bytes"])
    return numpy_image_from_dict(image_data)


def numpy_image_from_dict(image_data: dict[str, Any]) -> np.ndarray:
    """The image of an event as an array, `{bytes, dtype, shape}` or `{format: 'jpeg', bytes}`."""
    if image_format_of(image_data) == "jpeg":
        return decode(bytes(image_data["bytes"]))
    return array_from_raw(image_data["bytes"], image_data["dtype"], image_data["shape"], max_pixels=LARGEST_PIXELS)


async def is_valid_image(filename: str, check_jpeg: bool) -> bool:
    """Whether the file has content; with `check_jpeg`, whether it can be decoded to the end."""
    return await io_bound(_is_valid_image, Path(filename), check_jpeg)


async def delete_corrupt_images(image_folder: str, check_jpeg: bool = False) -> None:
    """Remove the `.jpg` files of a folder that are no valid images."""
    await io_bound(_delete_corrupt_images, Path(image_folder), check_jpeg)


def images_for_ids(image_ids: list[str], image_folder: str) -> list[str]:
    """The files of a folder whose names are among the ids."""
    wanted = set(image_ids)
    return [str(file) for file in Path(image_folder).glob("*.*") if file.stem in wanted]


def _delete_corrupt_images(folder: Path, check_jpeg: bool) -> None:
    for file in folder.glob("*.jpg"):
        if not _is_valid_image(file, check_jpeg):
            logger.warning("%s is no valid image and is removed", file)
            file.unlink(missing_ok=True)


def _is_valid_image(file: Path, check_jpeg: bool) -> bool:
    try:
        if not check_jpeg:
            return file.stat().st_size > 0
        check(file.read_bytes())
    except (OSError, InvalidImageError, TooLargeError):
        return False
    return True


# Folders and identifiers


def create_project_folder(context: Context) -> str:
    return _made(Path(GLOBALS.data_folder) / context.organization / context.project)


def create_image_folder(project_folder: str) -> str:
    return _made(Path(project_folder) / "images")


def create_training_folder(project_folder: str, trainings_id: str) -> str:
    return _made(Path(project_folder) / "trainings" / trainings_id)


def delete_all_training_folders(project_folder: str) -> None:
    folder = Path(project_folder) / "trainings"
    if folder.exists():
        shutil.rmtree(folder)


def read_or_create_uuid(identifier: str) -> str:
    """The stable id of the node with this name."""
    return node_uuid(Path(GLOBALS.data_folder), identifier)


def is_valid_uuid4(val: Any) -> bool:
    """Whether this is the text of any UUID, despite the name."""
    try:
        UUID(str(val))
    except ValueError:
        return False
    return True


def create_resource_paths(
    organization_name: str, project_name: str, image_ids: list[str]
) -> tuple[list[str], list[str]]:
    """The loop's paths of the images, and the ids again."""
    return [f"/{organization_name}/projects/{project_name}/images/{image}/main" for image in image_ids], image_ids


def _made(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


# Running


def create_task(
    coroutine: Coroutine[Any, Any, Any], *, loop: asyncio.AbstractEventLoop | None = None
) -> asyncio.Task[Any]:
    """Run this in the background; what it raises is logged. The loop is the running one, whatever is given."""
    return start(coroutine, name=getattr(coroutine, "__qualname__", "unnamed task"))


def activate_asyncio_warnings() -> None:
    """Let asyncio report what blocks the event loop for more than 0.2 s."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.2


def get_free_memory_mb() -> float:
    """MB free on the first GPU; without a GPU, of the machine's memory."""
    free = free_gpu_memory_mb()
    if free is None:
        logger.warning("there is no NVIDIA driver; the machine's free memory is returned instead of the GPU's")
        return free_memory_mb()
    return free


def ensure_socket_response(func: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[dict[str, Any] | None]]:
    """Let a handler of the loop's events return text, a boolean or a `SocketResponse`, or raise."""

    @wraps(func)
    async def handler(*args: Any, **kwargs: Any) -> dict[str, Any] | None:
        try:
            return _response_of(await func(*args, **kwargs))
        except Exception as error:
            logger.exception("the handler %s failed", getattr(func, "__name__", func))
            return asdict(SocketResponse.for_failure(str(error)))

    return handler


def _response_of(value: Any) -> dict[str, Any] | None:
    match value:
        case None:
            return None
        case bool():
            return asdict(SocketResponse.from_bool(value))
        case str():
            return asdict(SocketResponse.for_success(value))
        case SocketResponse():
            return asdict(value)
        case _:
            raise TypeError(
                f"a handler must return text, a boolean, SocketResponse or None, not {type(value).__name__}"
            )
