"""Forms with files."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import aiohttp

from ..errors import InvalidRequestError
from ..runtime.threads import io_bound


async def form_of(files: Sequence[Path], stack: ExitStack) -> aiohttp.FormData:
    """A form with these files as parts `files`, to be sent once; `stack` closes those that were not sent.

    `InvalidRequestError` names the file that cannot be read.
    """
    form = aiohttp.FormData()
    for file in files:
        content = stack.enter_context(await io_bound(_open, file))
        form.add_field("files", content, filename=file.name, content_type=content_type_of(file.name))
    return form


def content_type_of(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _open(file: Path) -> BinaryIO:
    try:
        return file.open("rb")
    except OSError as error:
        raise InvalidRequestError(f"{file} cannot be read: {error.strerror}") from error
