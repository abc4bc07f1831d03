"""The loop over real connections: images, models, the deployment target, and what is there after a restart."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from learning_loop_node.loop_server.operations.images import MAX_METADATA_BYTES, MAX_METADATA_BYTES_AT_ONCE
from tests.builders import jpeg
from tests.loop import ORGANIZATION, PROJECT, P, RunningLoop, files_form, images_form, running_loop

BOX = {
    "category_name": "face",
    "x": 1,
    "y": 2,
    "width": 3,
    "height": 4,
    "model_name": "1.0",
    "confidence": 0.5,
    "category_id": None,
}
METADATA: dict[str, Any] = {
    "box_detections": [BOX],
    "point_detections": [{"category_name": "nose", "x": 1.5, "y": 2, "model_name": "1.0", "confidence": 1}],
    "segmentation_detections": [
        {"category_name": "hair", "shape": "1,2,3,4,5,6", "model_name": "1.0", "confidence": 0.25},
        {"category_name": "hair", "shape": {"points": [{"x": 1, "y": 2}]}, "model_name": "0.9", "confidence": 0.25},
    ],
    "classification_detections": [{"category_name": "day", "model_name": "1.0", "confidence": 0.75}],
    "box_annotations": [{"category_name": "face", "x": 1, "y": 2, "width": 3, "height": 4, "category_id": "f"}],
    "point_annotations": [{"category_name": "nose", "x": 1, "y": 2, "category_id": ""}],
    "classification_annotation": {"category_name": "day", "category_id": None},
    "tags": ["picked_by_system"],
    "created": "2026-01-02_03:04:05.678",
    "source": "cam 1",
    "state": None,
}


@pytest.fixture
async def loop(tmp_path: Path):
    async with running_loop(tmp_path) as running:
        await running.create_project()
        yield running


# --- images


async def test_an_image_comes_back_byte_for_byte_with_everything_that_was_said_about_it(loop: RunningLoop):
    image = jpeg(seed=3)
    [stored] = await loop.post_images([image], keys=["key-1"], metadata=METADATA)
    assert stored == {"id": str(UUID(stored["id"])), "stored": True, "deleted": False}
    assert await loop.image_content(stored["id"]) == image
    [record] = await loop.list_images()
    assert record == await loop.json("GET", f"{P}/images/{stored['id']}")
    face = (await loop.json("GET", P))["categories"][0]["id"]
    assert record["box_detections"] == [BOX | {"category_id": face}]
    assert record["classification_detections"][0]["category_id"] is None, "unknown categories are kept by their name"
    assert record["segmentation_detections"][0]["shape"] == "1,2,3,4,5,6"
    assert record["segmentation_detections"][1]["shape"] == {"points": [{"x": 1, "y": 2}]}
    assert record["point_detections"][0]["x"] == 1.5
    assert [without_id(entry) for entry in record["box_annotations"]] == METADATA["box_annotations"]
    assert without_id(record["classification_annotation"]) == METADATA["classification_annotation"]
    assert record["classification_annotations"] == [record["classification_annotation"]]
    assert (record["width"], record["height"]) == (64, 48)
    assert (record["state"], record["set"] in ("train", "test")) == ("inbox", True)
    for key in ("tags", "created", "source"):
        assert record[key] == METADATA[key]
    assert record["idempotency_key"] == "key-1"


async def test_a_turned_image_has_the_size_of_the_upright_one(loop: RunningLoop):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = io.BytesIO()
    Image.open(io.BytesIO(jpeg(64, 48))).save(content, "JPEG", exif=exif)
    await loop.post_images([content.getvalue()])
    [record] = await loop.list_images()
    assert (record["width"], record["height"]) == (48, 64)


async def test_the_same_key_twice_is_one_image_and_one_id(loop: RunningLoop):
    first = await loop.post_images([jpeg(), jpeg(seed=1)], keys=["a", "b"])
    again = await loop.post_images([jpeg(seed=1), jpeg(seed=2)], keys=["b", "c"])
    assert [image["stored"] for image in first + again] == [True, True, False, True]
    assert again[0]["id"] == first[1]["id"]
    assert len(await loop.image_ids()) == 3


async def test_the_same_key_at_once_from_several_connections_is_one_image(loop: RunningLoop):
    answers = await asyncio.gather(*(loop.post_images([jpeg()], keys=["same"]) for _ in range(8)))
    assert len({image["id"] for [image] in answers}) == 1
    assert [image["stored"] for [image] in answers].count(True) == 1
    assert len(await loop.image_ids()) == 1


async def test_without_a_key_every_post_stores(loop: RunningLoop):
    await loop.post_images([jpeg(), jpeg()])
    await loop.post_images([jpeg()])
    assert len(set(await loop.image_ids())) == 3


async def test_the_same_key_in_another_project_is_another_image(loop: RunningLoop):
    await loop.create_project(project="other")
    await loop.post_images([jpeg()], keys=["a"])
    async with loop.nobody.post(
        f"/api/{ORGANIZATION}/projects/other/images", data=images_form([jpeg()], keys=["a"])
    ) as answer:
        assert (await answer.json())["images"][0]["stored"]


async def test_an_image_without_json_is_stored_too(loop: RunningLoop):
    async with loop.nobody.post(f"/api{P}/images", data=files_form([("x.jpg", jpeg())])) as answer:
        assert answer.status == 200
    assert (await loop.list_images())[0]["box_detections"] == []


async def test_endless_metadata_is_refused(loop: RunningLoop):
    form = images_form([jpeg()], metadata={"source": "s" * MAX_METADATA_BYTES})
    async with loop.nobody.post(f"/api{P}/images", data=form) as answer:
        assert answer.status == 422
        assert str(MAX_METADATA_BYTES) in (await answer.json())["detail"]


async def test_what_would_keep_everybody_else_from_writing_is_to_be_sent_in_parts(loop: RunningLoop):
    count = MAX_METADATA_BYTES_AT_ONCE // (MAX_METADATA_BYTES // 2) + 1
    form = images_form([jpeg(seed=seed) for seed in range(count)], metadata={"source": "s" * (MAX_METADATA_BYTES // 2)})
    async with loop.nobody.post(f"/api{P}/images", data=form) as answer:
        assert answer.status == 422
        assert "send fewer images at once" in (await answer.json())["detail"]
    assert await loop.image_ids() == []


async def test_a_large_batch_goes_through_the_disk(loop: RunningLoop):
    noise = io.BytesIO()
    Image.effect_noise((2000, 2000), 100).save(noise, "JPEG", quality=100)
    images = [noise.getvalue() + bytes([number]) for number in range(6)]
    assert sum(map(len, images)) > 17_000_000
    stored = await loop.post_images(images)
    assert await loop.image_content(stored[5]["id"]) == images[5]
    assert await loop.image_content(stored[0]["id"]) == images[0]


async def test_images_are_listed_by_state_and_in_the_order_asked_for(loop: RunningLoop):
    [trash] = await loop.post_images([jpeg()], metadata={"state": "trash"})
    [inbox] = await loop.post_images([jpeg()])
    data = await loop.json("GET", f"{P}/data?state=inbox&mode=box")
    assert data["image_ids"] == [inbox["id"]]
    assert [category["name"] for category in data["categories"]] == ["face"]
    assert data["box_categories"] == data["categories"]
    assert (await loop.json("GET", f"{P}/data?"))["image_ids"] == [trash["id"], inbox["id"]]
    ids = f"{inbox['id']},unknown,{trash['id']}"
    records = (await loop.json("GET", f"{P}/images?ids={ids}"))["images"]
    assert [record["id"] for record in records] == [inbox["id"], trash["id"]]


async def test_the_detections_of_one_model_in_percent(loop: RunningLoop):
    [stored] = await loop.post_images([jpeg()], metadata=METADATA)
    [record] = (await loop.json("GET", f"{P}/images?ids={stored['id']}&model_version=1.0"))["images"]
    assert record["box_detections"][0]["confidence"] == 50
    assert len(record["segmentation_detections"]) == 1


# --- models


async def zip_of(loop: RunningLoop, model_id: str, model_format: str = "mocked") -> dict[str, bytes]:
    async with loop.nobody.get(f"/api{P}/models/{model_id}/{model_format}/file") as answer:
        assert answer.status == 200, await answer.text()
        with zipfile.ZipFile(io.BytesIO(await answer.read())) as archive:
            return {info.filename: archive.read(info) for info in archive.infolist()}


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"file_1.txt": b"one", "file_2.txt": b"two"}, id="loose files"),
        pytest.param({"m.zip": zipped({"file_1.txt": b"one", "file_2.txt": b"two"})}, id="a zip"),
        pytest.param({"m.zip": zipped({"m/file_1.txt": b"one", "m/deep/file_2.txt": b"two"})}, id="a zip with folders"),
        pytest.param({"m.ZIP": zipped({"file_1.txt": b"one"}), "file_2.txt": b"two"}, id="both"),
    ],
)
async def test_a_model_comes_back_flat_with_a_complete_model_json(loop: RunningLoop, files: dict[str, bytes]):
    model = await loop.push_model(files)
    content = await zip_of(loop, model["id"])
    assert sorted(content) == ["file_1.txt", "file_2.txt", "model.json"]
    assert (content["file_1.txt"], content["file_2.txt"]) == (b"one", b"two")
    text = content["model.json"].decode()
    assert '"format": "mocked"' in text
    information = json.loads(text)
    project = await loop.json("GET", P)
    assert information == {
        "categories": [known_to_nodes(category) for category in project["categories"]],
        "host": loop.host,
        "organization": ORGANIZATION,
        "project": PROJECT,
        "version": "1.0",
        "id": model["id"],
        "format": "mocked",
    }


async def test_model_json_is_corrected_and_keeps_the_rest(loop: RunningLoop):
    given = {
        "id": "wrong",
        "version": "9",
        "resolution": 800.0,
        "conf_threshold": 0.1,
        "mine": [1],
        "categories": [{"name": "nose", "type": "point", "point_size": 20.0}, {"name": "face"}],
    }
    model = await loop.push_model({"w.pt": b"PK", "model.json": json.dumps(given).encode()})
    text = (await zip_of(loop, model["id"]))["model.json"].decode()
    information = json.loads(text)
    assert (information["id"], information["version"]) == (model["id"], "1.0")
    assert (information["conf_threshold"], information["mine"]) == (0.1, [1])
    assert '"resolution": 800,' in text
    nose, face = information["categories"]
    assert (nose["type"], nose["point_size"], bool(nose["id"])) == ("point", 20, True)
    assert face == known_to_nodes((await loop.json("GET", P))["categories"][0])


def known_to_nodes(category: dict[str, Any]) -> dict[str, Any]:
    """A category without what only the loop's own clients know."""
    return {key: value for key, value in category.items() if key not in ("properties", "version")}


