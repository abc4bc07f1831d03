"""Brings the images that people annotate to the disk of the node, and lets go of those used longest ago."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from ..client.place import part_of_path
from ..data_classes import Context, codec
from ..errors import InvalidImageError, InvalidRequestError, StorageFullError
from ..images import LARGEST_PIXELS, read_header
from ..runtime.files import make_folder, replace_file
from ..runtime.threads import io_bound

logger = logging.getLogger(__name__)

HEADER_BYTES = 512 * 1024
"""So much of a file is looked at to see whether it is an image."""

MOST_CHECKED = 10_000
"""Files that were looked into once are only looked at after that; of so many at most it is remembered."""

Fetch = Callable[[Context, str], Awaitable[bytes]]
Key = tuple[str, str, str]


class ImageFolder:
    """`<folder>/<organization>/<project>/images/<id>.jpg`, up to `max_images` of them.

    Others may keep images in the same place. What this one has brought is listed in `index`, so that it removes
    nothing else, also after a restart.
    """

    def __init__(self, folder: Path, index: Path, fetch: Fetch, *, max_images: int) -> None:
        self._folder = folder
        self._index = index
        self._fetch = fetch
        self._max_images = max_images
        self._brought: OrderedDict[Key, None] = OrderedDict()
        self._checked: set[Key] = set()
        self._in_use: dict[Key, int] = {}
        self._locks: dict[Key, asyncio.Lock] = {}
        self._indexing = asyncio.Lock()

    def file(self, context: Context, image_id: str) -> Path:
        """Where an image is, once it has been brought."""
        organization, project, name = _key(context, image_id)
        return self._folder / organization / project / "images" / f"{name}.jpg"

    async def open(self) -> None:
        """Read what was brought before. Without a readable list, nothing of it will be removed."""
        self._brought = OrderedDict.fromkeys(await io_bound(_read_index, self._index))

    @asynccontextmanager
    async def using(self, context: Context, image_id: str) -> AsyncIterator[None]:
        """Keep an image while the block is open."""
        key = _key(context, image_id)
        self._in_use[key] = self._in_use.get(key, 0) + 1
        try:
            yield
        finally:
            self._in_use[key] -= 1
            if not self._in_use[key]:
                del self._in_use[key]

    async def bring(self, context: Context, image_id: str) -> Path:
        """The file of an image, downloaded unless it is there; those who ask for the same one share the download."""
        key, file = _key(context, image_id), self.file(context, image_id)
        async with self.using(context, image_id), self._locks.setdefault(key, asyncio.Lock()):
            try:
                # The second look is a single call of the system, for each input: a thread would take longer than it.
                is_there = _has_content(file) if key in self._checked else await io_bound(_is_image, file)
                if not is_there:
                    await self._download(key, context, image_id, file)
                elif key in self._brought:
                    self._brought.move_to_end(key)
                self._note_checked(key)
            finally:
                if self._in_use[key] == 1:
                    self._locks.pop(key, None)
        return file

    async def _download(self, key: Key, context: Context, image_id: str, file: Path) -> None:
        content = await self._fetch(context, image_id)
        try:
            read_header(content, max_pixels=LARGEST_PIXELS)
        except InvalidImageError as error:
            raise InvalidImageError(f"the loop's image {image_id} cannot be read: {error}") from error
        async with self._indexing:
            # On the list first: after a crash in between, the list may have more than there is, never less.
            surplus = self._surplus(key)
            await self._write(self._index, codec.to_json([*self._brought]))
            for old in surplus:
                await io_bound(self._path(old).unlink, missing_ok=True)
        await self._write(file, content)

    def _note_checked(self, key: Key) -> None:
        if len(self._checked) >= MOST_CHECKED:
            self._checked.clear()
        self._checked.add(key)

    def _surplus(self, new: Key) -> list[Key]:
        self._brought[new] = None
        self._brought.move_to_end(new)
        free = [key for key in self._brought if key not in self._in_use]
        surplus = free[: max(0, len(self._brought) - self._max_images)]
        for key in surplus:
            del self._brought[key]
        return surplus

    def _path(self, key: Key) -> Path:
        organization, project, name = key
        return self._folder / organization / project / "images" / f"{name}.jpg"

    async def _write(self, file: Path, content: bytes) -> None:
        try:
            await io_bound(make_folder, file.parent)
            await io_bound(replace_file, file, content)
        except OSError as error:
            raise StorageFullError(f"{file} cannot be written (DATA_FOLDER): {error.strerror or error}") from error


def _key(context: Context, image_id: str) -> Key:
    """The parts of the path, none of which leads anywhere else."""
    return part_of_path(context.organization), part_of_path(context.project), part_of_path(image_id)


def _is_image(file: Path) -> bool:
    """Whether there is an image; an empty or broken file, as older nodes may have left, is none."""
    try:
        with file.open("rb") as stream:
            read_header(stream.read(HEADER_BYTES), max_pixels=LARGEST_PIXELS)
    except (OSError, InvalidImageError):
        return False
    return True


def _has_content(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except OSError:
        return False


def _read_index(index: Path) -> list[Key]:
    try:
        entries = codec.from_json(index.read_bytes())
        return [tuple(map(part_of_path, entry)) for entry in entries]  # type: ignore[misc]
    except FileNotFoundError:
        return []
    except (OSError, InvalidRequestError, TypeError, ValueError) as error:
        logger.warning("%s cannot be read, the images that it listed stay: %s", index, error)
        return []
