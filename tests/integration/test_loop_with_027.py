"""The real code of 0.27 works with our loop, without login."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from tests.builders import jpeg
from tests.loop import running_loop
from tests.peers import need_peer

PROGRAM = Path(__file__).parent / "programs" / "detector_027.py"


@pytest.mark.peer
async def test_a_detector_of_027_gets_its_model_and_delivers_its_images(tmp_path: Path):
    interpreter = need_peer("v27")
    picture, folder = tmp_path / "picture.jpg", tmp_path / "node"
    picture.write_bytes(jpeg())
    folder.mkdir()
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        await loop.push_model(deploy=True)
        node = {"LOOP_HOST": loop.host, "LOOP_ORGANIZATION": "zauberzeug", "LOOP_PROJECT": "demo"}
        environment = {key: value for key, value in os.environ.items() if not key.startswith("LOOP_")} | node
        process = await asyncio.create_subprocess_exec(
            interpreter, PROGRAM, folder, picture, cwd=tmp_path, env=environment, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await asyncio.wait_for(process.communicate(), 50)
        assert json.loads(output.splitlines()[-1]) == {
            "ready": True,
            "target": "1.0",
            "reported": 200,
            "files": ["file_1.txt", "model.json"],
            "left": 0,
        }
        records = await loop.list_images()
        assert [record["tags"] for record in records] == [["from 0.27"]] * 2, "the text that is no image stays away"
        assert await loop.image_content(records[0]["id"]) == jpeg()
