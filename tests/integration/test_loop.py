"""The loop over real connections."""

from __future__ import annotations

from pathlib import Path

from tests.builders import jpeg
from tests.loop import P, running_loop


async def test_images_models_and_the_target_in_one_go(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        first, again = await loop.post_images([jpeg(), jpeg()], keys=["a", "a"])
        assert first["id"] == again["id"]
        assert [first["stored"], again["stored"]] == [True, False]
        records = await loop.list_images()
        assert len(records) == 1
        assert await loop.image_content(first["id"]) == jpeg()
        model = await loop.push_model(deploy=True)
        assert model["version"] == "1.0"
        target = await loop.json("GET", f"{P}/deployment/target")
        assert target == {"model_uuid": model["id"], "version": "1.0"}
        async with loop.nobody.get(f"/api{P}/models/{model['id']}/mocked/file") as answer:
            assert answer.status == 200
            assert answer.headers["Content-Disposition"].endswith('.zip"')
