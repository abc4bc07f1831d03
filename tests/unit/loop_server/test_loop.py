"""What keeps a loop from opening is told as a wrong setting, not as a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from learning_loop_node.errors import SettingError
from learning_loop_node.loop_server.loop import Loop
from learning_loop_node.loop_server.storage.database import FILE_NAME
from learning_loop_node.settings import LoopServerSettings


@pytest.mark.parametrize("name", ["", "lock/x", "blobs"])
async def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path, name: str):
    """Something else stands where the loop wants to write; without rights, the system says so in the same way."""
    folder = tmp_path / "loop"
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("a file")
    with pytest.raises(SettingError, match=f"LOOP_DATA_FOLDER={folder}"):
        await opened(folder)


async def test_a_database_that_is_none_is_named_and_left_alone(tmp_path: Path):
    file = tmp_path / FILE_NAME
    file.write_text("rubbish")
    with pytest.raises(SettingError, match=f"{FILE_NAME} .*not a database"):
        await opened(tmp_path)
    assert file.read_text() == "rubbish"


async def test_only_one_loop_uses_a_folder(tmp_path: Path):
    loop = Loop(LoopServerSettings(data_folder=tmp_path))
    async with loop.opened():
        with pytest.raises(SettingError, match="another loop"):
            await opened(tmp_path)
    await opened(tmp_path)


async def opened(folder: Path) -> None:
    async with Loop(LoopServerSettings(data_folder=folder)).opened():
        pass
