"""Small pictures of images, made when they are asked for and kept beside the contents."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np
from PIL import Image

from ..errors import InvalidRequestError, NotFoundError
from ..images import decode, encode_jpeg
from ..runtime.threads import io_bound
from .storage.blobs import BlobStore, disk_errors

SIZES = (128, 256, 512, 1024)
"""Pixels of the longer side."""

AT_ONCE = 2
QUALITY = 80


class Thumbnails:
    """A folder of JPEGs, named by the hash of the content and their size. It may be deleted at any time."""

    def __init__(self, root: Path, blobs: BlobStore, *, max_pixels: int) -> None:
        self._root = root
        self._blobs = blobs
        self._max_pixels = max_pixels
        self._making = asyncio.Semaphore(AT_ONCE)

    async def path(self, sha256: str, size: int) -> Path:
        """The file with the thumbnail of this content: upright, no side longer than `size`, never enlarged.

        A file that is damaged is made anew. `NotFoundError` if the content is missing.
        """
        if size not in SIZES:
            raise InvalidRequestError(f"size={size}: a thumbnail has one of the sizes {', '.join(map(str, SIZES))}")
        file = self._file(sha256, size)
        if await io_bound(_is_whole, file):
            return file
        content = await self._blobs.path(sha256)
        async with self._making:
            if not await io_bound(_is_whole, file):  # somebody else may have waited for the same
                with disk_errors():
                    await io_bound(self._make, content, file, size)
        return file

    async def remove(self, hashes: Sequence[str]) -> None:
        """Forget the thumbnails of these contents."""
        await io_bound(self._remove, hashes)

    def _file(self, sha256: str, size: int) -> Path:
        return self._root / sha256[:2] / f"{sha256}-{size}.jpg"

    def _make(self, content: Path, file: Path, size: int) -> None:
        pixels = decode(content.read_bytes(), max_pixels=self._max_pixels)
        height, width = pixels.shape[:2]
        scale = size / max(height, width)
        if scale < 1:
            small = (max(1, round(width * scale)), max(1, round(height * scale)))
            picture = Image.fromarray(pixels).resize(small, Image.Resampling.LANCZOS, reducing_gap=2.0)
            jpeg = encode_jpeg(np.asarray(picture), quality=QUALITY)
        else:
            jpeg = encode_jpeg(pixels, quality=QUALITY)
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(f".{uuid4().hex}.tmp")
        try:
            aside.write_bytes(jpeg)
            aside.replace(file)
        finally:
            aside.unlink(missing_ok=True)
        if not content.exists():  # it was removed meanwhile, and with it what then were its thumbnails
            file.unlink(missing_ok=True)
            raise NotFoundError("the image was removed meanwhile")

    def _remove(self, hashes: Sequence[str]) -> None:
        for sha256 in hashes:
            for size in SIZES:
                self._file(sha256, size).unlink(missing_ok=True)


def _is_whole(file: Path) -> bool:
    """Whether a JPEG begins and ends as it should; a crash may have left less, since nothing here is synced."""
    try:
        with file.open("rb") as stream:
            begins = stream.read(2) == b"\xff\xd8"
            stream.seek(-2, os.SEEK_END)
            return begins and stream.read(2) == b"\xff\xd9"
    except OSError:
        return False
