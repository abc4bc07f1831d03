from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from learning_loop_node.annotation.image_folder import ImageFolder
from learning_loop_node.data_classes import Context
from learning_loop_node.errors import InvalidImageError, InvalidRequestError, NotFoundError, StorageFullError
from tests.builders import jpeg

CONTEXT = Context(organization="zauberzeug", project="demo")


class Loop:
    """Has every image, and counts how often it is asked."""

    def __init__(self, content: bytes = jpeg()) -> None:
        self.content = content
        self.asked: list[str] = []

    async def fetch(self, context: Context, image_id: str) -> bytes:
        self.asked.append(image_id)
        await asyncio.sleep(0)
        if image_id == "missing":
            raise NotFoundError("there is no image missing")
        return self.content


async def opened(tmp_path: Path, loop: Loop, max_images: int = 10) -> ImageFolder:
    folder = ImageFolder(tmp_path, tmp_path / "list.json", loop.fetch, max_images=max_images)
    await folder.open()
    return folder


def names_in(tmp_path: Path) -> list[str]:
    return sorted(file.name for file in tmp_path.glob("zauberzeug/demo/images/*"))


async def test_an_image_is_brought_once(tmp_path):
    loop = Loop()
    folder = await opened(tmp_path, loop)
    files = await asyncio.gather(*(folder.bring(CONTEXT, "a") for _ in range(5)))
    assert set(files) == {tmp_path / "zauberzeug" / "demo" / "images" / "a.jpg"}
    assert files[0].read_bytes() == loop.content
    assert await folder.bring(CONTEXT, "a") == folder.file(CONTEXT, "a")
    assert loop.asked == ["a"]


@pytest.mark.parametrize("content", [b"", b"no image"], ids=["empty", "broken"])
async def test_what_is_no_image_is_brought_anew(tmp_path, content):
    loop = Loop()
    folder = await opened(tmp_path, loop)
    file = folder.file(CONTEXT, "a")
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    await folder.bring(CONTEXT, "a")
    assert file.read_bytes() == loop.content


async def test_one_that_somebody_has_removed_is_brought_again(tmp_path):
    loop = Loop()
    folder = await opened(tmp_path, loop)
    (await folder.bring(CONTEXT, "a")).unlink()
    assert (await folder.bring(CONTEXT, "a")).exists()
    assert loop.asked == ["a", "a"]


async def test_those_used_longest_ago_go(tmp_path):
    folder = await opened(tmp_path, Loop(), max_images=2)
    for name in ("a", "b", "a", "c"):
        await folder.bring(CONTEXT, name)
    assert names_in(tmp_path) == ["a.jpg", "c.jpg"]


async def test_one_in_use_stays(tmp_path):
    folder = await opened(tmp_path, Loop(), max_images=1)
    await folder.bring(CONTEXT, "a")
    async with folder.using(CONTEXT, "a"):
        await folder.bring(CONTEXT, "b")
        assert names_in(tmp_path) == ["a.jpg", "b.jpg"]
    await folder.bring(CONTEXT, "c")
    assert names_in(tmp_path) == ["c.jpg"]


async def test_the_limit_holds_over_a_restart_and_leaves_others_alone(tmp_path):
    loop = Loop()
    await (await opened(tmp_path, loop)).bring(CONTEXT, "a")
    foreign = tmp_path / "zauberzeug" / "demo" / "images" / "of_a_trainer.jpg"
    foreign.write_bytes(loop.content)
    folder = await opened(tmp_path, loop, max_images=1)
    await folder.bring(CONTEXT, "of_a_trainer")
    await folder.bring(CONTEXT, "b")
    assert names_in(tmp_path) == ["b.jpg", "of_a_trainer.jpg"]


@pytest.mark.parametrize("content", [b"{", b"7", b'[["..", "x", "y"]]'], ids=["no JSON", "no list", "leads elsewhere"])
async def test_an_unreadable_list_removes_nothing(tmp_path, content, caplog):
    (tmp_path / "list.json").write_bytes(content)
    await (await opened(tmp_path, Loop())).bring(CONTEXT, "a")
    assert "cannot be read, the images that it listed stay" in caplog.text
    assert names_in(tmp_path) == ["a.jpg"]


@pytest.mark.parametrize("image_id", ["..", "a/b", "", "/etc/passwd", "a\0b"])
async def test_names_lead_nowhere_else(tmp_path, image_id):
    folder = await opened(tmp_path, Loop())
    with pytest.raises(InvalidRequestError, match="is no name"):
        await folder.bring(CONTEXT, image_id)
    with pytest.raises(InvalidRequestError, match="is no name"):
        await folder.bring(Context(organization=image_id, project="demo"), "a")


async def test_what_cannot_be_brought_has_a_name_and_leaves_nothing(tmp_path):
    folder = await opened(tmp_path, Loop())
    with pytest.raises(NotFoundError, match="no image missing"):
        await folder.bring(CONTEXT, "missing")
    with pytest.raises(InvalidImageError, match="the loop's image a cannot be read"):
        await (await opened(tmp_path, Loop(b"what a camera never sends"))).bring(CONTEXT, "a")
    assert names_in(tmp_path) == []


async def test_a_folder_that_cannot_be_written_has_a_name(tmp_path):
    (tmp_path / "zauberzeug").write_text("is a file")
    folder = await opened(tmp_path, Loop())
    with pytest.raises(StorageFullError, match=r"a\.jpg cannot be written \(DATA_FOLDER\)"):
        await folder.bring(CONTEXT, "a")
