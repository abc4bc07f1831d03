"""Generated projects, as the test suites of nodes ask for them, and the charts of their models."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from learning_loop_node.loop_server.generated.images import KNOWN_ID
from tests.loop import ORGANIZATION, RunningLoop, running_loop

GENERATOR = f"/{ORGANIZATION}/projects/generator"
P = f"/{ORGANIZATION}/projects/pytest"
NODELIB = {
    "project_name": "pytest",
    "inbox": 0,
    "annotate": 0,
    "review": 0,
    "complete": 3,
    "image_style": "beautiful",
    "box_categories": 2,
    "point_categories": 2,
    "segmentation_categories": 2,
    "thumbs": False,
    "tags": 0,
    "trainings": 1,
    "box_detections": 3,
    "box_annotations": 0,
}


@pytest.fixture
async def loop(tmp_path: Path):
    async with running_loop(tmp_path) as running:
        yield running


async def records(loop: RunningLoop) -> list[dict[str, Any]]:
    ids = (await loop.json("GET", f"{P}/data"))["image_ids"]
    return (await loop.json("GET", f"{P}/images?ids={','.join(ids)}"))["images"]  # type: ignore[no-any-return]


async def test_a_project_as_the_suites_of_nodes_want_it(loop: RunningLoop):
    made = await loop.json("POST", GENERATOR, json=NODELIB)
    assert Counter(category["type"] for category in made["categories"]) == {"box": 2, "point": 2, "segmentation": 2}
    images = await records(loop)
    assert [image["id"] for image in images] == made["image_ids"]
    assert KNOWN_ID in made["image_ids"]
    assert {image["set"] for image in images} == {"train", "test"}
    assert [len(image["box_detections"]) for image in images] == [3, 3, 3]
    assert [image["box_annotations"] for image in images] == [[], [], []]
    model_id = (await loop.json("GET", f"{P}/trainings"))["charts"][0]["data"][0]["model_id"]
    async with loop.nobody.get(f"/api{P}/models/{model_id}/mocked/file") as answer:
        archive = zipfile.ZipFile(io.BytesIO(await answer.read()))
    assert sorted(archive.namelist()) == ["file_1.txt", "file_2.txt", "model.json"]
    assert archive.read("file_1.txt") == b"content of file one"
    information = json.loads(archive.read("model.json"))
    assert [entry["id"] for entry in information["categories"]] == [entry["id"] for entry in made["categories"]]
    assert (information["id"], information["version"], information["format"]) == (model_id, "1.0", "mocked")


async def test_states_and_what_is_annotated_in_them(loop: RunningLoop):
    request = {
        "project_name": "pytest",
        "inbox": 1,
        "annotate": 2,
        "review": 3,
        "complete": 4,
        "box_categories": 1,
        "point_categories": 1,
        "segmentation_categories": 1,
        "classification_categories": 2,
        "tags": 2,
        "trainings": 1,
    }
    await loop.json("POST", GENERATOR, json=request)
    images = await records(loop)
    assert Counter(image["state"] for image in images) == {"inbox": 1, "annotate": 2, "review": 3, "complete": 4}
    assert Counter(tag for image in images for tag in image["tags"]) == {"tag 1": 5, "tag 2": 5}
    kinds = ("box", "point", "segmentation", "classification")
    for image in images:
        count = 1 if image["state"] in ("review", "complete") else 0
        assert [len(image[f"{kind}_annotations"]) for kind in kinds] == [count] * 4
        assert [image[f"{kind}_detections"] for kind in kinds] == [[]] * 4


async def test_what_is_annotated_is_what_the_picture_shows(loop: RunningLoop):
    request = {"project_name": "pytest", "complete": 2, "box_categories": 1, "image_style": "plain"}
    made = await loop.json("POST", GENERATOR, json=request)
    color = [int(made["categories"][0]["color"][start : start + 2], 16) for start in (1, 3, 5)]
    for image in await records(loop):
        async with loop.admin.get(f"/api{P}/images/{image['id']}/main") as answer:
            pixels = np.asarray(Image.open(io.BytesIO(await answer.read())), int)
        assert pixels.shape == (image["height"], image["width"], 3)
        down, across = np.nonzero(np.abs(pixels - color).max(axis=2) < 30)
        [box] = image["box_annotations"]
        assert abs(across.min() - box["x"]) <= 1
        assert abs(down.min() - box["y"]) <= 1
        assert abs(across.max() + 1 - box["x"] - box["width"]) <= 1
        assert abs(down.max() + 1 - box["y"] - box["height"]) <= 1


async def test_the_same_again_after_deleting_has_the_same_ids(loop: RunningLoop):
    first = await loop.json("POST", GENERATOR, json=NODELIB)
    async with loop.admin.post(f"/api{GENERATOR}", json=NODELIB) as answer:
        assert answer.status == 409
    await loop.json("DELETE", P, params={"keep_images": "true"})
    again = await loop.json("POST", GENERATOR, json=NODELIB)
    assert again["image_ids"] == first["image_ids"]
    assert [entry["id"] for entry in again["categories"]] == [entry["id"] for entry in first["categories"]]
    other = await loop.json("POST", GENERATOR, json=NODELIB | {"project_name": "other", "seed": 7})
    assert not set(other["image_ids"]) & set(first["image_ids"])


async def test_the_names_of_the_first_release(loop: RunningLoop):
    request = {"project_name": "pytest", "complete": 3, "categories": 2, "detections": 3, "annotations": 0, "tags": 0}
    await loop.json("POST", GENERATOR, json=request | {"trainings": 1, "skeleton": False, "thumbs": False})
    assert [category["type"] for category in (await loop.json("GET", P))["categories"]] == ["box", "box"]
    assert [len(image["box_detections"]) for image in await records(loop)] == [3, 3, 3]


async def test_only_a_name_is_an_empty_project(loop: RunningLoop):
    made = await loop.json("POST", GENERATOR, json={"project_name": "pytest"})
    assert (made["image_ids"], made["models"], made["categories"]) == ([], [], [])
    empty: dict[str, Any] = {"charts": [{"data": []}], "trainings": [], "next": None}
    assert await loop.json("GET", f"{P}/trainings") == empty


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"project_name": "a/b"}, id="name"),
        pytest.param({"project_name": "generator"}, id="reserved name"),
        pytest.param({"project_name": "p", "complete": 1001, "inbox": 1001}, id="too many images"),
        pytest.param({"project_name": "p", "image_style": "ugly"}, id="style"),
        pytest.param({"project_name": "p", "box_categories": -1}, id="negative"),
        pytest.param([], id="no object"),
    ],
)
async def test_what_is_not_made(loop: RunningLoop, wrong: Any):
    async with loop.admin.post(f"/api{GENERATOR}", json=wrong) as answer:
        assert answer.status == 422
    async with loop.nobody.post(f"/api{GENERATOR}", json={"project_name": "p"}) as answer:
        assert answer.status == 401
    assert (await loop.json("GET", "/projects"))["projects"] == []


@pytest.mark.parametrize("prefix", ["/api", ""])
async def test_novelty_scores_are_kept_as_a_property(loop: RunningLoop, prefix: str):
    made = await loop.json("POST", GENERATOR, json={"project_name": "pytest", "inbox": 2})
    first, second = made["image_ids"]
    url = f"{prefix}{P}/images/novelty_scores"
    async with loop.admin.put(url, json={first: 0.25}) as answer:
        assert (answer.status, await answer.json()) == (200, {"count": 1})
    for wrong, status in (({first: "high"}, 422), ({first: 1, "unknown": 2}, 404), ([], 422)):
        async with loop.admin.put(url, json=wrong) as answer:
            assert answer.status == status
    await loop.json("DELETE", f"{P}/images/{second}?version=1")
    async with loop.admin.put(url, json={second: 1}) as answer:
        assert answer.status == 409
    await loop.json("POST", f"{P}/images/restore", json={"images": [{"id": second, "version": 2}]})
    scores = {image["id"]: (image["properties"], image["version"]) for image in await records(loop)}
    assert scores == {first: ({"novelty_score": 0.25}, 2), second: ({}, 3)}
