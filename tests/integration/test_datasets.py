"""Data sets into the real loop and out again, as `learning-loop import` and `export` do."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from learning_loop_node.cli import app
from learning_loop_node.cli.exit_status import ExitStatus
from learning_loop_node.client.annotations import AnnotationChange, NewAnnotation
from learning_loop_node.client.http import LoopHttp
from learning_loop_node.client.loop import LoopClient
from learning_loop_node.datasets import (
    Dataset,
    DatasetCategory,
    DatasetImage,
    Format,
    Point,
    dataset_writer,
    read_dataset,
)
from learning_loop_node.datasets.dataset import Box, DatasetAnnotation, Geometry, Outline, Whole
from learning_loop_node.datasets.loop_records import LARGEST_PROPERTIES_BYTES
from learning_loop_node.enums import CategoryType as Type
from tests.builders import make_category
from tests.datasets import comparable, content_of, png, put
from tests.integration.test_client_with_loop import settings_of
from tests.loop import RunningLoop, running_loop
from tests.polling import until
from tests.unit.datasets.test_coco import assert_says, coco_2017, roboflow, written_file
from tests.unit.datasets.test_yolo import coco8_pose

Command = Callable[..., Any]


@pytest.fixture
async def loop(tmp_path: Path) -> AsyncIterator[RunningLoop]:
    async with running_loop(tmp_path) as running:
        yield running


@pytest.fixture
async def client(loop: RunningLoop) -> AsyncIterator[LoopClient]:
    async with LoopHttp(settings_of(loop)) as http:
        yield LoopClient(http)


@pytest.fixture
def command(loop: RunningLoop) -> Command:
    """Runs `learning-loop` beside the loop; gives exit status, standard output and what was complained about."""
    options = ["--host", loop.host, "--username", "admin", "--password", "secret", "--organization", "zauberzeug"]

    async def run(*arguments: Any, project: str = "demo") -> Any:
        texts = [*map(str, arguments), *options, "--project", project]
        return await asyncio.to_thread(CliRunner().invoke, app, texts)

    return run


def all_kinds() -> tuple[Dataset, list[DatasetImage]]:
    categories = [
        DatasetCategory(
            id=f"{type_}-id",
            name=f"a {type_}",
            type=type_,
            color="#102030",
            hotkey=str(index),
            description="said",
            point_size=7 if type_ == Type.Point else None,
            properties={"mine": index},
        )
        for index, type_ in enumerate(Type)
    ]
    geometries: list[Geometry] = [
        Box(x=1, y=2.25, width=3, height=4),
        Point(x=5.5, y=6),
        Outline(points=[(1, 1), (9.125, 1), (9, 9)]),
        Whole(),
    ]
    images = [
        DatasetImage(
            id=f"image-{number}",
            width=20 + number,
            height=30,
            name=f"{number}.png" if number else None,
            set=set_,
            state="review",
            tags=["a tag"],
            source="robot",
            created="2026-01-02T03:04:05",
            properties={"n": number},
            annotations=[
                DatasetAnnotation(
                    id=f"{number}-{index}",
                    category_id=category.id,
                    geometry=geometries[index],
                    properties={"p": index},
                )
                for index, category in enumerate(categories)
            ],
        )
        for number, set_ in enumerate(["train", "val", "test", "train"])
    ]
    return Dataset(categories=categories, images=images), images


def written(folder: Path, dataset: Dataset, images: list[DatasetImage]) -> Path:
    with dataset_writer(folder, Format.Coco, dataset.categories) as writer:
        for image in images:
            writer.add(image, content_of(image))
        writer.finish()
    return folder


async def test_all_kinds_go_in_and_come_out_as_they_were(tmp_path: Path, command: Command):
    dataset, images = all_kinds()
    folder = written(tmp_path / "in", dataset, images)
    result = await command("import", folder, "--create")
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        "4 images for zauberzeug/demo: 4 sent, 0 there already; "
        "annotations sent: 4 box, 4 classification, 4 point, 4 segmentation; categories: 0 known, 4 made\n"
    )
    result = await command("export", tmp_path / "out", "--format", "coco")
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        f"4 images in {tmp_path}/out; annotations: 4 box, 4 classification, 4 point, 4 segmentation; categories: 4\n"
    )
    assert comparable(read_dataset(tmp_path / "out")) == comparable(read_dataset(folder))
    assert (tmp_path / "out/images/val/1.png").read_bytes() == png(21, 30)


async def test_doing_it_again_stores_nothing_twice(tmp_path: Path, command: Command, client: LoopClient):
    put(tmp_path / "in", roboflow())
    first = await command("import", tmp_path / "in", "--create", "--json")
    again = await command("import", tmp_path / "in", "--json")
    assert [json.loads(result.stdout)["sent"] for result in (first, again)] == [2, 0]
    assert json.loads(again.stdout) == {
        "images": 2,
        "sent": 0,
        "there_already": 2,
        "deleted": [],
        "annotations": {},
        "categories_created": 0,
        "categories_matched": 2,
        "skipped": {},
        "notes": [],
    }
    assert (await client.images.counts()).total == 2


async def test_images_that_are_there_stay_as_they_are(tmp_path: Path, command: Command, client: LoopClient):
    dataset, images = all_kinds()
    await command("import", written(tmp_path / "one", dataset, images), "--create")
    images[0].annotations, images[0].tags = [], ["another tag"]
    result = await command("import", written(tmp_path / "changed", dataset, images))
    assert "0 sent, 4 there already, which stay as they are; annotations sent: none" in result.stdout
    (record,) = await client.images.get_many(["image-0"])
    assert (len(record.annotations), record.tags) == (4, ["a tag"])


async def test_properties_that_a_loop_does_not_keep(tmp_path: Path, command: Command, client: LoopClient):
    """Of an image they may just be as large as possible, and of an annotation they are one byte larger."""
    dataset, images = all_kinds()
    images[0].properties = {"text": "x" * (LARGEST_PROPERTIES_BYTES - len('{"text":""}'))}
    images[0].annotations[0].properties = {"text": "x" * (LARGEST_PROPERTIES_BYTES - len('{"text":""}') + 1)}
    folder = written(tmp_path / "in", dataset, images)
    refused = await command("import", folder, "--create")
    assert refused.exit_code == 1
    assert "image 'image-0', annotation '0-0' has properties larger than a loop keeps (64 KiB" in refused.stderr
    assert await client.projects.list() == []
    result = await command("import", folder, "--create", "--skip-unfit")
    assert result.exit_code == 0, result.output
    assert "left out: 1 × properties larger than a loop keeps (64 KiB of JSON)\n" in result.stdout
    (record,) = await client.images.get_many(["image-0"])
    assert record.properties == images[0].properties
    assert {annotation.id: annotation.properties for annotation in record.annotations} == {
        "0-0": {},
        **{f"0-{index}": {"p": index} for index in (1, 2, 3)},
    }


async def test_an_import_that_broke_off_goes_on(tmp_path: Path, command: Command, client: LoopClient):
    """Images of a batch are stored together, so some may be there and others not."""
    dataset, images = all_kinds()
    written(tmp_path / "some", dataset, images[:2])
    written(tmp_path / "all", dataset, images)
    await command("import", tmp_path / "some", "--create")
    result = await command("import", tmp_path / "all", "--json")
    assert [json.loads(result.stdout)[key] for key in ("sent", "there_already")] == [2, 2]
    assert sorted(await client.images.ids()) == [f"image-{number}" for number in range(4)]


async def test_coco_2017_comes_out_as_it_was(tmp_path: Path, command: Command):
    put(tmp_path / "in", coco_2017())
    result = await command("import", tmp_path / "in", "--create")
    assert "captions_val2017.json is not read" in result.stderr
    await command("export", tmp_path / "out", "--format", "coco")
    for kind in ("instances_val", "person_keypoints_val"):
        original = json.loads(str(coco_2017()[f"annotations/{kind}2017.json"]))
        for key in ("images", "annotations", "categories"):
            assert_says(written_file(tmp_path / "out", kind)[key], original[key])
        licenses = written_file(tmp_path / "out", kind)["licenses"]
        assert licenses == [license_ for license_ in original["licenses"] if license_["id"] == 4]


async def test_what_was_labelled_through_the_client_is_exported(tmp_path: Path, command: Command, client: LoopClient):
    """Keypoints of YOLO, one of them moved, one added, one taken away."""
    put(tmp_path / "in", coco8_pose())
    assert (await command("import", tmp_path / "in", "--create")).exit_code == 0
    record = next(record for record in await client.images.list("complete"))
    nose, eye = (a for a in record.annotations if a.kind == Type.Point)
    right = next(c for c in await client.categories.list() if c.name == "person/right_eye")
    new = NewAnnotation(
        image_id=record.id,
        category_id=right.id,
        geometry={"x": 64, "y": 48},
        properties={"object": nose.properties["object"]},
    )
    moved = AnnotationChange(id=nose.id, version=nose.version, geometry={"x": 320, "y": 240})
    await client.annotations.apply(create=[new], change=[moved], delete={eye.id: eye.version})
    result = await command("export", tmp_path / "out", "--format", "yolo", "--state", "complete")
    assert result.exit_code == 0, result.output
    (file,) = (tmp_path / "out/labels").rglob("*.txt")
    numbers = [float(text) for text in file.read_text().split()]
    assert numbers[5:] == [0.5, 0.5, 2, 0, 0, 0, 0.1, 0.1, 2]
    assert numbers[:5] == pytest.approx([0, 0.671279, 0.617945, 0.645759, 0.726859])


async def test_filters_and_types_of_an_export(tmp_path: Path, command: Command):
    dataset, images = all_kinds()
    images[0].tags, images[1].state = ["other"], "inbox"
    await command("import", written(tmp_path / "in", dataset, images), "--create")
    names = {}
    for name, options in {
        "states": ["--state", "inbox", "--state", "review", "--set", "train", "--set", "val"],
        "tag": ["--tag", "other"],
    }.items():
        result = await command("export", tmp_path / name, "--format", "coco", *options)
        assert result.exit_code == 0, result.output
        names[name] = sorted(image.id for image in read_dataset(tmp_path / name).images)
    assert names == {
        "states": ["image-0", "image-1", "image-3"],
        "tag": ["image-0"],
    }
    refused = await command("export", tmp_path / "yolo", "--format", "yolo")
    assert refused.exit_code == 1
    assert "choose with --type" in refused.stderr
    assert not (tmp_path / "yolo").exists()
    boxes = await command("export", tmp_path / "yolo", "--format", "yolo", "--type", "box", "--json")
    assert json.loads(boxes.stdout) == {
        "images": 4,
        "annotations": {"box": 4},
        "categories": 1,
        "skipped": {f"{type_} annotations, which were not asked for": 4 for type_ in Type if type_ != Type.Box},
        "notes": {},
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "--create makes it", id="no project"),
        pytest.param(["--format", "yolo"], "holds no YOLO data set", id="other format"),
    ],
)
async def test_what_an_import_refuses(tmp_path: Path, command: Command, arguments: list[str], message: str):
    result = await command("import", put(tmp_path / "in", roboflow()), *arguments)
    assert result.exit_code != 0
    assert message in result.stderr


async def test_a_misspelled_state_is_refused_before_anything_is_made(
    tmp_path: Path, command: Command, client: LoopClient
):
    result = await command("import", put(tmp_path / "in", roboflow()), "--create", "--state", "finished")
    assert result.exit_code == 2
    assert "'finished' is not one of" in result.stderr
    assert "Value error" not in result.stderr
    assert await client.projects.list() == []


async def test_categories_are_matched_by_name_and_type(tmp_path: Path, command: Command, client: LoopClient):
    await client.projects.create(client.context, [make_category("pear", id="0"), "apple"])
    put(tmp_path / "in", roboflow())
    lacking = await command("import", tmp_path / "in")
    assert "lacks the categories fruits (box); --create makes them" in lacking.stderr
    assert (await client.images.counts()).total == 0
    result = await command("import", tmp_path / "in", "--create", "--json")
    assert [json.loads(result.stdout)[key] for key in ("categories_matched", "categories_created")] == [1, 1]
    apple = next(category for category in await client.categories.list() if category.name == "apple")
    records = await client.images.list()
    assert {annotation.category_id for record in records for annotation in record.annotations} == {apple.id}
    assert sorted(category.name for category in await client.categories.list()) == ["apple", "fruits", "pear"]


async def test_a_category_of_another_type_is_refused(tmp_path: Path, command: Command, client: LoopClient):
    await client.projects.create(client.context, [make_category("apple", type=Type.Point)])
    result = await command("import", put(tmp_path / "in", roboflow()), "--create")
    assert result.exit_code == 1
    assert "category 'apple' (1, type box) has the name of one of type point" in result.stderr


async def test_other_data_with_the_same_ids_needs_new_ones(tmp_path: Path, command: Command, client: LoopClient):
    dataset, images = all_kinds()
    await command("import", written(tmp_path / "one", dataset, images[:1]), "--create")
    images[0].width += 50
    other = written(tmp_path / "other", dataset, images[:1])
    refused = await command("import", other)
    assert refused.exit_code == ExitStatus.REFUSED
    assert "--new-ids lets the loop choose ids" in refused.stderr
    assert "the loop refused: image 'image-0': its id belongs to another image" in refused.stderr
    result = await command("import", other, "--new-ids", "--json")
    assert json.loads(result.stdout)["sent"] == 1
    assert (await client.images.counts()).total == 2
    again = await command("import", other, "--new-ids", "--json")
    assert json.loads(again.stdout)["there_already"] == 1


async def test_images_deleted_at_the_loop_are_counted_apart(tmp_path: Path, command: Command, client: LoopClient):
    put(tmp_path / "in", roboflow())
    first = json.loads((await command("import", tmp_path / "in", "--create", "--json")).stdout)
    records = [record async for record in client.images.find()]
    await client.images.delete({record.id: record.version or 1 for record in records})
    again = await command("import", tmp_path / "in")
    assert f"0 sent, 0 there already, {first['sent']} deleted at the loop" in again.stdout
    assert "learning-loop images restore" in again.stderr


async def test_nothing_is_sent_if_the_end_of_a_data_set_is_broken(tmp_path: Path, command: Command, client: LoopClient):
    put(tmp_path / "in", roboflow() | {"valid/a_jpg.rf.1.png": png(9, 9)})
    result = await command("import", tmp_path / "in", "--create")
    assert result.exit_code == 1
    assert "has 9×9 pixels, but 30×20 are stated" in result.stderr
    assert await client.projects.list() == []


async def test_an_export_into_a_folder_that_is_there_is_refused(tmp_path: Path, command: Command):
    put(tmp_path / "out", {"mine": ""})
    result = await command("export", tmp_path / "out", "--format", "coco")
    assert result.exit_code == 1
    assert "exists already" in result.stderr


async def test_a_refused_image_leaves_those_before_it(tmp_path: Path, command: Command, client: LoopClient):
    """The last of 25 has the id of another image; they are sent in two requests."""
    dataset, images = all_kinds()
    await command("import", written(tmp_path / "one", dataset, [replace(images[0], id="image-24")]), "--create")
    many = [replace(images[0], id=f"image-{number:02}", width=40, annotations=[]) for number in range(25)]
    folder = written(tmp_path / "many", dataset, many)
    result = await command("import", folder)
    assert result.exit_code == ExitStatus.REFUSED
    assert "20 images are stored; the same command goes on from there" in result.stderr
    assert (await client.images.counts()).total == 21


async def test_ctrl_c_says_how_far_an_import_came(tmp_path: Path, loop: RunningLoop, client: LoopClient):
    images = {f"train/images/{number}.png": png(20 + number, 20) for number in range(600)}
    put(tmp_path / "in", images | {"data.yaml": "train: train/images\nnames: [a]\n", "train/labels/0.txt": ""})
    options = ["--host", loop.host, "--username", "admin", "--password", "secret", "--organization", "zauberzeug"]
    command = [sys.executable, "-m", "learning_loop_node", "import", str(tmp_path / "in"), "--create"]
    process = await asyncio.create_subprocess_exec(
        *command, *options, "--project", "demo", stderr=asyncio.subprocess.PIPE
    )

    async def has_begun() -> bool:
        """The first three requests are answered, since there are images of a fourth."""
        return bool(await client.projects.list()) and (await client.images.counts()).total > 60

    await until(has_begun)
    process.send_signal(signal.SIGINT)
    _, complaint = await process.communicate()
    assert process.returncode == ExitStatus.INTERRUPTED
    assert re.search(rb"\d+ images are stored; the same command goes on from there", complaint)
    assert (await client.images.counts()).total < 600
