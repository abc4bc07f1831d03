from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_loop_node.datasets import (
    Box,
    Dataset,
    DatasetAnnotation,
    DatasetCategory,
    DatasetImage,
    Format,
    Outline,
    Point,
    Whole,
    dataset_writer,
    find_format,
    read_dataset,
    write_dataset,
)
from learning_loop_node.datasets.yolo.numbers import doubt_of, pixels_of, share_of
from learning_loop_node.enums import CategoryType as Type
from learning_loop_node.errors import DatasetError
from tests.datasets import content_of, empty_folder, png, put
from tests.unit.datasets.test_round_trip import two_hundred

PICTURE = png(640, 480)


def coco8_pose() -> dict[str, bytes | str]:
    """As Ultralytics' small data sets look: no pixel is whole, visibility has decimals, one image has no labels."""
    return {
        "coco8-pose.yaml": """
# Train/val/test sets as 1) dir: path/to/imgs, 2) file: path/to/imgs.txt, or 3) list: [path/to/imgs1, ..]
path: coco8-pose # dataset root dir
train: images/train # 1 image
val: images/val # 1 image
test: # test images (optional)
kpt_shape: [3, 3] # number of keypoints, number of dims
flip_idx: [0, 2, 1]
names:
  0: person
kpt_names:
  0: [nose, left_eye, right_eye]
""",
        "images/train/000000000036.jpg": PICTURE,
        "labels/train/000000000036.txt": "0 0.671279 0.617945 0.645759 0.726859 0.519751 0.381250 2.000000 0.550936 "
        "0.348438 1.000000 0.488565 0.367188 0.000000\n",
        "images/val/000000000139.jpg": PICTURE,
        "LICENSE": "AGPL",
    }


def roboflow(task: str = "detect") -> dict[str, bytes | str]:
    """Paths begin beside the folder, as if the program that trains lay in it."""
    rows = {"detect": "1 0.5 0.25 0.25 0.125\n0 0.1 0.1 0.2 0.2", "segment": "1 0.25 0.25 0.5 0.25 0.5 0.75\n\n"}
    return {
        "data.yaml": "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\n"
        "names: ['apple', 'pear']\n\nroboflow:\n  workspace: w\n  license: CC BY 4.0\n",
        "README.roboflow.txt": "exported",
        **{f"{split}/images/{split}.rf.7.jpg": PICTURE for split in ("train", "valid", "test")},
        **{f"{split}/labels/{split}.rf.7.txt": rows[task] for split in ("train", "valid", "test")},
    }


def small(
    label: str | bytes = "0 0.5 0.5 0.5 0.5", yaml: str = "train: images\nnames: [a, b]"
) -> dict[str, bytes | str]:
    return {"data.yaml": yaml, "images/x.png": PICTURE, "labels/x.txt": label}


def test_coco8_pose(tmp_path: Path):
    dataset = read_dataset(put(tmp_path / "in", coco8_pose()))
    assert [(c.id, c.name, c.type) for c in dataset.categories] == [
        ("0", "person", Type.Box),
        ("0/0", "person/nose", Type.Point),
        ("0/1", "person/left_eye", Type.Point),
        ("0/2", "person/right_eye", Type.Point),
    ]
    first, second = dataset.images
    assert (first.set, first.name, second.set, second.annotations) == ("train", "000000000036.jpg", "val", [])
    assert [(a.category_id, a.geometry) for a in first.annotations] == [
        ("0", Box(x=222.97568, y=122.16744, width=413.28576, height=348.89232)),
        ("0/0", Point(x=332.64064, y=183)),
        ("0/1", Point(x=352.59904, y=167.25024)),
    ]
    assert [a.properties.get("visible") for a in first.annotations] == [None, None, 1]