async def test_categories_may_come_as_a_field_of_the_form(loop: RunningLoop):
    form = files_form([("w.bin", b"1")])
    form.add_field("categories", '["eye"]')
    model = await loop.json("POST", f"{P}/models/mocked", data=form)
    information = json.loads((await zip_of(loop, model["id"]))["model.json"])
    assert [category["name"] for category in information["categories"]] == ["eye"]


async def test_versions_count_up_and_none_is_given_twice(loop: RunningLoop):
    pushed = [await loop.push_model(), await loop.push_model(version="3"), await loop.push_model()]
    assert [model["version"] for model in pushed] == ["1.0", "3", "3.1"]
    at_once = await asyncio.gather(*(loop.push_model() for _ in range(4)))
    assert sorted(model["version"] for model in at_once) == ["3.2", "3.3", "3.4", "3.5"]
    async with loop.admin.post(f"/api{P}/models/mocked?version=3", data=files_form([("a", b"")])) as answer:
        assert answer.status == 409
        assert "3" in (await answer.json())["detail"]
    listed = (await loop.json("GET", f"{P}/models"))["models"]
    assert [model["version"] for model in listed] == ["1.0", "3", "3.1", *(model["version"] for model in listed[3:])]
    assert len({model["version"] for model in listed}) == len(listed) == 7


