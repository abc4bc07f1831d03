"""Images and annotations changed, deleted and restored, through the client and the real loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import select

from learning_loop_node.client.annotations import AnnotationChange, NewAnnotation
from learning_loop_node.client.http import LoopHttp
from learning_loop_node.client.images import ImageChange, ImageFilter, ImageRecord, NewImage
from learning_loop_node.client.loop import LoopClient
from learning_loop_node.data_classes import Context
from learning_loop_node.errors import InvalidRequestError, NodeError, NotFoundError, OutdatedError, RefusedError
from learning_loop_node.images import read_header
from learning_loop_node.loop_server.operations.detections import AT_ONCE
from learning_loop_node.loop_server.storage.tables import FacetRow, ProjectRow
from learning_loop_node.loop_server.wire.images import ImageRecord as WireRecord
from learning_loop_node.settings import LoopSettings
from tests.builders import jpeg
from tests.loop import ORGANIZATION, P, RunningLoop, running_loop

pytestmark = pytest.mark.asyncio(loop_scope="module")

CATEGORIES = [
    {"name": "face", "id": "face", "type": "box"},
    {"name": "nose", "id": "nose", "type": "point"},
    {"name": "hair", "id": "hair", "type": "segmentation"},
    {"name": "day", "id": "day", "type": "classification"},
    {"name": "eye", "id": "eye", "type": "box"},
]
BOX = {"x": 1, "y": 2, "width": 3, "height": 4.5}
TRIANGLE = {"points": [{"x": 0, "y": 0}, {"x": 9, "y": 0}, {"x": 0, "y": 9.5}]}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def loop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningLoop]:
    """One for all; every test has a project of its own."""
    async with running_loop(tmp_path_factory.mktemp("labelling")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def http(loop: RunningLoop) -> AsyncIterator[LoopHttp]:
    settings = LoopSettings(host=loop.host, username="admin", password=SecretStr("secret"))
    async with LoopHttp(settings) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def client(loop: RunningLoop, http: LoopHttp) -> LoopClient:
    project = f"demo-{uuid4().hex}"
    await loop.create_project(CATEGORIES, project=project)
    return LoopClient(http, Context(organization=ORGANIZATION, project=project))


@pytest.fixture
def place(client: LoopClient) -> str:
    """The path of the project, without `/api`."""
    return f"/{ORGANIZATION}/projects/{client.context.project}"


@pytest_asyncio.fixture(loop_scope="module")
async def image(client: LoopClient) -> ImageRecord:
    return await stored(client)


# --- uploads


async def test_an_upload_says_everything_about_its_image(client: LoopClient):
    metadata: dict[str, Any] = {
        "id": "image-7",
        "set": "val",
        "state": "review",
        "name": "street 7.png",
        "properties": {"weather": {"rain": True}},
        "tags": ["a", "b", "a"],
        "box_annotations": [{"category_name": "face", **BOX, "id": "box-1", "properties": {"crowd": 1}}],
        "segmentation_annotations": [{"category_name": "hair", "shape": TRIANGLE}],
        "classification_annotations": [{"category_name": "day"}, {"category_name": "night"}],
    }
    [result] = await client.images.upload([NewImage(content=jpeg(), metadata=metadata)])
    assert (result.id, result.stored) == ("image-7", True)
    record = await client.images.get("image-7")
    assert (record.set, record.state, record.name, record.tags) == ("val", "review", "street 7.png", ["a", "b"])
    assert (record.properties, record.version, record.changed_by) == ({"weather": {"rain": True}}, 1, "admin")
    box, outline, day, night = record.annotations
    assert (box.id, box.category_id, box.geometry, box.properties) == ("box-1", "face", BOX, {"crowd": 1})
    assert (outline.category_id, outline.geometry) == ("hair", {"shape": TRIANGLE})
    assert (day.category_id, night.category_id) == ("day", None)
    assert record.data["classification_annotation"]["id"] == day.id
    WireRecord.model_validate(record.data, strict=False)


async def test_the_same_upload_again_is_the_same_image(client: LoopClient):
    images = [NewImage(content=jpeg(seed=1)), NewImage(content=jpeg(seed=2), metadata={"id": "own"}, key="k")]
    first = await client.images.upload(images)
    again = await client.images.upload([*images, NewImage(content=jpeg(seed=2), metadata={"id": "own"})])
    assert [image.id for image in again] == [first[0].id, "own", "own"]
    assert [image.stored for image in again] == [False, False, False]


@pytest.mark.parametrize(
    ("metadata", "word"),
    [
        pytest.param({"id": "../x"}, "id", id="an id that is no name"),
        pytest.param({"id": "taken"}, "taken", id="the id of another image"),
        pytest.param({"set": "validation"}, "set", id="no such set"),
        pytest.param({"properties": {"a": "x" * 70_000}}, "properties", id="endless properties"),
        pytest.param(
            {"segmentation_annotations": [{"category_name": "hair", "shape": {"points": TRIANGLE["points"][:2]}}]},
            "points",
            id="two corners",
        ),
        pytest.param(
            {"box_annotations": [{"category_name": "face", **BOX, "id": "known"}]}, "known", id="the id of another box"
        ),
        pytest.param(
            {"box_annotations": [{"category_name": "face", **BOX, "id": "two"}] * 2}, "two", id="one id for two boxes"
        ),
    ],
)
async def test_an_upload_that_is_refused_stores_nothing(client: LoopClient, metadata: dict[str, Any], word: str):
    box = {"category_name": "face", **BOX, "id": "known"}
    await client.images.upload([NewImage(content=jpeg(seed=1), metadata={"id": "taken", "box_annotations": [box]})])
    with pytest.raises(InvalidRequestError, match=word):
        await client.images.upload([NewImage(content=jpeg(seed=2)), NewImage(content=jpeg(seed=3), metadata=metadata)])
    assert await client.images.ids() == ["taken"]


# --- changes of images


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"state": "trash"}, {"state": "trash"}, id="state"),
        pytest.param({"set": "val"}, {"set": "val"}, id="set"),
        pytest.param({"name": "n"}, {"name": "n"}, id="name"),
        pytest.param({"name": ""}, {"name": None}, id="no name"),
        pytest.param({"properties": {"a": 1}}, {"properties": {"a": 1}}, id="properties"),
        pytest.param({"tags": ["x"]}, {"tags": ["x"]}, id="tags replaced"),
        pytest.param({"tags": []}, {"tags": []}, id="no tags"),
        pytest.param({"add_tags": ["c", "a"]}, {"tags": ["a", "b", "c"]}, id="tags added"),
        pytest.param({"remove_tags": ["a", "z"], "add_tags": ["d"]}, {"tags": ["b", "d"]}, id="tags moved"),
    ],
)
async def test_changes(client: LoopClient, change: dict[str, Any], expected: dict[str, Any]):
    image = await stored(client, name="first", tags=["a", "b"])
    [changed] = await client.images.change([ImageChange(id=image.id, version=1, **change)])
    assert {name: getattr(changed, name) for name in expected} == expected
    assert (changed.version, changed.changed_by) == (2, "admin")
    again = await client.images.get(image.id)
    assert {name: getattr(again, name) for name in expected} == expected
    counts = await client.images.counts()
    assert set(counts.tag) == set(again.tags)
    assert counts.state == {again.state: 1}
    assert counts.set == {again.set: 1}


async def test_a_change_that_changes_nothing_counts_no_version(client: LoopClient, image: ImageRecord):
    [same] = await client.images.change([ImageChange(id=image.id, version=1, state="inbox", add_tags=[])])
    assert same.version == 1


async def test_a_change_made_from_an_old_version_says_who_was_first(client: LoopClient, image: ImageRecord):
    other = await stored(client, seed=2)
    await client.images.change([ImageChange(id=image.id, version=1, state="review")])
    with pytest.raises(OutdatedError, match=f"image {image.id} has version 2 since admin changed it, not 1") as error:
        await client.images.change(
            [ImageChange(id=other.id, version=1, state="trash"), ImageChange(id=image.id, version=1, state="trash")]
        )
    [conflict] = error.value.conflicts
    assert (conflict["kind"], conflict["id"], conflict["version"], conflict["present"], conflict["changed_by"]) == (
        "image",
        image.id,
        1,
        2,
        "admin",
    )
    assert {record.state for record in await client.images.list()} == {"review", "inbox"}, "all or nothing"


async def test_all_conflicts_of_many_changes_are_listed(client: LoopClient):
    ids = [(await stored(client, seed=number)).id for number in range(8)]
    await client.images.change([ImageChange(id=id_, version=1, set="val") for id_ in ids])
    with pytest.raises(OutdatedError, match="and 2 more") as error:
        await client.images.change([ImageChange(id=id_, version=2 if id_ == ids[0] else 1, set="test") for id_ in ids])
    assert [conflict["id"] for conflict in error.value.conflicts] == ids[1:]


@pytest.mark.parametrize(
    ("changes", "error", "word"),
    [
        pytest.param([{"id": "unknown", "version": 1}], NotFoundError, "unknown", id="unknown image"),
        pytest.param([{"id": "i", "version": 1}] * 2, InvalidRequestError, "twice", id="twice"),
        pytest.param([{"id": "i", "version": 1, "state": "lost"}], InvalidRequestError, "state", id="no state"),
        pytest.param([{"id": "i", "version": 0}], InvalidRequestError, "version", id="no version"),
        pytest.param(
            [{"id": "i", "version": 1, "tags": [], "add_tags": ["a"]}], InvalidRequestError, "tags", id="both"
        ),
    ],
)
async def test_changes_that_cannot_be(
    client: LoopClient, changes: list[dict[str, Any]], error: type[NodeError], word: str
):
    await stored(client, id="i")
    with pytest.raises(error, match=word):
        await client.images.change([ImageChange(**change) for change in changes])
    assert (await client.images.get("i")).version == 1


async def test_more_than_a_thousand_changes_at_once_are_refused(loop: RunningLoop, place: str):
    body = {"images": [{"id": str(number), "version": 1} for number in range(1001)]}
    async with loop.admin.patch(f"/api{place}/images", json=body) as answer:
        assert answer.status == 422
    async with loop.admin.patch(f"/api{place}/images", data=BytesIO(b" " * (2**20 + 1))) as answer:
        assert answer.status == 413, "only uploads may be large"


async def test_one_image_is_changed_and_deleted_by_its_own_address(loop: RunningLoop, place: str, image: ImageRecord):
    changed = await loop.json("PATCH", f"{place}/images/{image.id}", json={"version": 1, "state": "complete"})
    assert (changed["version"], changed["state"]) == (2, "complete")
    async with loop.admin.patch(f"/api{place}/images/{image.id}", json={"version": 1, "state": "inbox"}) as answer:
        body = await answer.json()
        assert (answer.status, body["code"], body["conflicts"][0]["present"]) == (409, "outdated", 2)
    async with loop.admin.delete(f"/api{place}/images/{image.id}?version=1") as answer:
        assert answer.status == 409
    assert (await loop.json("DELETE", f"{place}/images/{image.id}?version=2"))["deleted"]


async def test_of_two_clients_that_change_the_same_at_once_one_is_told(client: LoopClient, image: ImageRecord):
    """Both read, add a tag of their own, write; who is refused reads again. In the end no tag is missing."""

    async def tag(name: str) -> int:
        refused = 0
        for number in range(5):
            while True:
                present = await client.images.get(image.id)
                assert present.version is not None
                try:
                    tags = [*present.tags, f"{name}{number}"]
                    await client.images.change([ImageChange(id=image.id, version=present.version, tags=tags)])
                    break
                except OutdatedError:
                    refused += 1
        return refused

    refused = await asyncio.gather(*(tag(name) for name in "abcd"))
    final = await client.images.get(image.id)
    assert sorted(final.tags) == sorted(f"{name}{number}" for name in "abcd" for number in range(5))
    assert final.version == 1 + 20
    assert sum(refused) > 0, "they did not meet; the test shows nothing"


# --- deleting and restoring


async def test_a_deleted_image_is_gone_until_it_is_restored(loop: RunningLoop, place: str, client: LoopClient):
    image = await stored(client, tags=["t"])
    await client.annotations.create(NewAnnotation(image_id=image.id, category_id="face", geometry=BOX))
    [deleted] = await client.images.delete({image.id: 2})
    assert (deleted.version, deleted.deleted is not None) == (3, True)
    assert await client.images.list() == []
    assert [record async for record in client.images.find()] == []
    assert (await client.images.counts()).tag == {}
    for path in ("", "/main", "/thumbnail"):
        async with loop.admin.get(f"/api{place}/images/{image.id}{path}") as answer:
            assert answer.status == 404
    only = [record async for record in client.images.find(ImageFilter(tag=["t"], deleted="only"))]
    assert [(record.id, record.version) for record in only] == [(image.id, 3)]
    with pytest.raises(RefusedError, match="restore"):
        await client.images.change([ImageChange(id=image.id, version=3, state="trash")])
    with pytest.raises(RefusedError, match="restore"):
        await client.annotations.create(NewAnnotation(image_id=image.id, category_id="face", geometry=BOX))
    await client.images.restore({image.id: 3})
    record = await client.images.get(image.id)
    assert (record.version, record.deleted, len(record.annotations)) == (4, None, 1)
    assert (await client.images.counts()).tag == {"t": 1}


async def test_delete_and_restore_name_the_version(client: LoopClient, image: ImageRecord):
    with pytest.raises(OutdatedError):
        await client.images.delete({image.id: 2})
    await client.images.delete({image.id: 1})
    with pytest.raises(OutdatedError):
        await client.images.restore({image.id: 1})


async def test_after_its_grace_period_an_image_is_lost(tmp_path: Path):
    async with running_loop(tmp_path, grace_period_days=0) as loop:
        await loop.create_project(CATEGORIES)
        same, other = jpeg(seed=1), jpeg(seed=2)
        ids = [entry["id"] for entry in await loop.post_images([same, same, other], metadata={"tags": ["t"]})]
        body = {"images": [{"id": id_, "version": 1} for id_ in (ids[0], ids[2])]}
        await loop.json("POST", f"{P}/images/delete", json=body)
        server = loop.app.state.loop
        make_old(server.folder / "blobs")
        assert await server.cleaning.remove_expired() == 2
        async with loop.admin.post(
            f"/api{P}/images/restore", json={"images": [{"id": ids[0], "version": 2}]}
        ) as answer:
            assert answer.status == 404
        assert await loop.image_content(ids[1]) == same, "another image has the same content"
        assert len(blobs_in(server.folder)) == 1
        assert (await loop.json("GET", f"{P}/images/counts"))["tag"] == {"t": 1}


async def test_values_that_no_image_has_any_more_are_forgotten(loop: RunningLoop, place: str, client: LoopClient):
    kept, gone = await stored(client, tags=["kept"]), await stored(client, tags=["gone"])
    deleted = await stored(client, tags=["deleted"])
    await client.images.change([ImageChange(id=gone.id, version=1, tags=["new"])])
    await client.images.delete({deleted.id: 1})
    server = loop.app.state.loop
    await server.cleaning.remove_unused_facets()
    async with server.database.reading() as session:
        query = select(FacetRow.value).join(ProjectRow, ProjectRow.id == FacetRow.project_id)
        here = (ProjectRow.name == client.context.project, FacetRow.kind == "tag")
        tags = (await session.scalars(query.where(*here))).all()
    assert sorted(tags) == ["deleted", "kept", "new"]
    await client.images.restore({deleted.id: 2})
    await client.images.change([ImageChange(id=kept.id, version=1, add_tags=["gone"])])
    assert (await client.images.counts()).tag == {"deleted": 1, "gone": 1, "kept": 1, "new": 1}


async def test_contents_that_nothing_uses_are_found(loop: RunningLoop, client: LoopClient):
    image = await stored(client)
    server = loop.app.state.loop
    [orphan, fresh] = await server.blobs.write_all([b"left by a crash", b"somebody is just storing it"])
    make_old(server.folder / "blobs", but=fresh.sha256)
    assert await server.cleaning.remove_orphans() == 1
    assert {orphan.sha256, fresh.sha256} - blobs_in(server.folder) == {orphan.sha256}
    assert await client.images.content(image.id)


# --- annotations


@pytest.mark.parametrize(
    ("category", "geometry", "kind"),
    [
        pytest.param("face", BOX, "box", id="box"),
        pytest.param("nose", {"x": -1.5, "y": 0}, "point", id="point"),
        pytest.param("hair", {"shape": TRIANGLE}, "segmentation", id="segmentation"),
        pytest.param("day", {}, "classification", id="classification"),
    ],
)
async def test_annotations_of_all_kinds(
    client: LoopClient, image: ImageRecord, category: str, geometry: dict[str, Any], kind: str
):
    new = NewAnnotation(image_id=image.id, category_name=category, geometry=geometry, properties={"p": [1]})
    made = await client.annotations.create(new)
    assert (made.kind, made.category_id, made.geometry, made.properties) == (kind, category, geometry, {"p": [1]})
    assert (made.version, made.image_version) == (1, 2)
    changed = await client.annotations.change(AnnotationChange(id=made.id, version=1, properties={"p": 2}))
    assert (changed.version, changed.image_version, changed.properties) == (2, 3, {"p": 2})
    record = await client.images.get(image.id)
    assert [(entry.id, entry.version, entry.geometry) for entry in record.annotations] == [(made.id, 2, geometry)]
    counts = await client.images.counts()
    assert (counts.category, counts.annotated) == ({category: 1}, {"yes": 1})
    deleted = await client.annotations.delete(made.id, 2)
    assert (deleted.id, deleted.image_version) == (made.id, 4)
    counts = await client.images.counts()
    assert (counts.category, counts.annotated) == ({}, {"no": 1})
    with pytest.raises(NotFoundError, match=made.id):
        await client.annotations.delete(made.id, 2)


async def test_part_of_a_geometry_and_the_category_are_changed(client: LoopClient, image: ImageRecord):
    made = await client.annotations.create(NewAnnotation(image_id=image.id, category_id="face", geometry=BOX))
    changed = await client.annotations.change(
        AnnotationChange(id=made.id, version=1, geometry={"x": 7}, category_id="eye")
    )
    assert (changed.geometry, changed.category_name) == (BOX | {"x": 7}, "eye")
    assert (await client.images.counts()).category == {"eye": 1}


@pytest.mark.parametrize(
    ("new", "word"),
    [
        pytest.param({"category_id": "face", **BOX, "width": 0}, "width", id="no width"),
        pytest.param({"category_id": "face", "x": 1, "y": 1}, "width", id="a box without size"),
        pytest.param({"category_id": "nose", **BOX}, "width", id="a point with a size"),
        pytest.param({"category_id": "hair", "shape": {"points": []}}, "points", id="no corners"),
        pytest.param({"category_id": "day", "x": 1}, "x", id="a classification with a place"),
        pytest.param({"category_id": "unknown", **BOX}, "unknown", id="unknown category"),
        pytest.param({"category_name": "unknown", **BOX}, "face", id="unknown name"),
        pytest.param({**BOX}, "category", id="no category"),
        pytest.param({"category_id": "face", "kind": "point", "x": 1, "y": 2}, "kind", id="another kind"),
        pytest.param({"category_id": "face", **BOX, "x": True}, "x", id="no number"),
        pytest.param({"category_id": "face", **BOX, "x": "1"}, "x", id="text"),
        pytest.param({"category_id": "face", **BOX, "x": 1e999}, "x|JSON", id="infinite"),
        pytest.param({"category_id": "face", **BOX, "id": "a b"}, "id", id="an id that is no name"),
    ],
)
async def test_annotations_that_make_no_sense(
    loop: RunningLoop, place: str, image: ImageRecord, new: dict[str, Any], word: str
):
    many = {"create": [new | {"image_id": image.id}]}
    for path, body in ((f"images/{image.id}/annotations", new), ("annotations", many)):
        async with loop.admin.post(f"/api{place}/{path}", json=body) as answer:
            assert answer.status == 422
            text = (await answer.json())["detail"]
            assert any(part in text for part in word.split("|"))
    assert (await loop.json("GET", f"{place}/images/{image.id}"))["version"] == 1


async def test_a_change_of_an_annotation_is_a_change_of_its_image(client: LoopClient, image: ImageRecord):
    """Who says that an image is complete has seen all that is in it."""
    await client.annotations.create(NewAnnotation(image_id=image.id, category_id="face", geometry=BOX))
    with pytest.raises(OutdatedError):
        await client.images.change([ImageChange(id=image.id, version=1, state="complete")])
    new = NewAnnotation(image_id=image.id, category_id="face", geometry=BOX, image_version=1)
    with pytest.raises(OutdatedError) as error:
        await client.annotations.create(new)
    assert [(conflict["kind"], conflict["present"]) for conflict in error.value.conflicts] == [("image", 2)]


async def test_many_annotations_are_applied_together_or_not_at_all(client: LoopClient, image: ImageRecord):
    other = await stored(client, seed=2)
    box = NewAnnotation(image_id=image.id, category_id="face", geometry=BOX)
    first = await client.annotations.apply(create=[box, box, NewAnnotation(image_id=other.id, category_id="day")])
    one, two, day = first.created
    assert {entry.image_version for entry in first.created} == {2}, "one change of each image"
    await client.annotations.change(AnnotationChange(id=two.id, version=1, geometry={"x": 0}))
    with pytest.raises(OutdatedError) as error:
        await client.annotations.apply(
            create=[box, NewAnnotation(image_id=other.id, category_id="day", image_version=1)],
            change=[AnnotationChange(id=one.id, version=1, geometry={"x": 5})],
            delete={two.id: 1, day.id: 1},
        )
    conflicts = [(conflict["kind"], conflict["id"]) for conflict in error.value.conflicts]
    assert conflicts == [("image", other.id), ("annotation", two.id)]
    assert len((await client.images.get(image.id)).annotations) == 2
    done = await client.annotations.apply(
        create=[box], change=[AnnotationChange(id=one.id, version=1, geometry={"x": 5})], delete={two.id: 2, day.id: 1}
    )
    assert [entry.geometry["x"] for entry in (*done.created, *done.changed)] == [1, 5]
    assert [entry.id for entry in done.deleted] == [two.id, day.id]
    assert (await client.images.get(other.id)).annotations == []


async def test_an_annotation_with_an_id_of_its_own_is_made_once(client: LoopClient, image: ImageRecord):
    new = NewAnnotation(image_id=image.id, category_id="face", geometry=BOX, id="mine")
    assert (await client.annotations.create(new)).id == "mine"
    with pytest.raises(RefusedError, match="mine"):
        await client.annotations.create(new)


async def test_of_two_clients_that_move_the_same_box_at_once_one_is_told(client: LoopClient, image: ImageRecord):
    made = await client.annotations.create(
        NewAnnotation(image_id=image.id, category_id="face", geometry=BOX | {"x": 0})
    )

    async def push() -> None:
        for _ in range(5):
            while True:
                [box] = (await client.images.get(image.id)).annotations
                try:
                    change = AnnotationChange(id=box.id, version=box.version, geometry={"x": box.geometry["x"] + 1})
                    await client.annotations.change(change)
                    break
                except OutdatedError:
                    pass

    await asyncio.gather(*(push() for _ in range(4)))
    [box] = (await client.images.get(image.id)).annotations
    assert (box.id, box.geometry["x"], box.version) == (made.id, 20, 21)


# --- detections that come later


async def test_detections_of_a_model_replace_its_former_ones(loop: RunningLoop, place: str, client: LoopClient):
    found = {"category_name": "face", **BOX, "confidence": 0.5}
    image = await stored(client, box_detections=[found | {"model_name": "1.0"}, found | {"model_name": "1.1"}])
    shape = {"points": [{"x": 1, "y": 2}, {"x": 3, "y": 4}]}
    entry = {
        "image_id": image.id,
        "box_detections": [found | {"model_name": "1.1", "confidence": 90, "x": number} for number in (5, 6)],
        "segmentation_detections": [{"category_name": "hair", "shape": shape, "model_name": "1.2", "confidence": 0.1}],
    }
    for _ in range(2):
        await loop.json("POST", f"{place}/detections", json=[entry])
    record = await client.images.get(image.id)
    assert [(box["model_name"], box["x"]) for box in record.data["box_detections"]] == [
        ("1.0", 1),
        ("1.1", 5),
        ("1.1", 6),
    ]
    assert [entry["shape"] for entry in record.data["segmentation_detections"]] == [shape]
    counts = await client.images.counts()
    assert (counts.model, counts.category) == ({"1.0": 1, "1.1": 1, "1.2": 1}, {"face": 1, "hair": 1})
    assert record.version == 1


async def test_many_detections_come_in_portions_and_none_is_lost(loop: RunningLoop, place: str, client: LoopClient):
    image, other = [await stored(client) for _ in range(2)]
    found = [{"category_name": "face", "model_name": "1.0", "confidence": 0.5, **BOX}] * (AT_ONCE // 2 + 1)
    entries = [{"image_id": id_, "box_detections": found} for id_ in (image.id, other.id, image.id)]
    async with loop.admin.post(f"/api{place}/detections", json=[*entries, {"image_id": "unknown"}]) as answer:
        assert answer.status == 404
    assert (await client.images.counts()).model == {}
    await loop.json("POST", f"{place}/detections", json=entries)
    kept = [len((await client.images.get(id_)).data["box_detections"]) for id_ in (image.id, other.id)]
    assert kept == [2 * len(found), len(found)]


@pytest.mark.parametrize(
    ("body", "path", "status"),
    [
        pytest.param([{"image_id": "unknown"}], None, 404, id="unknown image"),
        pytest.param([], "/zauberzeug/projects/unknown", 404, id="unknown project"),
        pytest.param({"image_id": "x"}, None, 422, id="no list"),
        pytest.param([{}], None, 422, id="no image"),
        pytest.param([{"image_id": "i", "box_detections": [{"x": 1}]}], None, 422, id="half a box"),
    ],
)
async def test_detections_that_cannot_be_kept(loop: RunningLoop, place: str, body: Any, path: str | None, status: int):
    async with loop.admin.post(f"/api{path or place}/detections", json=body) as answer:
        assert answer.status == status, await answer.text()


# --- thumbnails


@pytest.mark.parametrize(
    ("size", "shape"), [(128, (128, 96)), (256, (256, 192)), (1024, (400, 300))], ids=["small", "medium", "not larger"]
)
async def test_thumbnails(loop: RunningLoop, client: LoopClient, size: int, shape: tuple[int, int]):
    image = await stored(client, content=jpeg(400, 300))
    thumbnail = await client.images.thumbnail(image.id, size)
    assert size_of(thumbnail) == shape
    [file] = (loop.app.state.loop.folder / "thumbnails").rglob(f"*-{size}.jpg")
    file.write_bytes(thumbnail[:100])
    assert await client.images.thumbnail(image.id, size) == thumbnail, "a damaged one is made anew"


@pytest.mark.parametrize("kind", ["main", "thumbnail"])
async def test_a_picture_is_sent_once_to_who_may_see_it(
    loop: RunningLoop, place: str, client: LoopClient, image: ImageRecord, kind: str
):
    url = f"/api{place}/images/{image.id}/{kind}"
    async with loop.admin.get(url) as answer:
        assert (answer.status, answer.content_type) == (200, "image/jpeg")
        assert answer.headers["Cache-Control"] == "private, no-cache", "who asks next may be somebody else"
        has_it = {"If-None-Match": answer.headers["ETag"]}
    async with loop.admin.get(url, headers=has_it) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    async with loop.nobody.get(url, headers=has_it) as answer:
        assert answer.status == 401
    await client.images.delete({image.id: 1})
    async with loop.admin.get(url, headers=has_it) as answer:
        assert answer.status == 404


async def test_a_thumbnail_has_one_of_a_few_sizes(loop: RunningLoop, place: str, image: ImageRecord):
    async with loop.admin.get(f"/api{place}/images/{image.id}/thumbnail?size=100") as answer:
        assert answer.status == 422
        assert "128, 256, 512, 1024" in (await answer.json())["detail"]


# --- notices


async def test_every_change_is_told(loop: RunningLoop, client: LoopClient):
    image = await stored(client)
    made = await client.annotations.create(NewAnnotation(image_id=image.id, category_id="day"))
    await client.images.change([ImageChange(id=image.id, version=2, state="review")])
    await client.images.delete({image.id: 3})
    told = [change for change in loop.app.state.loop.changes._remembered if change.project == client.context.project]
    here = [(change.subject, list(change.ids)) for change in told if change.subject in ("images", "annotations")]
    assert here == [
        ("images", [image.id]),
        ("annotations", [made.id]),
        ("images", [image.id]),
        ("images", [image.id]),
        ("images", [image.id]),
    ]


async def stored(client: LoopClient, *, seed: int = 0, content: bytes | None = None, **metadata: Any) -> ImageRecord:
    [result] = await client.images.upload([NewImage(content=content or jpeg(seed=seed), metadata=metadata)])
    return await client.images.get(result.id)


def make_old(blobs: Path, but: str = "") -> None:
    """As if everything but this had been stored yesterday."""
    for file in blobs.rglob("*"):
        if file.is_file() and file.name != but:
            os.utime(file, (1, 1))


def blobs_in(folder: Path) -> set[str]:
    return {file.name for file in (folder / "blobs").rglob("*") if file.is_file()}


def size_of(image: bytes) -> tuple[int, int]:
    header = read_header(image, max_pixels=10**9)
    return header.width, header.height