def test_coco8_pose_is_written_as_it_was(tmp_path: Path):
    """With more decimals: even where keypoints are that are not labelled."""
    dataset = read_dataset(put(tmp_path / "in", coco8_pose()))
    write_dataset(dataset, tmp_path / "out", Format.Yolo)
    original = coco8_pose()["labels/train/000000000036.txt"]
    assert numbers_in(tmp_path / "out/labels/train/000000000036.txt") == pytest.approx(
        [float(text) for text in str(original).split()], abs=1e-6
    )
    assert (tmp_path / "out/labels/val/000000000139.txt").read_bytes() == b""
    text = (tmp_path / "out/data.yaml").read_text()
    assert "kpt_shape:\n- 3\n- 3\n" in text
    assert "flip_idx:\n- 0\n- 2\n- 1\n" in text
    assert "- left_eye\n" in text
    assert list(read_dataset(tmp_path / "out").images) == list(dataset.images)


def test_keypoints_become_coco_and_yolo_again(tmp_path: Path):
    dataset = read_dataset(put(tmp_path / "yolo", coco8_pose()))
    write_dataset(dataset, tmp_path / "coco", Format.Coco)
    content = json.loads((tmp_path / "coco/annotations/person_keypoints_train.json").read_text())
    assert content["categories"][0]["keypoints"] == ["nose", "left_eye", "right_eye"]
    assert content["annotations"][0]["keypoints"] == [332.64064, 183, 2, 352.59904, 167.25024, 1, 0, 0, 0]
    write_dataset(read_dataset(tmp_path / "coco"), tmp_path / "again", Format.Yolo)
    original = [float(text) for text in str(coco8_pose()["labels/train/000000000036.txt"]).split()]
    again = numbers_in(tmp_path / "again/labels/train/000000000036.txt")
    assert again == pytest.approx(original, abs=1e-6)


@pytest.mark.parametrize(
    ("task", "type_", "expected"),
    [
        pytest.param(
            "detect",
            Type.Box,
            [("1", Box(x=240, y=90, width=160, height=60)), ("0", Box(x=0, y=0, width=128, height=96))],
            id="detect",
        ),
        pytest.param(
            "segment", Type.Segmentation, [("1", Outline(points=[(160, 120), (320, 120), (320, 360)]))], id="segment"
        ),
    ],
)
def test_roboflow(tmp_path: Path, task: str, type_: Type, expected: Any):
    dataset = read_dataset(put(tmp_path, roboflow(task)))
    assert [(c.id, c.name, c.type) for c in dataset.categories] == [("0", "apple", type_), ("1", "pear", type_)]
    found = list(dataset.images)
    assert [(image.set, image.name) for image in found] == [
        ("train", "train.rf.7.jpg"),
        ("val", "valid.rf.7.jpg"),
        ("test", "test.rf.7.jpg"),
    ]
    assert [[(a.category_id, a.geometry) for a in image.annotations] for image in found] == [expected] * 3


@pytest.mark.parametrize(
    "yaml",
    [
        pytest.param("train: images\nnames: [a, b]", id="folder"),
        pytest.param("path: .\ntrain: ./images\nnames: {0: a, 1: b}", id="path is here"),
        pytest.param("path: /content/in\ntrain: images\nnames: {1: b, 0: a}\nnc: 2", id="path of another machine"),
        pytest.param("path: ../in\ntrain: [images]\nnames: [a, b]", id="list"),
        pytest.param("train: train.txt\nnames: [a, b]", id="text file"),
        pytest.param("train: images\nval: images\nnames: [a, b]", id="two sets with the same images"),
    ],
)
def test_ways_to_say_where_the_images_are(tmp_path: Path, yaml: str):
    folder = put(tmp_path / "in", small(yaml=yaml) | {"train.txt": "./images/x.png\n"})
    dataset = read_dataset(folder)
    (image,) = dataset.images
    assert (image.set, image.name, len(image.annotations)) == ("train", "x.png", 1)
    assert bool(dataset.notes) == ("val" in yaml)