async def test_a_second_format_has_the_same_id_and_version(loop: RunningLoop):
    given = {"categories": ["eye"], "resolution": 640}
    model = await loop.push_model({"a.bin": b"1", "model.json": json.dumps(given).encode()})
    path = f"{P}/models/{model['id']}/onnx/file"
    assert await loop.json("PUT", path, data=files_form([("b.onnx", b"2")])) == model
    async with loop.admin.put(f"/api{path}", data=files_form([("b.onnx", b"2")])) as answer:
        assert answer.status == 409
    content = await zip_of(loop, model["id"], "onnx")
    information = json.loads(content["model.json"])
    assert (information["format"], information["resolution"]) == ("onnx", 640)
    assert information["categories"][0]["name"] == "eye"
    [entry] = (await loop.json("GET", f"{P}/models?format=onnx"))["models"]
    assert entry["formats"] == ["mocked", "onnx"]
    assert entry["archives"]["onnx"]["files"] == ["b.onnx", "model.json"]
    assert (await loop.json("GET", f"{P}/models?format=trt"))["models"] == []


@pytest.mark.parametrize("size_bytes", [100_000, 9_000_000], ids=["small", "large"])
async def test_an_image_is_sent_whole_or_in_part(loop: RunningLoop, size_bytes: int):
    content = jpeg() + bytes(size_bytes)
    [stored] = await loop.post_images([content])
    url = f"/api{P}/images/{stored['id']}/main"
    async with loop.admin.get(url) as answer:
        assert (answer.status, await answer.read()) == (200, content)
        headers = answer.headers
        assert headers["Content-Length"] == str(len(content))
        assert headers["Accept-Ranges"] == "bytes"
        assert "Last-Modified" in headers
    for condition, expected in ((headers["ETag"], (206, content[1000:])), ('"other"', (200, content))):
        async with loop.admin.get(url, headers={"Range": "bytes=1000-", "If-Range": condition}) as answer:
            assert (answer.status, await answer.read()) == expected


