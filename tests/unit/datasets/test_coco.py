from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_loop_node.datasets import (
    Box,
    Dataset,
    DatasetAnnotation,
    Format,
    Outline,
    Point,
    Shapes,
    Whole,
    dataset_writer,
    find_format,
    read_dataset,
    write_dataset,
)
from learning_loop_node.datasets.coco.rle import mask_of, outlines_of_rle
from learning_loop_node.enums import CategoryType as Type
from learning_loop_node.errors import DatasetError
from learning_loop_node.geometry.polygons import to_mask
from tests.datasets import comparable, empty_folder, png, put
from tests.unit.datasets.test_round_trip import two_hundred

NAMES = ["nose", "left_eye", "right_eye"]
INFO = {"description": "a zoo", "year": 2017, "contributor": "us"}
LICENSES = [{"id": 3, "name": "Attribution", "url": "http://example.com/by"}, {"id": 4, "name": "None", "url": ""}]
IMAGE = {
    "id": 397133,
    "file_name": "000000397133.png",
    "width": 64,
    "height": 48,
    "license": 4,
    "coco_url": "http://images.example.com/397133.jpg",
    "date_captured": "2013-11-14 17:02:52",
}
PERSON = {"id": 1, "name": "person", "supercategory": "person"}
SKELETON = {"keypoints": NAMES, "skeleton": [[2, 1], [1, 3]]}
DOG = {"id": 18, "name": "dog", "supercategory": "animal"}
CROWD = {"size": [48, 64], "counts": [48 * 10 + 5, 10, 38, 10, 48 * 64 - 48 * 10 - 63]}
PERSON_17 = {
    "id": 1768,
    "image_id": 397133,
    "category_id": 1,
    "segmentation": [[10.5, 10, 20, 10, 20, 30.25], [30, 10, 40, 10, 40, 20]],
    "area": 142.7,
    "bbox": [10.49, 10.0, 29.51, 20.25],
    "iscrowd": 0,
}
POSE = {"keypoints": [12, 13, 2, 15, 12, 1, 7, 8, 0], "num_keypoints": 2}
DOG_18 = {
    "id": 900100000018,
    "image_id": 397133,
    "category_id": 18,
    "segmentation": CROWD,
    "area": 20,
    "bbox": [10, 5, 2, 10],
    "iscrowd": 1,
}


def coco_2017() -> dict[str, bytes | str]:
    """An excerpt as COCO gives it: one image, in the files for instances, for persons and for captions."""
    instances = {"info": INFO, "licenses": LICENSES, "images": [IMAGE], "categories": [PERSON, DOG]}
    persons = instances | {"annotations": [PERSON_17 | POSE], "categories": [PERSON | SKELETON]}
    return {
        "annotations/instances_val2017.json": json.dumps(instances | {"annotations": [PERSON_17, DOG_18]}),
        "annotations/person_keypoints_val2017.json": json.dumps(persons),
        "annotations/captions_val2017.json": json.dumps({"images": [IMAGE], "annotations": [{"caption": "a man"}]}),
        "val2017/000000397133.png": png(64, 48),
    }


def roboflow() -> dict[str, bytes | str]:
    """Every split counts from 0, and the first category is the group of the others."""
    files: dict[str, bytes | str] = {}
    for split, x in (("train", 1), ("valid", 2)):
        content = {
            "info": {"year": "2024", "description": "Exported from roboflow.com"},
            "licenses": [{"id": 1, "url": "https://creativecommons.org/licenses/by/4.0/", "name": "CC BY 4.0"}],
            "categories": [
                {"id": 0, "name": "fruits", "supercategory": "none"},
                {"id": 1, "name": "apple", "supercategory": "fruits"},
            ],
            "images": [{"id": 0, "license": 1, "file_name": "a_jpg.rf.1.png", "height": 20, "width": 30}],
            "annotations": [
                {
                    "id": 0,
                    "image_id": 0,
                    "category_id": 1,
                    "bbox": [x, 2, 10.5, 4],
                    "area": 42,
                    "segmentation": [],
                    "iscrowd": 0,
                }
            ],
        }
        files |= {f"{split}/_annotations.coco.json": json.dumps(content), f"{split}/a_jpg.rf.1.png": png(30, 20)}
    return files


