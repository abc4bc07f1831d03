"""A second process with the same trainer in the same folder."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.errors import SettingError
from learning_loop_node.runtime.command import Command
from learning_loop_node.trainer.folder_lock import only_process
from tests.polling import until
from tests.trainers import make_trainer

OTHER = """
import os, pathlib, sys, time
from learning_loop_node.trainer.folder_lock import only_process
with only_process(pathlib.Path(sys.argv[1]), "mock trainer", sys.argv[2]):
    if os.fork():
        print("locked", flush=True)
    time.sleep(60)
"""


async def test_only_one_process_at_a_time_and_a_killed_one_does_not_count(tmp_path: Path):
    folder = tmp_path / "data"
    async with Command(
        "other", [sys.executable, "-c", OTHER, str(folder), "some-id"], log_file=tmp_path / "log"
    ) as other:
        await until(lambda: "locked" in other.log_tail())
        text = f"'mock trainer' runs already with DATA_FOLDER={folder}; end that process"
        with pytest.raises(SettingError, match=text), only_process(folder, "mock trainer", "some-id"):
            pass
        with only_process(folder, "another trainer", "another-id"):
            pass
        assert other.process_id is not None
        os.kill(other.process_id, signal.SIGKILL)  # its child lives on
        await other.wait()
        with only_process(folder, "mock trainer", "some-id"):
            pass
        await other.kill()


async def test_the_server_shows_no_traceback(tmp_path: Path):
    node, shown = make_trainer(tmp_path / "data"), []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        shown.append(message)

    command = [sys.executable, "-c", OTHER, str(tmp_path / "data"), node.uuid]
    async with Command("other", command, log_file=tmp_path / "log") as other:
        await until(lambda: "locked" in other.log_tail())
        with pytest.raises(SettingError) as raised:
            await node({"type": "lifespan", "app": node, "state": {}}, receive, send)
        await other.kill()
    assert "\n" not in str(raised.value)
    assert shown == [{"type": "lifespan.startup.failed", "message": str(raised.value)}]


async def test_a_node_has_it_while_it_runs(tmp_path: Path):
    """Programs may have several nodes in one process, as their tests do."""
    first, second = make_trainer(tmp_path), make_trainer(tmp_path)
    assert locks_in(tmp_path) == 0
    for node in (first, second):
        await node._on_startup()
    assert locks_in(tmp_path) == 1
    for node in (first, second):
        await node._on_shutdown()


def locks_in(folder: Path) -> int:
    return len(list(folder.glob(".trainer__*.lock")))