async def test_an_image_whose_file_is_gone_is_not_found(loop: RunningLoop):
    [stored] = await loop.post_images([jpeg()])
    for file in (loop.app.state.loop.folder / "blobs").rglob("*"):
        if file.is_file():
            file.unlink()
    async with loop.admin.get(f"/api{P}/images/{stored['id']}/main") as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "not_found")


async def test_a_download_names_its_file_its_hash_and_can_be_resumed(loop: RunningLoop):
    model = await loop.push_model({"weights.bin": bytes(range(256)) * 100})
    url = f"/api{P}/models/{model['id']}/mocked/file"
    async with loop.nobody.get(url) as answer:
        whole, headers = await answer.read(), answer.headers
    name = headers["Content-Disposition"].split("filename=")[1].strip('"')
    assert name == f"model_{model['id']}_mocked.zip"
    assert headers["Content-Type"] == "application/zip"
    [entry] = (await loop.json("GET", f"{P}/models"))["models"]
    assert headers["X-Content-SHA256"] == entry["archives"]["mocked"]["sha256"]
    async with loop.nobody.get(url, headers={"Range": "bytes=1000-", "If-Range": headers["ETag"]}) as answer:
        assert (answer.status, await answer.read()) == (206, whole[1000:])
    async with loop.nobody.get(url, headers={"Range": "bytes=1000-", "If-Range": '"other"'}) as answer:
        assert (answer.status, await answer.read()) == (200, whole)


async def test_a_refused_model_leaves_no_version_behind(loop: RunningLoop):
    async with loop.admin.post(f"/api{P}/models/mocked", data=files_form([("m.zip", b"no zip")])) as answer:
        assert answer.status == 422
        assert (await answer.json())["detail"].startswith("m.zip: ")
    assert (await loop.push_model())["version"] == "1.0"
    assert not list((loop.app.state.loop.folder / "incoming").iterdir())


