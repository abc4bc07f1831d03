"""`serve --demo-data`: the fixed data that the test suites of nodes rely on, at every start."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from tests.loop import P, RunningLoop, running_loop

IDS = {f"1.{number}": f"00000000-0000-0000-0000-00000000001{number}" for number in range(3)}


async def test_it_is_what_the_suites_expect(tmp_path: Path):
    async with running_loop(tmp_path, demo_data=True) as loop:
        models = (await loop.json("GET", f"{P}/models"))["models"]
        assert {model["version"]: model["id"] for model in models} == IDS
        target = {"model_uuid": IDS["1.1"], "version": "1.1"}
        assert await loop.json("GET", f"{P}/deployment/target") == target
        async with loop.nobody.get(f"/api{P}/models/{IDS['1.1']}/mocked/file") as answer:
            archive = zipfile.ZipFile(io.BytesIO(await answer.read()))
        assert sorted(archive.namelist()) == ["file_1.txt", "file_2.txt", "model.json"]
        named = [category["name"] for category in json.loads(archive.read("model.json"))["categories"]]
        assert named == ["purple box", "purple point", "purple segmentation"]
        async with loop.nobody.get(f"/api{P}/models/{IDS['1.1'][:-2]}00/mocked/file") as answer:
            assert answer.status == 404
        point = (await loop.json("GET", P))["categories"][1]
        assert (point["id"], point["color"]) == ("51e75488-103d-6661-53a2-ebc06feb5f3a", "#b914b9")
        assert len((await loop.json("GET", f"{P}/data?state=complete"))["image_ids"]) == 4
        async with loop.admin.get("/api/zauberzeug/projects/some_bad_project/data") as answer:
            assert answer.status == 404


async def test_another_start_changes_nothing(tmp_path: Path):
    async with running_loop(tmp_path, demo_data=True) as loop:
        await loop.json("PUT", f"{P}/deployment/target", json={"version": "1.2"})
        before = await everything(loop)
    async with running_loop(tmp_path, demo_data=True) as loop:
        assert await everything(loop) == before


async def test_it_comes_back_when_it_was_deleted(tmp_path: Path):
    async with running_loop(tmp_path, demo_data=True) as loop:
        before = await everything(loop)
        await loop.json("DELETE", P)
    async with running_loop(tmp_path, demo_data=True) as loop:
        assert await everything(loop) == before | {"version": before["version"] + 1}


async def everything(loop: RunningLoop) -> dict[str, Any]:
    return {
        **await loop.json("GET", P),
        "images": await loop.list_images(),
        "models": await loop.json("GET", f"{P}/models"),
        "target": await loop.json("GET", f"{P}/deployment/target"),
    }
