"""Projects and their categories at the loop: made, changed by several people, deleted and restored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.loop_server.operations.categories import AT_ONCE
from tests.builders import jpeg
from tests.loop import ORGANIZATION, P, RunningLoop, running_loop

PROJECTS = f"/{ORGANIZATION}/projects"
TYPES = ("box", "point", "segmentation", "classification")
FACE = {"category_name": "face", "x": 1, "y": 2, "width": 3, "height": 4}


@pytest.fixture
async def loop(tmp_path: Path):
    async with running_loop(tmp_path) as running:
        await running.create_project(["face", {"name": "nose", "type": "point", "point_size": 7}, "mouth"])
        yield running


async def refusal(loop: RunningLoop, method: str, path: str, **arguments: Any) -> tuple[int, str]:
    async with loop.admin.request(method, f"/api{path}", **arguments) as answer:
        return answer.status, (await answer.json()).get("detail", "")


async def ids(loop: RunningLoop) -> dict[str, str]:
    return {entry["name"]: entry["id"] for entry in await categories(loop)}


async def categories(loop: RunningLoop) -> list[dict[str, Any]]:
    return (await loop.json("GET", P))["categories"]  # type: ignore[no-any-return]


def changes_told(loop: RunningLoop) -> list[tuple[str, str | None]]:
    return [(change.subject, change.project) for change in loop.app.state.loop.changes._remembered]


# --- categories


async def test_every_type_with_everything_that_a_category_has(loop: RunningLoop):
    new = [
        {
            "name": f"a {type_}",
            "type": type_,
            "id": f"id-{type_}",
            "description": "what it means",
            "hotkey": key,
            "color": f"#{key * 6}",
            "point_size": 3,
            "properties": {"mine": [1, {"deep": None}]},
        }
        for type_, key in zip(TYPES, "abcd", strict=True)
    ]
    added = (await loop.json("POST", f"{P}/categories", json={"categories": new}))["categories"]
    assert added == [category | {"version": 1} for category in new]
    assert (await categories(loop))[3:] == added
    assert (await loop.json("GET", f"{P}/categories"))["categories"][3:] == added


async def test_colours_and_keys_are_chosen_unlike_those_there_are(loop: RunningLoop):
    present = await categories(loop)
    assert [entry["hotkey"] for entry in present] == ["1", "2", "3"]
    assert len({entry["color"] for entry in present}) == 3
    new = ["eye", {"name": "ear", "hotkey": "4"}, {"name": "chin", "hotkey": "", "color": "#123456"}]
    added = (await loop.json("POST", f"{P}/categories", json={"categories": new}))["categories"]
    assert [entry["hotkey"] for entry in added] == ["5", "4", None]
    assert added[2]["color"] == "#123456"
    assert len({entry["color"] for entry in await categories(loop)}) == 6


@pytest.mark.parametrize(
    ("new", "status", "said"),
    [
        pytest.param([], 422, "categories", id="none"),
        pytest.param(["face"], 409, "'face'", id="a name that is taken"),
        pytest.param(["a", "a"], 422, "'a'", id="the same name twice"),
        pytest.param([{"name": "a", "hotkey": "2"}], 409, "'nose'", id="a key that is taken"),
        pytest.param(
            ["b", {"name": "a", "hotkey": "long enough for anybody, too long for us"}], 422, "hotkey", id="key"
        ),
        pytest.param([{"name": "a", "color": "red"}], 422, "color", id="no colour"),
        pytest.param([{"name": "a", "type": "line"}], 422, "type", id="no type"),
        pytest.param([{"name": "a", "properties": {"x": "y" * 70_000}}], 422, "properties", id="too many properties"),
        pytest.param([{"name": ""}], 422, "name", id="no name"),
    ],
)
async def test_categories_that_are_refused(loop: RunningLoop, new: list[Any], status: int, said: str):
    before = await categories(loop)
    told = await refusal(loop, "POST", f"{P}/categories", json={"categories": new})
    assert (told[0], said in told[1]) == (status, True), told
    assert await categories(loop) == before


async def test_two_people_do_not_overwrite_each_other(loop: RunningLoop):
    face = f"{P}/categories/{(await ids(loop))['face']}"
    mine = {"version": 1, "description": "mine"}
    assert (await loop.json("PATCH", face, json=mine))["version"] == 2
    status, text = await refusal(loop, "PATCH", face, json={"version": 1, "description": "theirs"})
    assert (status, "version is 2, not 1" in text) == (409, True)
    assert (await refusal(loop, "DELETE", face, params={"version": 1}))[0] == 409
    assert (await categories(loop))[0]["description"] == "mine"
    project = await loop.json("PATCH", P, json={"version": 2, "description": "faces"})
    assert (project["version"], project["description"]) == (3, "faces")
    order = {"version": 2, "category_ids": list((await ids(loop)).values())}
    assert (await refusal(loop, "PUT", f"{P}/categories/order", json=order))[0] == 409
    assert (await refusal(loop, "PATCH", P, json={"version": 2}))[0] == 409


async def test_what_is_not_said_stays_and_null_takes_away(loop: RunningLoop):
    nose = f"{P}/categories/{(await ids(loop))['nose']}"
    before = (await categories(loop))[1]
    changed = await loop.json("PATCH", nose, json={"hotkey": None, "point_size": None, "properties": {"a": 1}})
    assert changed == before | {"hotkey": None, "point_size": None, "properties": {"a": 1}, "version": 2}
    for field in ("name", "type"):
        assert (await refusal(loop, "PATCH", nose, json={field: None}))[0] == 422
    assert (await refusal(loop, "PATCH", nose, json={"name": "face"}))[0] == 409
    assert (await refusal(loop, "PATCH", f"{P}/categories/none", json={}))[0] == 404
    assert (await loop.json("PATCH", nose, json={"type": "box"}))["type"] == "box", "nothing is marked as it yet"


async def test_categories_are_put_in_order(loop: RunningLoop):
    by_name = await ids(loop)
    order = [by_name[name] for name in ("mouth", "face", "nose")]
    answer = await loop.json("PUT", f"{P}/categories/order", json={"category_ids": order})
    assert [entry["name"] for entry in answer["categories"]] == ["mouth", "face", "nose"]
    assert list(await ids(loop)) == ["mouth", "face", "nose"]
    for wrong in (order[:2], [*order, order[0]], [*order[:2], "none"]):
        assert (await refusal(loop, "PUT", f"{P}/categories/order", json={"category_ids": wrong}))[0] == 422


async def test_annotations_follow_the_name_and_detections_do_not(loop: RunningLoop):
    by_name = await ids(loop)
    metadata = {
        "box_annotations": [FACE | {"category_id": by_name["face"]}],
        "box_detections": [FACE | {"model_name": "1.0", "confidence": 0.5}],
    }
    await loop.post_images([jpeg()], metadata=metadata)
    await loop.json("PATCH", f"{P}/categories/{by_name['face']}", json={"name": "head"})
    [image] = await loop.list_images()
    assert image["box_annotations"][0]["category_name"] == "head"
    assert image["box_detections"][0]["category_name"] == "face"
    annotation = image["box_annotations"][0]
    changed = await loop.json(
        "PATCH", f"{P}/annotations/{annotation['id']}", json={"version": annotation["version"], "x": 1}
    )
    assert (changed["category_name"], changed["category_id"]) == ("head", by_name["face"])
    status, text = await refusal(loop, "PATCH", f"{P}/categories/{by_name['face']}", json={"type": "point"})
    assert (status, "1 box annotations" in text) == (409, True)


async def test_a_category_in_use_is_deleted_only_with_a_word_about_its_annotations(loop: RunningLoop):
    by_name = await ids(loop)
    face, nose, mouth = (f"{P}/categories/{by_name[name]}" for name in ("face", "nose", "mouth"))
    metadata = {"box_annotations": [FACE | {"category_id": by_name["face"]}] * 2}
    await loop.post_images([jpeg(seed=1), jpeg(seed=2)], metadata=metadata)
    status, text = await refusal(loop, "DELETE", face)
    assert (status, "4 annotations" in text, "move_to" in text) == (409, True, True)
    for wrong in ({"move_to": by_name["nose"]}, {"move_to": by_name["face"]}, {"move_to": "x", "force": "true"}):
        assert (await refusal(loop, "DELETE", face, params=wrong))[0] == 422
    assert (await refusal(loop, "DELETE", face, params={"move_to": "x"}))[0] == 404
    assert await loop.json("DELETE", nose) == {"moved": 0, "deleted": 0}
    before = await loop.list_images()
    assert await loop.json("DELETE", face, params={"move_to": by_name["mouth"]}) == {"moved": 4, "deleted": 0}
    for image, former in zip(await loop.list_images(), before, strict=True):
        assert {entry["category_name"] for entry in image["box_annotations"]} == {"mouth"}
        assert {entry["category_id"] for entry in image["box_annotations"]} == {by_name["mouth"]}
        assert image["version"] == former["version"] + 1, "who edits the image must notice"
    assert await loop.json("DELETE", mouth, params={"force": "true"}) == {"moved": 0, "deleted": 4}
    assert [image["box_annotations"] for image in await loop.list_images()] == [[], []]
    assert await categories(loop) == []


@pytest.mark.parametrize("count", [2 * AT_ONCE, 2 * AT_ONCE + 1])
async def test_of_many_annotations_none_is_left(loop: RunningLoop, count: int):
    by_name = await ids(loop)
    face, mouth = (f"{P}/categories/{by_name[name]}" for name in ("face", "mouth"))
    await loop.post_images([jpeg()], metadata={"box_annotations": [FACE] * count})
    assert await loop.json("DELETE", face, params={"move_to": by_name["mouth"]}) == {"moved": count, "deleted": 0}
    [image] = await loop.list_images()
    assert {entry["category_name"] for entry in image["box_annotations"]} == {"mouth"}
    counts = await loop.json("GET", f"{P}/images/counts")
    assert counts["category"] == {by_name["mouth"]: 1}
    assert await loop.json("DELETE", mouth, params={"force": "true"}) == {"moved": 0, "deleted": count}
    assert (await loop.list_images())[0]["box_annotations"] == []


async def test_a_category_of_the_same_id_elsewhere_is_left_alone(loop: RunningLoop):
    for project in ("one", "two"):
        await loop.create_project([{"name": "same", "id": "same"}], project=project)
    assert await loop.json("PATCH", f"{PROJECTS}/one/categories/same", json={"name": "other"})
    await loop.json("DELETE", f"{PROJECTS}/one/categories/same", params={"force": "true"})
    assert (await loop.json("GET", f"{PROJECTS}/two"))["categories"][0]["name"] == "same"


async def test_every_change_is_told(loop: RunningLoop):
    face = f"{P}/categories/{(await ids(loop))['face']}"
    before = len(changes_told(loop))
    await loop.json("PATCH", face, json={"description": "x"})
    await loop.json("DELETE", face)
    await loop.json("PATCH", P, json={"description": "x"})
    await loop.json("DELETE", P)
    await loop.json("POST", f"{P}/restore")
    assert changes_told(loop)[before:] == [("categories", "demo")] * 2 + [("projects", "demo")] * 3


# --- deleting and restoring


async def test_a_deleted_project_is_gone_and_its_name_is_free(loop: RunningLoop):
    await loop.post_images([jpeg()])
    gone = await loop.json("DELETE", P, params={"keep_images": "true"})
    assert (await refusal(loop, "GET", P))[0] == 404
    assert (await refusal(loop, "DELETE", P))[0] == 404, "a project that is not there"
    assert (await refusal(loop, "GET", f"{P}~{gone['id']}"))[0] == 404
    assert (await loop.json("GET", "/projects"))["projects"] == []
    assert (await loop.create_project(["other"]))["categories"][0]["name"] == "other"
    assert await loop.image_ids() == []


async def test_a_deleted_project_comes_back_with_everything(loop: RunningLoop):
    await loop.post_images([jpeg()], keys=["a"])
    model = await loop.push_model(deploy=True)
    before = await loop.list_images()
    await loop.json("DELETE", P)
    [deleted] = (await loop.json("GET", f"{PROJECTS}/deleted"))["projects"]
    assert (deleted["project_id"], deleted["ends"] > deleted["deleted"]) == ("demo", True)
    restored = await loop.json("POST", f"{P}/restore")
    assert [entry["name"] for entry in restored["categories"]] == ["face", "nose", "mouth"]
    assert await loop.list_images() == before
    assert (await loop.json("GET", f"{P}/deployment/target"))["version"] == model["version"]
    assert (await loop.json("GET", f"{PROJECTS}/deleted"))["projects"] == []
    assert (await refusal(loop, "POST", f"{P}/restore"))[0] == 404


async def test_of_several_with_one_name_the_last_comes_back_or_the_one_asked_for(loop: RunningLoop):
    first = await loop.json("DELETE", P)
    await loop.create_project(["second"])
    await loop.json("DELETE", P)
    assert (await loop.json("POST", f"{P}/restore"))["categories"][0]["name"] == "second"
    status, text = await refusal(loop, "POST", f"{P}/restore")
    assert (status, "name=" in text) == (409, True)
    other = await loop.json("POST", f"{P}/restore", params={"id": first["id"], "name": "demo-1"})
    assert (other["project_id"], other["categories"][0]["name"]) == ("demo-1", "face")
    assert (await refusal(loop, "POST", f"{P}/restore", params={"name": "a~b"}))[0] == 422


@pytest.mark.parametrize("name", ["generator", "deleted", "a~b"])
async def test_names_that_no_project_may_have(loop: RunningLoop, name: str):
    assert (await refusal(loop, "POST", PROJECTS, json={"project_id": name}))[0] == 422