async def test_the_target_is_set_by_version_or_by_id(loop: RunningLoop):
    first, second = await loop.push_model(), await loop.push_model()
    async with loop.admin.get(f"/api{P}/deployment/target") as answer:
        assert answer.status == 404
    for body, model in (({"version": "1.1"}, second), ({"model_uuid": first["id"]}, first)):
        target = {"model_uuid": model["id"], "version": model["version"]}
        assert await loop.json("PUT", f"{P}/deployment/target", json=body) == target
        assert await loop.json("GET", f"{P}/deployment/target") == target


# --- detectors and projects


async def test_the_last_status_of_a_detector_is_kept(loop: RunningLoop):
    status = {"uuid": "NOD30000", "name": "d", "state": "online", "uptime": 1, "errors": {}, "something_new": 1}
    for uptime in (1, 2):
        await loop.json("POST", f"{P}/detectors", json=status | {"uptime": uptime})
    [entry] = (await loop.json("GET", f"{P}/detectors"))["detectors"]
    assert (entry["uuid"], entry["uptime"], entry["something_new"]) == ("NOD30000", 2, 1)
    assert entry["received"]


async def test_projects_have_their_categories(loop: RunningLoop):
    made = await loop.create_project(["a", {"name": "b", "type": "point", "point_size": 5}], project="p-2")
    assert [category["type"] for category in made["categories"]] == ["box", "point"]
    assert [category["name"] for category in made["box_categories"]] == ["a"]
    listed = (await loop.json("GET", "/projects"))["projects"]
    assert {"organization_id": ORGANIZATION, "project_id": "p-2", "resource": f"/{ORGANIZATION}/projects/p-2"} in listed
    assert await loop.json("GET", listed[1]["resource"]) == made
    async with loop.admin.post(f"/api/{ORGANIZATION}/projects", json={"project_id": "p-2"}) as answer:
        assert answer.status == 409


# --- the process


async def test_a_restart_keeps_everything(tmp_path: Path):
    async with running_loop(tmp_path) as loop:
        await loop.create_project()
        await loop.post_images([jpeg()], keys=["a"])
        model = await loop.push_model(deploy=True)
        images, project, cookies = await loop.list_images(), await loop.json("GET", P), loop.admin.cookie_jar
        port = int(loop.host.partition(":")[2])
    async with running_loop(tmp_path, port=port) as loop:
        async with loop.nobody.get(f"/api{P}/data", cookies={morsel.key: morsel.value for morsel in cookies}) as answer:
            assert answer.status == 200, "a session from before the restart is still valid"
        assert await loop.list_images() == images
        assert await loop.image_content(images[0]["id"]) == jpeg()
        assert await loop.json("GET", P) == project
        assert (await loop.json("GET", f"{P}/deployment/target"))["model_uuid"] == model["id"]
        assert "file_1.txt" in await zip_of(loop, model["id"])
        [again] = await loop.post_images([jpeg()], keys=["a"])
        assert again == {"id": images[0]["id"], "stored": False, "deleted": False}


async def test_health(loop: RunningLoop):
    for path in ("/healthz", "/readyz", "/api/status"):
        async with loop.nobody.get(path) as answer:
            assert answer.status == 200
            assert (await answer.json())["status"] in ("ok", "ready")
    await loop.app.state.loop.database.aclose()
    async with loop.nobody.get("/readyz") as answer:
        assert (answer.status, await answer.json()) == (
            503,
            {"status": "not ready", "missing": {"database": "RuntimeError"}},
        )


async def test_a_refusal_reaches_a_client_that_is_still_sending(loop: RunningLoop):
    big = images_form([jpeg() + bytes(30_000_000)])
    async with loop.nobody.post("/api/zauberzeug/projects/nowhere/images", data=big) as answer:
        assert answer.status == 404
        assert "zauberzeug/nowhere" in (await answer.json())["detail"]


def without_id(annotation: dict[str, Any]) -> dict[str, Any]:
    """What a node said, without what the loop adds."""
    return {key: value for key, value in annotation.items() if key not in ("id", "version", "properties", "origin")}