def test_folders_of_classes(tmp_path: Path):
    put(tmp_path / "in", {"train/cat/1.png": PICTURE, "train/dog/1.png": PICTURE, "val/cat/2.png": PICTURE})
    assert find_format(tmp_path / "in") == Format.Yolo
    dataset = read_dataset(tmp_path / "in")
    assert [(c.id, c.name, c.type) for c in dataset.categories] == [
        ("0", "cat", Type.Classification),
        ("1", "dog", Type.Classification),
    ]
    assert [(i.id, i.set, [(a.category_id, a.geometry) for a in i.annotations]) for i in dataset.images] == [
        ("train/cat/1.png", "train", [("0", Whole())]),
        ("train/dog/1.png", "train", [("1", Whole())]),
        ("val/cat/2.png", "val", [("0", Whole())]),
    ]
    write_dataset(dataset, tmp_path / "out", Format.Yolo)
    files = sorted(str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.png"))
    assert files == ["train/cat/1.png", "train/dog/1.png", "val/cat/2.png"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param({"data.yaml": "names: [a"}, "data.yaml is not valid YAML.*line 1", id="broken YAML"),
        pytest.param({"data.yaml": "[]"}, "data.yaml must hold keys", id="no keys"),
        pytest.param({"data.yaml": "names: [a]"}, "names no images: it needs train", id="no sets"),
        pytest.param(small(yaml="train: images"), "names is None; it must list", id="no names"),
        pytest.param(small(yaml="train: images\nnames: {0: a, 2: b}"), "none with the index 1", id="gap in names"),
        pytest.param(small(yaml="train: images\nnames: [a]\nnc: 2"), "nc is 2, but names has 1", id="other count"),
        pytest.param(small(yaml="train: pictures\nnames: [a]"), "no 'pictures' in", id="missing folder"),
        pytest.param(small(yaml="train: ../../etc\nnames: [a]"), "no '../../etc' in", id="path upwards"),
        pytest.param(small(yaml="train: x/../../etc\nnames: [a]"), "must lead to something inside", id="path around"),
        pytest.param(small(yaml="train: images\nkpt_shape: 17\nnames: [a]"), "kpt_shape is 17", id="kpt_shape"),
        pytest.param(small() | {"labels/y.txt": ""}, "labels/y.txt has no image", id="labels without image"),
        pytest.param(
            {"data.yaml": "train: images\nnames: [a]", "images/x.png": PICTURE}, "no image has labels", id="no labels"
        ),
        pytest.param(small() | {"images/x.png": b"text"}, "images/x.png: not a JPEG", id="no image"),
        pytest.param(small("0 .5 .5 .5 .5\n0 .5 .5 .5"), "labels/x.txt, line 2 has 3 numbers", id="three numbers"),
        pytest.param(
            small("0 .5 .5 .5 .5 .9"), "line 1 has 5 numbers after its class; a box has four", id="confidence"
        ),
        pytest.param(small("0 0 0 1 0 1 1\n0 .5 .5 .5 .5"), "line 2 has 4 .*cannot be mixed", id="mixed"),
        pytest.param(small("2 .5 .5 .5 .5"), r"line 1: there is no class 2; .*has 2 \(0 to 1\)", id="unknown class"),
        pytest.param(small("-1 .5 .5 .5 .5"), "line 1: there is no class -1", id="negative class"),
        pytest.param(small("a .5 .5 .5 .5"), "line 1: 'a' is no class", id="class is a name"),
        pytest.param(small("0 .5 nan .5 .5"), "line 1: 'nan' is no coordinate", id="NaN"),
        pytest.param(small("0 .5 x .5 .5"), "line 1: 'x' is no number", id="text"),
        pytest.param(small("0 320 240 100 100"), "line 1: 320 is not between 0 and 1", id="pixels"),
        pytest.param(small(b"0 \xff"), "labels/x.txt is not UTF-8 text", id="bytes"),
        pytest.param(
            small("0 .5 .5 .5 .5 .5 .5 3", "train: images\nkpt_shape: [1, 3]\nnames: [a]"),
            "'3' is no visibility",
            id="visibility",
        ),
        pytest.param(
            small("0 .5 .5 .5 .5 .5 .5", "train: images\nkpt_shape: [1, 3]\nnames: [a]"),
            "line 1 has 6 numbers after its class; kpt_shape in data.yaml says 7",
            id="too few keypoints",
        ),
        pytest.param({"train/cat/deep/1.png": PICTURE}, "train/cat/deep is a folder within a class", id="deep class"),
        pytest.param({"a.yaml": "names: []", "b.yaml": "names: []"}, "several YAML files", id="several YAML files"),
        pytest.param(small() | {"annotations.json": "{}"}, "could be coco or yolo", id="two formats"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, files: dict[str, bytes | str], message: str):
    put(tmp_path, files)
    with pytest.raises(DatasetError, match=message):
        list(read_dataset(tmp_path).images)


def test_a_link_out_of_the_data_set_is_refused(tmp_path: Path):
    put(tmp_path / "in", small())
    put(tmp_path / "elsewhere", {"y.png": PICTURE})
    (tmp_path / "in/images/x.png").unlink()
    (tmp_path / "in/images/x.png").symlink_to(tmp_path / "elsewhere/y.png")
    with pytest.raises(DatasetError, match=r"images/x.png is a link that leads out"):
        list(read_dataset(tmp_path / "in").images)


BOX = DatasetCategory(id="b", name="apple", type=Type.Box)
OUTLINE = DatasetCategory(id="o", name="pear", type=Type.Segmentation)
LABEL = DatasetCategory(id="l", name="ripe", type=Type.Classification)
POINT = DatasetCategory(id="p", name="stem", type=Type.Point)


def marked(*geometries: Any, category: DatasetCategory = BOX, **changes: Any) -> DatasetImage:
    annotations = [
        DatasetAnnotation(id=f"a{index}", category_id=category.id, geometry=geometry)
        for index, geometry in enumerate(geometries)
    ]
    usual: dict[str, Any] = {"id": "i", "width": 64, "height": 48, "annotations": annotations}
    return DatasetImage(**usual | changes)


@pytest.mark.parametrize(
    ("categories", "image", "message", "images", "annotations"),
    [
        pytest.param(
            [BOX],
            marked(Box(x=60, y=0, width=10, height=5)),
            "annotation 'a0'.*outside of the image",
            1,
            0,
            id="outside",
        ),
        pytest.param(
            [POINT], marked(Point(x=1, y=49), category=POINT), "annotation 'a0'.*outside", 1, 0, id="point outside"
        ),
        pytest.param(
            [OUTLINE],
            marked(Outline(points=[(1, 1), (2, 2)]), Outline(points=[(0, 0), (1, 0), (1, 1)]), category=OUTLINE),
            "fewer than three corners",
            1,
            1,
            id="two corners",
        ),
        pytest.param([LABEL], marked(category=LABEL), "image 'i'.*without a class", 0, 0, id="no class"),
        pytest.param(
            [LABEL], marked(Whole(), Whole(), category=LABEL), "image 'i'.*several classes", 0, 0, id="two classes"
        ),
    ],
)
def test_what_does_not_fit_is_refused_or_left_out_and_counted(
    tmp_path: Path,
    categories: list[DatasetCategory],
    image: DatasetImage,
    message: str,
    images: int,
    annotations: int,
):
    with (
        pytest.raises(DatasetError, match=f"{message}.*--skip-unfit"),
        dataset_writer(tmp_path / "out", Format.Yolo, categories) as writer,
    ):
        writer.add(image, content_of(image))
    with dataset_writer(tmp_path / "out", Format.Yolo, categories, skip_unfit=True) as writer:
        writer.add(image, content_of(image))
        written = writer.finish()
    assert (written.images, written.annotations.total(), written.skipped.total()) == (images, annotations, 1)


@pytest.mark.parametrize(
    ("box", "set_", "notes"),
    [
        pytest.param(Box(x=-5, y=0, width=20, height=5), "val", ["over the edge"], id="left edge"),
        pytest.param(Box(x=50, y=40, width=10, height=9), "val", ["over the edge"], id="bottom edge"),
        pytest.param(Box(x=0, y=0, width=64, height=48), "val", [], id="all of the image"),
        pytest.param(Box(x=0, y=0, width=64, height=48), "train", ["images move … --to-set val"], id="no val"),
    ],
)
def test_what_ultralytics_would_change_or_miss_is_told(tmp_path: Path, box: Box, set_: str, notes: list[str]):
    image = marked(box, set=set_)
    with dataset_writer(tmp_path / "out", Format.Yolo, [BOX]) as writer:
        writer.add(image, content_of(image))
        written = writer.finish()
    assert [expected in note for expected, note in zip(notes, written.notes, strict=True)] == [True] * len(notes)
    assert written.annotations == {"box": 1}


@pytest.mark.parametrize("categories", [[BOX, OUTLINE], [POINT, LABEL], [BOX, POINT, OUTLINE, LABEL]])
def test_several_types_are_refused_unless_one_is_chosen(tmp_path: Path, categories: list[DatasetCategory]):
    with pytest.raises(DatasetError, match=r"YOLO holds one of them at a time.*--type"):
        write_dataset(Dataset(categories=categories, images=[]), tmp_path / "out", Format.Yolo)
    image = marked(Box(x=1, y=2, width=3, height=4))
    image.annotations.append(DatasetAnnotation(id="x", category_id="l", geometry=Whole()))
    with dataset_writer(tmp_path / "out", Format.Yolo, [BOX, OUTLINE, LABEL], types=[Type.Box]) as writer:
        writer.add(image, content_of(image))
        written = writer.finish()
    assert written.skipped == {"classification annotations, which were not asked for": 1}
    assert [c.id for c in read_dataset(tmp_path / "out").categories] == ["b"]


def test_names_that_would_collide_are_changed_in_the_folder_only(tmp_path: Path):
    names = ["a.png", "a.jpg", "A.png", "", None, "../a.png", "images/a.png", "b/a.png"]
    images = [marked(id=f"id-{index}", name=name, set="train") for index, name in enumerate(names)]
    with dataset_writer(tmp_path / "out", Format.Yolo, [BOX]) as writer:
        for image in images:
            writer.add(image, content_of(image))
        writer.finish()
    files = sorted(str(file.relative_to(tmp_path / "out/images/train")) for file in tmp_path.rglob("*.[pj]*g"))
    assert files == sorted(
        ["a.png", "a_id-1.jpg", "A_id-2.png", "id-3.png", "id-4.png", "id-5.png", "id-6.png", "b/a.png"]
    )
    assert [image.name for image in sorted(read_dataset(tmp_path / "out").images, key=lambda i: i.id)] == names


def test_a_point_alone_is_a_keypoint_with_a_box_around_it(tmp_path: Path):
    image = marked(Point(x=32, y=24), category=POINT, set="train")
    with dataset_writer(tmp_path / "out", Format.Yolo, [POINT]) as writer:
        writer.add(image, content_of(image))
        writer.finish()
    (file,) = (tmp_path / "out/labels").rglob("*.txt")
    assert numbers_in(file) == pytest.approx([0, 0.5, 0.5, 0.3125, 20 / 48, 0.5, 0.5, 2])
    assert list(read_dataset(tmp_path / "out").images) == [image]


def test_ids_stay_with_their_lines(tmp_path: Path):
    """Another program sorts the lines, moves one and adds one."""
    boxes = [Box(x=x, y=2, width=3, height=4) for x in (1, 1, 9)]
    image = marked(*boxes, set="train", name="x.png")
    with dataset_writer(tmp_path / "out", Format.Yolo, [BOX]) as writer:
        writer.add(image, content_of(image))
        writer.finish()
    file = tmp_path / "out/labels/train/x.txt"
    first, _, third = file.read_text().splitlines()
    file.write_text("\n".join([third, "0 0.5 0.5 0.25 0.25", first]))
    (found,) = read_dataset(tmp_path / "out").images
    assert [a.id for a in found.annotations] == ["a2", "i#2", "a0"]


def test_names_that_were_changed_are_refused(tmp_path: Path):
    write_dataset(Dataset(categories=[BOX], images=[]), tmp_path / "out", Format.Yolo)
    put(tmp_path / "out", {"data.yaml": "train: images/train\nnames: [pear]"})
    with pytest.raises(DatasetError, match=r"names in data.yaml are not those .* learning_loop.jsonl"):
        read_dataset(tmp_path / "out")


# Numbers


@pytest.mark.parametrize(
    ("text", "size", "pixels"),
    [
        pytest.param("0.5", 640, 320, id="short"),
        pytest.param("0.3", 15, 4.5, id="short, between pixels"),
        pytest.param("0.333", 640, 213.12, id="three decimals mean what they say"),
        pytest.param("0.015625", 640, 10, id="six decimals, exact"),
        pytest.param("0.001562", 640, 1, id="six decimals, rounded down"),
        pytest.param("0.001563", 640, 1, id="six decimals, rounded up"),
        pytest.param("0.001564", 640, 1.00096, id="six decimals, no whole pixel"),
        pytest.param("0.001563000000", 640, 1.00032, id="twelve decimals"),
        pytest.param("1e-1", 640, 64, id="exponent"),
    ],
)
def test_pixels_of_a_share(text: str, size: int, pixels: float):
    assert pixels_of(float(text), size, doubt_of(text)) == pixels


@two_hundred
@given(size=st.integers(1, 65535), millionths=st.integers(0, 10**6), data=st.data())
def test_six_decimals_of_a_pixel_come_back(size: int, millionths: int, data: st.DataObject):
    pixels = data.draw(st.integers(0, size - 1)) + millionths / 10**6
    text = share_of(pixels, size)
    assert pixels_of(float(text), size, doubt_of(text)) == round(pixels, 6)


@two_hundred
@given(size=st.integers(1, 20_000), data=st.data())
def test_whole_pixels_that_others_wrote_come_back(size: int, data: st.DataObject):
    pixels = data.draw(st.integers(0, size))
    text = f"{pixels / size:.6f}"
    assert pixels_of(float(text), size, doubt_of(text)) == pixels


@st.composite
def rows(draw: st.DrawFn) -> str:
    """Label lines as others write them: boxes inside of the image, six decimals."""
    lines = []
    for _ in range(draw(st.integers(0, 4))):
        width, height = draw(st.integers(0, 10**6)), draw(st.integers(0, 10**6))
        x, y = (draw(st.integers(size // 2, 10**6 - size // 2)) for size in (width, height))
        lines.append(f"{draw(st.integers(0, 1))} " + " ".join(f"{v / 10**6:.6f}" for v in (x, y, width, height)))
    return "\n".join(lines)


@two_hundred
@given(label=rows(), size=st.tuples(st.integers(1, 3000), st.integers(1, 300)))
def test_a_foreign_data_set_stays_the_same_once_it_is_read(label: str, size: tuple[int, int]):
    with empty_folder() as folder:
        dataset = read_dataset(put(folder / "in", small(label) | {"images/x.png": png(*size)}))
        write_dataset(dataset, folder / "out", Format.Yolo)
        (original,), (again,) = dataset.images, read_dataset(folder / "out").images
        assert again == original
        assert len(original.annotations) == len(label.splitlines())
        (file,) = (folder / "out/labels").rglob("*.txt")
        expected = [float(text) for text in label.split()]
        assert numbers_in(file) == pytest.approx(expected, abs=1e-6)


def numbers_in(file: Path) -> list[float]:
    return [float(text) for text in file.read_text().split()]
