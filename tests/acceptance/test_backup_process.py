"""A backup that is killed in the middle of its work, from a loop that goes on working."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from learning_loop_node.loop_server.upkeep.backup import back_up, read_manifest, restore
from tests.builders import jpeg
from tests.loop import running_loop
from tests.polling import until

COPIES_BEFORE_THE_KILL = 20
IMAGES = 200


async def test_kill_9_in_the_middle_of_a_backup_leaves_the_former_one_whole(tmp_path: Path):
    target = tmp_path / "backup"
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        [first] = await loop.post_images([jpeg(seed=0)], keys=["0"])
        await asyncio.to_thread(back_up, tmp_path / "loop" / "loop.sqlite", tmp_path / "loop" / "blobs", target)
        former = read_manifest(target)
        for start in range(1, IMAGES, 50):
            await loop.post_images([jpeg(seed=number) for number in range(start, start + 50)])

        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "learning_loop_node", "backup", str(target), "--data", str(tmp_path / "loop")),
            stdout=asyncio.subprocess.DEVNULL,
        )
        await until(lambda: len(copies(target)) > COPIES_BEFORE_THE_KILL)
        process.send_signal(signal.SIGKILL)
        assert await process.wait() == -signal.SIGKILL
        assert len(copies(target)) < IMAGES, "it was killed in the middle"
        assert read_manifest(target) == former
        await asyncio.to_thread(restore, target, tmp_path / "then" / "loop")

        report = await asyncio.to_thread(
            back_up, tmp_path / "loop" / "loop.sqlite", tmp_path / "loop" / "blobs", target
        )
        assert report.copied < IMAGES + 1 - COPIES_BEFORE_THE_KILL, "what was there is not copied again"
        assert not list(target.glob("blobs/??/.*")), "nothing half-written is left"
        await asyncio.to_thread(restore, target, tmp_path / "now" / "loop")
    async with running_loop(tmp_path / "then") as loop:
        assert await loop.image_ids() == [first["id"]]
    async with running_loop(tmp_path / "now") as loop:
        assert len(await loop.image_ids()) == IMAGES + 1


def copies(target: Path) -> list[Path]:
    return [file for file in target.glob("blobs/??/*") if not file.name.startswith(".")]
