"""Thumbnails of images that come and go; how they look is in `tests/integration/test_loop_labelling.py`."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Thread

import pytest

from learning_loop_node.errors import NotFoundError
from learning_loop_node.loop_server.storage.blobs import FolderBlobs
from learning_loop_node.loop_server.thumbnails import Thumbnails
from tests.builders import jpeg


class VanishingBlobs(FolderBlobs):
    """Every content is read once, and removed before its reader has come to the end."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._pipe = root / "pipe"

    async def path(self, sha256: str) -> Path:
        os.mkfifo(self._pipe)
        Thread(target=self._feed).start()
        return self._pipe

    def _feed(self) -> None:
        with self._pipe.open("wb") as stream:
            self._pipe.unlink()
            stream.write(jpeg())


async def test_of_a_content_that_is_removed_meanwhile_no_thumbnail_is_left(tmp_path: Path):
    blobs = VanishingBlobs(tmp_path)
    thumbnails = Thumbnails(tmp_path / "thumbnails", blobs, max_pixels=10**6)
    with pytest.raises(NotFoundError, match="removed meanwhile"):
        await thumbnails.path("ab" * 32, 128)
    assert not [file for file in (tmp_path / "thumbnails").rglob("*") if file.is_file()]