def single(**changes: Any) -> dict[str, bytes | str]:
    """One JSON beside a folder of images."""
    content = {
        "images": [{"id": 7, "file_name": "a.png", "width": 30, "height": 20}],
        "categories": [{"id": 1, "name": "apple"}],
        "annotations": [{"id": 5, "image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4]}],
    }
    return {"annotations.json": json.dumps(content | changes), "images/a.png": png(30, 20)}


def annotation(**changes: Any) -> dict[str, Any]:
    return {"annotations": [{"id": 5, "image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4]} | changes]}


def image(**changes: Any) -> dict[str, Any]:
    return {"images": [{"id": 7, "file_name": "a.png", "width": 30, "height": 20} | changes]}


VALID = str(roboflow()["valid/_annotations.coco.json"])


def test_coco_2017(tmp_path: Path):
    dataset = read_dataset(put(tmp_path, coco_2017()))
    assert [(c.id, c.name, c.type) for c in dataset.categories] == [
        ("1", "person", Type.Segmentation),
        *((f"1/{index}", f"person/{name}", Type.Point) for index, name in enumerate(NAMES)),
        ("18", "dog", Type.Segmentation),
    ]
    (found,) = dataset.images
    assert (found.id, found.set, found.name) == ("397133", "val", "000000397133.png")
    assert [(a.id, a.category_id, a.geometry) for a in found.annotations] == [
        ("1768", "1", Outline(points=[(10.5, 10), (20, 10), (20, 30.25)])),
        ("1768_1", "1", Outline(points=[(30, 10), (40, 10), (40, 20)])),
        ("1768_k0", "1/0", Point(x=12, y=13)),
        ("1768_k1", "1/1", Point(x=15, y=12)),
        ("900100000018", "18", Outline(points=[(10, 5), (12, 5), (12, 15), (10, 15)])),
    ]
    assert len(dataset.notes) == 1
    assert "captions" in dataset.notes[0]


def test_coco_2017_is_written_as_it_was(tmp_path: Path):
    dataset = read_dataset(put(tmp_path / "in", coco_2017()))
    write_dataset(dataset, tmp_path / "out", Format.Coco)
    written = {kind: written_file(tmp_path / "out", kind) for kind in ("instances_val", "person_keypoints_val")}
    assert written["instances_val"]["info"] == INFO
    assert written["instances_val"]["licenses"] == LICENSES
    assert_says(written["instances_val"]["images"], [IMAGE])
    assert_says(written["instances_val"]["categories"], [PERSON, DOG])
    assert_says(written["instances_val"]["annotations"], [PERSON_17, DOG_18])
    assert_says(written["person_keypoints_val"]["categories"], [PERSON | SKELETON])
    assert_says(written["person_keypoints_val"]["annotations"], [PERSON_17 | POSE])


def test_what_was_moved_is_written_as_it_is_now(tmp_path: Path):
    """Area, box and run lengths of a foreign data set are those of a geometry that is no more."""
    dataset = read_dataset(put(tmp_path / "in", coco_2017()))
    (found,) = dataset.images
    found.annotations[0].geometry = Outline(points=[(0, 0), (8, 0), (8, 8), (0, 8)])
    found.annotations[4].geometry = Outline(points=[(0, 0), (2, 0), (2, 2), (0, 2)])
    write_dataset(Dataset(categories=dataset.categories, images=[found]), tmp_path / "out", Format.Coco)
    person, dog = written_file(tmp_path / "out", "instances_val")["annotations"]
    assert (person["id"], person["bbox"], person["area"]) == (1768, [0, 0, 40, 20], 64 + 50)
    assert (dog["id"], dog["bbox"], dog["area"]) == (900100000018, [0, 0, 2, 2], 4)
    assert dog["segmentation"] == [[0, 0, 2, 0, 2, 2, 0, 2]]
    assert person["keypoints"] == [12, 13, 2, 15, 12, 1, 0, 0, 0]


def test_roboflow(tmp_path: Path):
    dataset = read_dataset(put(tmp_path / "in", roboflow()))
    assert [(c.id, c.name, c.type) for c in dataset.categories] == [("0", "fruits", Type.Box), ("1", "apple", Type.Box)]
    found = list(dataset.images)
    assert [(i.id, i.set, i.annotations[0].id) for i in found] == [
        ("train-0", "train", "train-0"),
        ("valid-0", "val", "valid-0"),
    ]
    assert [i.annotations[0].geometry for i in found] == [
        Box(x=1, y=2, width=10.5, height=4),
        Box(x=2, y=2, width=10.5, height=4),
    ]
    write_dataset(dataset, tmp_path / "out", Format.Coco)
    for split in ("train", "valid"):
        original = json.loads((tmp_path / "in" / split / "_annotations.coco.json").read_text())
        written = written_file(tmp_path / "out", f"instances_{split.removesuffix('id')}")
        for key in ("images", "annotations", "categories"):
            assert_says(written[key], original[key])
        assert written["info"] == original["info"]
        assert written["licenses"] == original["licenses"]


@pytest.mark.parametrize("name", ["annotations.json", "train.json", "_annotations.coco.json", "instances_default.json"])
@pytest.mark.parametrize("folder", ["images", "data", "."])
def test_one_json_beside_a_folder(tmp_path: Path, name: str, folder: str):
    put(tmp_path, {name: single()["annotations.json"], f"{folder}/a.png": png(30, 20)})
    assert find_format(tmp_path) == Format.Coco
    (found,) = read_dataset(tmp_path).images
    assert (found.id, found.set) == ("7", "train" if name == "train.json" else None)
    assert [(a.id, a.geometry) for a in found.annotations] == [("5", Box(x=1, y=2, width=3, height=4))]


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        pytest.param(Shapes.Boxes, [Box(x=1, y=2, width=3, height=4), Box(x=0, y=0, width=2, height=2)], id="boxes"),
        pytest.param(
            Shapes.Outlines,
            [Outline(points=[(1, 2), (4, 2), (4, 6), (1, 6)]), Outline(points=[(0, 0), (2, 0), (2, 2)])],
            id="outlines",
        ),
    ],
)
def test_boxes_and_outlines_in_one_category(tmp_path: Path, shapes: Shapes, expected: list[Any]):
    both = [
        {"id": 5, "image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "segmentation": []},
        {"id": 6, "image_id": 7, "category_id": 1, "bbox": [0, 0, 2, 2], "segmentation": [[0, 0, 2, 0, 2, 2]]},
    ]
    put(tmp_path / "in", single(annotations=both))
    with pytest.raises(DatasetError, match=r"box \(annotation 5\) and segmentation \(annotation 6\).*--shapes"):
        read_dataset(tmp_path / "in")
    dataset = read_dataset(tmp_path / "in", shapes=shapes)
    assert [a.geometry for found in dataset.images for a in found.annotations] == expected
    write_dataset(dataset, tmp_path / "out", Format.Coco)
    assert_says(written_file(tmp_path / "out", "instances_default")["annotations"], both)


def test_classifications_have_a_file_of_their_own(tmp_path: Path):
    statement = {"annotations": [{"id": 5, "image_id": 7, "category_id": 1, "score": 1}]}
    labels = json.dumps(json.loads(str(single()["annotations.json"])) | statement)
    dataset = read_dataset(put(tmp_path / "in", {"annotations/labels_train.json": labels, "images/a.png": png(30, 20)}))
    (found,) = dataset.images
    assert [(a.id, a.geometry) for a in found.annotations] == [("5", Whole())]
    write_dataset(dataset, tmp_path / "out", Format.Coco)
    assert written_file(tmp_path / "out", "instances_train")["annotations"] == []
    (entry,) = written_file(tmp_path / "out", "labels_train")["annotations"]
    assert entry.keys() & {"bbox", "segmentation", "iscrowd", "score"} == {"score"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param({}, "holds no data set.*annotations/instances_<split>.json", id="empty folder"),
        pytest.param({"a.json": "{"}, "a.json.*not valid JSON.*line 1 column 2", id="broken JSON"),
        pytest.param({"a.json": "[]"}, "a.json is no COCO file", id="no object"),
        pytest.param({"a.json": '{"images": [7]}'}, r"images\[0\] must be an object", id="image is no object"),
        pytest.param(single(images=[{"file_name": "a.png"}]), r"images\[0\].id is None", id="image without id"),
        pytest.param(single(**image(id=1.5)), r"images\[0\].id is 1.5", id="image with half an id"),
        pytest.param(single(**image(file_name="b.png")), "no 'b.png' in images, .*put it there", id="missing image"),
        pytest.param(single(**image(file_name="../a.png")), "'../a.png' leads out of the data set", id="path upwards"),
        pytest.param(single(**image(file_name="/etc/passwd")), "leads out of the data set", id="absolute path"),
        pytest.param(single(**image(file_name=7)), "file_name is 7; it must name", id="file name is no text"),
        pytest.param(
            single(**image(learning_loop={"id": "7", "state": "finished"})),
            "image '7': state is 'finished'; it must be one of inbox, annotate",
            id="unknown state",
        ),
        pytest.param(single(**image(width=31)), "a.png has 30×20 pixels, but 31×20 are stated", id="other size"),
        pytest.param(single(**image(width="30")), "width is '30'; it must be a whole number", id="width is text"),
        pytest.param(single() | {"images/a.png": b"GIF89a"}, "a.png: not a JPEG", id="no image"),
        pytest.param(single(**annotation(category_id=9)), r"annotations\[0\].category_id 9 \(id 5\)", id="category"),
        pytest.param(single(**annotation(image_id=9)), r"annotations\[0\].image_id 9 \(id 5\) is no image", id="image"),
        pytest.param(single(**annotation(bbox=[1, 2, 3])), "annotation 5.bbox is .*four numbers", id="three numbers"),
        pytest.param(single(**annotation(bbox=[1, 2, -3, 4])), "annotation 5.bbox has the size -3×4", id="negative"),
        pytest.param(single(**annotation(bbox=[1, 2, "3", 4])), r"annotation 5.bbox\[2\] is '3'", id="text"),
        pytest.param(single(**annotation(bbox=[1, 2, float("nan"), 4])), "annotations.json.*not valid JSON", id="NaN"),
        pytest.param(single(**annotation(segmentation=[[1, 2, 3, 4]])), r"segmentation\[0\] must be x", id="ring"),
        pytest.param(single(**annotation(segmentation=CROWD)), r"segmentation.size is \[48, 64\]", id="mask"),
        pytest.param(
            single(**annotation(segmentation={"size": [20, 30], "counts": [5]})), "counts add up to 5", id="short mask"
        ),
        pytest.param(
            single(**annotation(segmentation={"size": [20, 30], "counts": [600]})), "is an empty mask", id="empty mask"
        ),
        pytest.param(single(annotations=2 * annotation()["annotations"]), r"annotations\[1\].id 5 is used", id="twice"),
        pytest.param(single(categories=[{"id": 1}]), "category 1 has no name", id="category without name"),
        pytest.param(
            single(categories=[{"id": 1, "name": "a", "keypoints": ["x"]}], **annotation(keypoints=[1, 2])),
            "annotation 5.keypoints must be 3 numbers",
            id="too few keypoints",
        ),
        pytest.param(
            single(categories=[{"id": 1, "name": "a", "keypoints": ["x"]}], **annotation(keypoints=[1, 2, 3])),
            r"annotation 5.keypoints\[2\] is 3; visibility",
            id="unknown visibility",
        ),
        pytest.param(
            roboflow() | {"valid/_annotations.coco.json": VALID.replace("apple", "pear")},
            "category 1 is 'pear', in another split 'apple'",
            id="other names in other splits",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_named(tmp_path: Path, files: dict[str, bytes | str], message: str):
    put(tmp_path, files)
    with pytest.raises(DatasetError, match=message):
        list(read_dataset(tmp_path).images)


def test_a_link_out_of_the_data_set_is_refused(tmp_path: Path):
    put(tmp_path / "in", {"annotations.json": single()["annotations.json"], "images/b.png": b""})
    put(tmp_path / "elsewhere", {"a.png": png(30, 20)})
    (tmp_path / "in/images/a.png").symlink_to(tmp_path / "elsewhere/a.png")
    with pytest.raises(DatasetError, match=r"'a.png' is a link that leads out"):
        list(read_dataset(tmp_path / "in").images)


def test_two_files_that_contradict_each_other(tmp_path: Path):
    files = coco_2017()
    other = json.loads(str(files["annotations/person_keypoints_val2017.json"]))
    other["annotations"][0]["bbox"][0] = 11
    put(tmp_path, files | {"annotations/person_keypoints_val2017.json": json.dumps(other)})
    with pytest.raises(DatasetError, match=r"person_keypoints_val2017.json: annotations\[0\].bbox differs.*id 1768"):
        read_dataset(tmp_path)


def test_an_annotation_that_another_program_changed_loses_only_its_ids(tmp_path: Path):
    dataset = read_dataset(put(tmp_path / "in", coco_2017()))
    write_dataset(dataset, tmp_path / "out", Format.Coco)
    for kind in ("instances_val", "person_keypoints_val"):
        file = tmp_path / "out/annotations" / f"{kind}.json"
        content = json.loads(file.read_text())
        content["annotations"][0]["segmentation"].pop()
        file.write_text(json.dumps(content))
    (found,) = read_dataset(tmp_path / "out").images
    assert [a.id for a in found.annotations] == ["1768", "1768_k0", "1768_k1", "900100000018"]


def test_an_export_appears_when_it_is_complete(tmp_path: Path):
    dataset = read_dataset(put(tmp_path / "in", single()))
    dataset.images = [*dataset.images, *dataset.images]
    with pytest.raises(DatasetError, match="two images have the id '7'"):
        write_dataset(dataset, tmp_path / "out", Format.Coco)
    assert [file.name for file in tmp_path.iterdir()] == ["in"]
    put(tmp_path / "out", {"mine": ""})
    with pytest.raises(DatasetError, match="out exists already"):
        write_dataset(dataset, tmp_path / "out", Format.Coco)


def test_an_export_that_cannot_be_written_names_its_folder(tmp_path: Path):
    dataset = read_dataset(put(tmp_path / "in", single()))
    put(tmp_path, {"file": ""})
    with pytest.raises(DatasetError, match="file/out cannot be written: Not a directory"):
        write_dataset(dataset, tmp_path / "file/out", Format.Coco)

    def break_while_writing() -> None:
        (image,) = dataset.images
        with dataset_writer(tmp_path / "out", Format.Coco, dataset.categories) as writer:
            (half,) = tmp_path.glob(".out.*")
            put(half, {"images": "in the way"})
            writer.add(image, png(30, 20))

    with pytest.raises(DatasetError, match=f"{tmp_path}/out cannot be written: Not a directory"):
        break_while_writing()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "in"]


def test_an_export_may_go_into_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    dataset = read_dataset(put(tmp_path / "in", single()))
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    write_dataset(dataset, Path(), Format.Coco)
    assert list(read_dataset(tmp_path / "out").images) == list(dataset.images)


def test_outline_of_two_corners_is_refused_or_left_out(tmp_path: Path):
    dataset = read_dataset(put(tmp_path / "in", single(**annotation(segmentation=[[1, 2, 3, 4, 5, 6]]))))
    (found,) = dataset.images
    found.annotations = [DatasetAnnotation(id="x", category_id="1", geometry=Outline(points=[(1, 2), (3, 4)]))]
    dataset.images = [found]
    with pytest.raises(DatasetError, match=r"annotation 'x'.*three corners"):
        write_dataset(dataset, tmp_path / "out", Format.Coco)
    written = write_dataset(dataset, tmp_path / "out", Format.Coco, skip_unfit=True)
    assert written.skipped == {"COCO has no outline of fewer than three corners": 1}
    assert not written.annotations


# Masks


@pytest.mark.parametrize(
    "counts",
    [
        pytest.param([6, 1, 40, 4, 3, 0, 5, 20, 21], id="numbers"),
        pytest.param("61X13kNL2d0`0", id="text"),
    ],
)
def test_a_mask_in_run_lengths(counts: Any):
    mask = mask_of({"size": [10, 10], "counts": counts}, 10, 10, "here")
    flat = np.zeros(100, bool)
    position = 0
    for index, run in enumerate([6, 1, 40, 4, 3, 0, 5, 20, 21]):
        flat[position : position + run] = index % 2
        position += run
    assert (mask == flat.reshape(10, 10).T).all()


@two_hundred
@given(
    pixels=st.integers(1, 9).flatmap(
        lambda height: st.lists(st.lists(st.booleans(), min_size=height, max_size=height), min_size=1, max_size=9)
    )
)
def test_outlines_of_a_mask_fill_it(pixels: list[list[bool]]):
    """Columns of pixels, with parts in holes of parts."""
    mask = np.array(pixels).T
    height, width = mask.shape
    outlines = outlines_of_rle(run_lengths(mask), width, height, "here")
    filled = [to_mask(np.array(outline), height, width) for outline in outlines]
    assert (sum(filled, np.zeros(mask.shape, int)) == mask).all()


# Foreign data sets

_NUMBERS = st.integers(0, 40) | st.floats(0, 40)
_FLAT = st.lists(st.tuples(_NUMBERS, _NUMBERS), min_size=3, max_size=5).map(lambda ring: [v for xy in ring for v in xy])
_MASKS = (
    st.lists(st.booleans(), min_size=20, max_size=20)
    .filter(any)
    .map(lambda pixels: run_lengths(np.array(pixels).reshape(4, 5)))
)
_TRIPLES = st.tuples(_NUMBERS, _NUMBERS, st.sampled_from([0, 1, 2]))


@st.composite
def foreign(draw: st.DrawFn) -> dict[str, Any]:
    """What others might have written: extra fields, rings, masks, keypoints, boxes that fit roughly."""
    kinds = draw(st.lists(st.sampled_from(["box", "outline", "pose", "class"]), min_size=1, max_size=3))
    categories = [{"id": 10 * (3 - i), "name": f"c{i}", "supercategory": kind} for i, kind in enumerate(kinds)]
    for category in categories:
        if category["supercategory"] == "pose":
            category |= {"keypoints": ["a", "b"], "skeleton": [[1, 2]]}
    images = [
        {"id": id_, "file_name": f"{id_}.png", "width": 5, "height": 4, "extra": draw(st.none() | st.text("ab"))}
        for id_ in draw(st.lists(st.integers(0, 2**40), min_size=1, max_size=3, unique=True))
    ]
    annotations = []
    for id_ in draw(st.lists(st.integers(0, 2**40), max_size=6, unique=True)):
        category = draw(st.sampled_from(categories))
        entry = {"id": id_, "image_id": draw(st.sampled_from(images))["id"], "category_id": category["id"]}
        entry |= draw(st.sampled_from([{}, {"attributes": {"x": 1}}, {"iscrowd": 0}, {"iscrowd": 1, "name": "n"}]))
        kind = category["supercategory"]
        if kind != "class":
            entry |= {"bbox": draw(st.lists(_NUMBERS, min_size=4, max_size=4)), "area": draw(_NUMBERS)}
        if kind == "outline":
            entry["segmentation"] = draw(st.lists(_FLAT, min_size=1, max_size=3) | _MASKS)
        if kind == "pose":
            entry["keypoints"] = [value for triple in draw(st.tuples(_TRIPLES, _TRIPLES)) for value in triple]
            entry |= draw(st.sampled_from([{}, {"num_keypoints": 2}]))
        annotations.append(entry)
    return {"images": images, "categories": categories, "annotations": annotations}


@two_hundred
@given(content=foreign())
def test_a_foreign_data_set_is_written_as_it_was(content: dict[str, Any]):
    with empty_folder() as folder:
        pictures = {entry["file_name"]: png(5, 4) for entry in content["images"]}
        dataset = read_dataset(put(folder / "in", {"train.json": json.dumps(content), **pictures}))
        write_dataset(dataset, folder / "out", Format.Coco)
        for key, entries in content.items():
            found: dict[Any, dict[str, Any]] = {}
            for file in sorted((folder / "out/annotations").iterdir()):
                for entry in json.loads(file.read_text())[key]:
                    found.setdefault(entry["id"], {}).update(entry)
            assert_says(list(found.values()), entries)
        assert comparable(read_dataset(folder / "out")) == comparable(dataset)


# helpers


def assert_says(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """The same entries, with at least what was said of each."""
    by_id = {entry["id"]: entry for entry in found}
    assert set(by_id) == {entry["id"] for entry in expected}
    for entry in expected:
        assert {key: by_id[entry["id"]].get(key) for key in entry} == entry


def written_file(folder: Path, name: str) -> Mapping[str, Any]:
    return json.loads((folder / "annotations" / f"{name}.json").read_text())  # type: ignore[no-any-return]


def run_lengths(mask: Any) -> dict[str, Any]:
    """Column by column, beginning with what is outside."""
    flat = mask.T.ravel().tolist()
    counts, value = [0], False
    for pixel in flat:
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return {"size": list(mask.shape), "counts": counts}
