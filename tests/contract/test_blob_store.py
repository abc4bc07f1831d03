"""What every home for blobs must do."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from learning_loop_node.errors import NotFoundError, StorageFullError
from learning_loop_node.loop_server.storage.blobs import Blob, BlobStore, FolderBlobs, disk_errors

STORES = [pytest.param(FolderBlobs, id="folder")]


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BlobStore]:
    store: BlobStore = request.param(tmp_path / "deep" / "blobs")
    await store.open()
    yield store
    await store.aclose()


@pytest.mark.parametrize(
    "pieces", [[], [b""], [b"a"], [b"ab", b"", b"c" * 3_000_000]], ids=["none", "empty", "one", "several"]
)
async def test_what_was_written_in_pieces_is_found_by_its_hash(store: BlobStore, pieces: list[bytes]):
    content = b"".join(pieces)
    blob = await store.write(chunks(pieces))
    assert blob == Blob(sha256(content), len(content))
    assert (await store.path(blob.sha256)).read_bytes() == content


async def test_several_contents_at_once(store: BlobStore):
    contents = [b"a", b"", b"b" * 1_000_000, b"a"]
    blobs = await store.write_all(contents)
    assert blobs == [Blob(sha256(content), len(content)) for content in contents]
    assert [(await store.path(blob.sha256)).read_bytes() for blob in blobs] == contents
    assert await store.write_all([]) == []


async def test_the_same_content_again_is_the_same_blob(store: BlobStore):
    first = await store.write(chunks([b"same"]))
    assert await store.write(chunks([b"sa", b"me"])) == first
    assert await store.write_all([b"same"]) == [first]
    assert (await store.path(first.sha256)).read_bytes() == b"same"


async def test_nothing_is_kept_of_a_transfer_that_breaks(store: BlobStore):
    async def breaking() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await store.write(breaking())
    with pytest.raises(NotFoundError):
        await store.path(sha256(b"half"))


async def test_an_unknown_content_is_named(store: BlobStore):
    with pytest.raises(NotFoundError, match=sha256(b"unknown")):
        await store.path(sha256(b"unknown"))


async def test_what_a_crash_left_behind_is_removed_and_the_rest_stays(tmp_path: Path):
    store = FolderBlobs(tmp_path)
    await store.open()
    [blob] = await store.write_all([b"kept"])
    (tmp_path / "unfinished" / "half").write_bytes(b"ha")
    again = FolderBlobs(tmp_path)
    await again.open()
    assert (await again.path(blob.sha256)).read_bytes() == b"kept"
    assert files_in(tmp_path) == [blob.sha256]


async def test_a_file_that_was_cut_off_behind_our_back_is_written_again(tmp_path: Path):
    store = FolderBlobs(tmp_path)
    await store.open()
    [blob] = await store.write_all([b"content"])
    (await store.path(blob.sha256)).write_bytes(b"con")
    await store.write_all([b"content"])
    assert (await store.path(blob.sha256)).read_bytes() == b"content"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        pytest.param(errno.ENOSPC, StorageFullError, id="full"),
        pytest.param(errno.EDQUOT, StorageFullError, id="quota"),
        pytest.param(errno.EROFS, StorageFullError, id="read-only"),
        pytest.param(errno.EIO, OSError, id="broken"),
    ],
)
def test_a_disk_that_keeps_nothing_more_is_named(number: int, expected: type[Exception]):
    with pytest.raises(expected), disk_errors():
        raise OSError(number, "text")


def files_in(folder: Path) -> list[str]:
    return [file.name for file in folder.rglob("*") if file.is_file()]


async def chunks(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def test_what_nobody_uses_is_removed_once_it_has_settled(store: BlobStore):
    old, fresh, kept = await store.write_all([b"old", b"fresh", b"kept"])
    for blob in (old, kept):
        await settle(store, blob)
    assert await store.remove([old.sha256, fresh.sha256, sha256(b"unknown"), "../escape"]) == [old.sha256]
    with pytest.raises(NotFoundError):
        await store.path(old.sha256)
    assert {name for names in [names async for names in store.all()] for name in names} == {fresh.sha256, kept.sha256}
    assert await store.write_all([b"old"]) == [old], "it may come again"


async def test_what_is_written_again_has_not_settled(store: BlobStore):
    [blob] = await store.write_all([b"same"])
    await settle(store, blob)
    await store.write_all([b"same"])
    assert await store.remove([blob.sha256]) == []
    await settle(store, blob)
    await store.write(chunks([b"same"]))
    assert await store.remove([blob.sha256]) == []


async def test_a_crash_while_removing_loses_nothing(tmp_path: Path):
    store = FolderBlobs(tmp_path)
    await store.open()
    [blob] = await store.write_all([b"content"])
    (await store.path(blob.sha256)).rename(tmp_path / "leaving" / blob.sha256)
    await store.open()
    assert (await store.path(blob.sha256)).read_bytes() == b"content"


async def settle(store: BlobStore, blob: Blob) -> None:
    """As if it had been written long ago."""
    os.utime(await store.path(blob.sha256), (1, 1))
