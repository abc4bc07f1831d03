"""Models of every layout find what is in an image, to the pixel; models that cannot be meant are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("learning_loop_node.onnx_models.session", reason="needs extra [onnx]", exc_type=ImportError)
pytest.importorskip("onnx", reason="needs onnx (extra [quantization])")

import onnx
from onnx import helper

from learning_loop_node.data_classes import Category, ImageMetadata
from learning_loop_node.errors import DetectionFailedError, InvalidImageError, ModelRefusedError
from learning_loop_node.onnx_models.model import IMAGENET_MEAN, IMAGENET_STD, OnnxModel
from learning_loop_node.onnx_models.parameters import Layout, OnnxParameters
from tests.onnx_graphs import COLOURS, PIXELS, SCORES, categories, colour_finder, picture

BOXES = [layout for layout in Layout if layout is not Layout.CLASSIFIER]
FLOAT = onnx.TensorProto.FLOAT
RED, GREEN, BLUE = (8, 4, 16, 12), (40, 20, 12, 8), (4, 28, 8, 12)


def opened(content: Any, folder: Path, names: list[Category] | None = None, **options: Any) -> OnnxModel:
    """The model, after `onnx` has been written into a `model.json` beside it."""
    file = folder / "model.onnx"
    file.write_bytes(content.SerializeToString())
    if "onnx" in options:
        (folder / "model.json").write_text(json.dumps({"onnx": options.pop("onnx")}))
    return OnnxModel.open(file, categories() if names is None else names, **options)


def fixed(outputs: dict[str, Any], *, size: int = 64, batch: int | str = 1, inputs: tuple[Any, ...] = ()) -> Any:
    """A model that always puts out the same, for one image, a little of which it takes so that it has to be run."""
    image = helper.make_tensor_value_info("images", FLOAT, [batch, 3, size, size])
    nodes, initializers, shown = [], [], []
    nodes.append(helper.make_node("ReduceMean", ["images"], ["mean"], axes=[0, 1, 2, 3], keepdims=0))
    nodes.append(helper.make_node("Mul", ["mean", "zero"], ["nothing"]))
    initializers.append(onnx.numpy_helper.from_array(np.zeros((), np.float32), "zero"))
    for name, values in outputs.items():
        array = np.asarray(values, np.float32)
        initializers.append(onnx.numpy_helper.from_array(array, f"{name}_values"))
        nodes.append(helper.make_node("Add", [f"{name}_values", "nothing"], [name]))
        shown.append(helper.make_tensor_value_info(name, FLOAT, array.shape))
    graph = helper.make_graph(nodes, "fixed", [image, *inputs], shown, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


def found(metadata: ImageMetadata) -> dict[str, tuple[int, int, int, int]]:
    return {box.category_name: (box.x, box.y, box.width, box.height) for box in metadata.box_detections}


def options_for(layout: Layout) -> dict[str, Any]:
    return {"logits": True} if layout is Layout.DETR else {}


# --- every layout


@pytest.mark.parametrize("layout", BOXES)
def test_areas_are_found_to_the_pixel(layout: Layout, tmp_path: Path):
    """The image is half as large as the input and as its proportions, so that each pixel becomes four."""
    model = opened(colour_finder(layout, **options_for(layout)), tmp_path)
    assert model.layout is layout
    [nothing, all_of_them] = model.run([picture(64, 48), picture(64, 48, red=RED, green=GREEN, blue=BLUE)])
    assert len(nothing) == 0
    assert found(all_of_them) == {"red": RED, "green": GREEN, "blue": BLUE}
    scores = {box.category_name: box.confidence for box in all_of_them.box_detections}
    assert scores == pytest.approx(dict(zip(COLOURS, SCORES, strict=True)), abs=1e-4)
    ids = {box.category_id for box in all_of_them.box_detections}
    assert ids == {f"id-of-{colour}" for colour in COLOURS}


@pytest.mark.parametrize("layout", [Layout.YOLOV5, Layout.YOLOV8])
def test_boxes_that_overlap_go_where_the_model_leaves_them(layout: Layout, tmp_path: Path):
    red = picture(64, 48, red=RED)
    [one] = opened(colour_finder(layout), tmp_path).predict([red])
    assert one.classes.tolist() == [0]
    [both] = opened(colour_finder(layout), tmp_path, iou_threshold=1.0).predict([red])
    assert both.classes.tolist() == [0, 0]
    [first] = opened(colour_finder(layout), tmp_path, onnx={"iou_threshold": 1.0, "max_detections": 1}).predict([red])
    assert first.scores.tolist() == pytest.approx([0.9])


@pytest.mark.parametrize("layout", BOXES)
@pytest.mark.parametrize("fit", ["centre", "top-left", "stretch"])
@pytest.mark.parametrize("size", [(32, 24), (32, 96), (256, 48), (128, 96)])
def test_every_place_in_the_input_leads_back(layout: Layout, fit: str, size: tuple[int, int], tmp_path: Path):
    model = opened(colour_finder(layout, **options_for(layout)), tmp_path, onnx={"letterbox": fit})
    width, height = size
    area = (width // 4, height // 4, width // 2, height // 4)
    [predictions] = model.predict([picture(width, height, red=area)])
    x, y, area_width, area_height = area
    expected = [x, y, x + area_width, y + area_height]
    # Within half a pixel of the input, whose edges are scaled, too.
    tolerance = max(0.5 * width / 128, 0.5 * height / 96, 1e-3) if fit == "stretch" else max(width / 128, height / 96)
    assert predictions.boxes_xyxy[0] == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("layout", BOXES)
@pytest.mark.parametrize("size", [(1, 1), (10000, 3), (3, 10000), (1, 65)])
def test_images_of_extreme_shapes_give_right_boxes(layout: Layout, size: tuple[int, int], tmp_path: Path):
    width, height = size
    model = opened(colour_finder(layout, **options_for(layout)), tmp_path)
    half = (0, 0, width // 2 or 1, height) if width > height else (0, 0, width, height // 2 or 1)
    [metadata] = model.run([picture(width, height, blue=half)])
    [box] = metadata.box_detections
    assert box.category_name == "blue"
    assert (box.x, box.y) == (0, 0)
    assert abs(box.width - half[2]) <= width / 128
    assert abs(box.height - half[3]) <= height / 96
    assert box.x + box.width <= width
    assert box.y + box.height <= height


def test_what_lies_outside_the_image_is_left_out(tmp_path: Path):
    """Of a landscape image in the middle of the input, boxes above and below it, and across its border."""
    boxes = [[32, 8, 20, 8], [32, 15, 20, 10], [32, 60, 8, 8]]
    rows = np.hstack([boxes, np.eye(3) * 0.9]).T[None]
    [metadata] = opened(fixed({"output0": rows}), tmp_path).run([np.zeros((32, 64, 3), np.uint8)])
    assert found(metadata) == {"green": (22, 0, 20, 4)}


def test_points_are_the_centres_of_whole_boxes(tmp_path: Path):
    names = categories("red", type="point") + categories("green", "blue")
    boxes = [[32, 18, 20, 8], [32, 32, 3, 3], [0, 32, 6, 8]]
    rows = np.hstack([boxes, np.eye(3) * [[0.9], [0.8], [0.7]]]).T[None]
    model = opened(fixed({"output0": rows}), tmp_path, names)
    [metadata] = model.run([np.zeros((32, 64, 3), np.uint8)])
    [point] = metadata.point_detections
    assert (point.x, point.y, point.category_name, point.category_id) == (32, 2, "red", "id-of-red")
    assert found(metadata) == {"green": (30, 14, 4, 4), "blue": (0, 12, 3, 8)}


def test_a_threshold_from_each_place(tmp_path: Path):
    file = tmp_path / "model.onnx"
    file.write_bytes(colour_finder("yolov8").SerializeToString())
    image = picture(64, 48, red=RED, green=GREEN, blue=BLUE)

    def count(**options: Any) -> int:
        return len(OnnxModel.open(file, categories(), **options).run([image])[0])

    assert count() == 3
    assert count(conf_threshold=0.75) == 2
    (tmp_path / "model.json").write_text(json.dumps({"conf_threshold": 0.85}))
    assert count() == 1
    assert count(conf_threshold=0.75) == 2
    [one] = OnnxModel.open(file, categories()).predict([image], conf_threshold=0.0)
    assert len(one.scores) == 3


# --- what images are for a model


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("layout", [Layout.YOLOV8, Layout.DETR])
def test_types_of_numbers_and_orders_of_axes(dtype: Any, channels_last: bool, layout: Layout, tmp_path: Path):
    content = colour_finder(layout, dtype=dtype, channels_last=channels_last, **options_for(layout))
    [metadata] = opened(content, tmp_path).run([picture(64, 48, red=RED, green=GREEN, blue=BLUE)])
    assert found(metadata) == {"red": RED, "green": GREEN, "blue": BLUE}


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("channels_last", [False, True])
def test_numbers_and_channels_as_a_model_was_trained_with(dtype: Any, channels_last: bool, tmp_path: Path):
    mean, std = (123.0, 116.0, 104.0), (58.0, 57.0, 57.5)
    content = colour_finder("yolov8", mean=mean, std=std, factor=1 / 255, dtype=dtype, channels_last=channels_last)
    told = {"mean": mean, "std": std, "scale": 1, "color": "bgr"}
    [metadata] = opened(content, tmp_path, onnx=told).run([picture(64, 48, red=RED, green=GREEN)])
    assert found(metadata) == {"blue": RED, "green": GREEN}


@pytest.mark.parametrize("batch", ["N", 1, 2, 3, 8])
@pytest.mark.parametrize("layout", list(Layout))
def test_any_number_of_images_whatever_the_model_takes_at_once(batch: int | str, layout: Layout, tmp_path: Path):
    is_classifier = layout is Layout.CLASSIFIER
    names = categories(type="classification" if is_classifier else "box")
    model = opened(colour_finder(layout, batch=batch, **options_for(layout)), tmp_path, names, max_batch_size=4)
    assert model.max_batch_size == (4 if batch == "N" else batch)
    images = [picture(64 + step, 48, **{colour: RED}) for step, colour in enumerate(COLOURS * 3)]
    assert model.run([]) == []
    together = model.predict(images[:7])
    for image, one in zip(images, together, strict=False):
        [alone] = model.predict([image])
        assert alone.boxes_xyxy == pytest.approx(one.boxes_xyxy)
        assert alone.classes.tolist() == one.classes.tolist()
    assert [one.classes[0] for one in together] == [0, 1, 2, 0, 1, 2, 0]


def test_a_model_that_only_says_that_it_takes_any_number(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    rows = np.hstack([[[32, 32, 20, 8]], [[0.9, 0, 0]]]).T[None]
    model = opened(fixed({"output0": rows}, batch="N"), tmp_path, max_batch_size=8)
    assert model.max_batch_size == 1
    assert "one image at a time" in caplog.text
    assert [len(metadata) for metadata in model.run([picture(64, 64)] * 3)] == [1, 1, 1]


def test_a_model_for_images_of_any_size(tmp_path: Path):
    content = colour_finder("yolov8", 128, 96, free_size=True)
    with pytest.raises(ModelRefusedError, match='"resolution": 640'):
        opened(content, tmp_path)
    helper.set_model_props(content, {"imgsz": "[96, 128]"})
    model = opened(content, tmp_path)
    assert model.input_size == (128, 96)
    assert found(model.run([picture(64, 48, red=RED)])[0]) == {"red": RED}
    (tmp_path / "model.json").write_text('{"resolution": 96}')
    with pytest.raises(ModelRefusedError):  # this one computes with its size
        opened(content, tmp_path)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(picture(64, 48, red=RED)[..., [0, 1, 2, 2]], id="with transparency"),
        pytest.param(picture(128, 48, red=RED)[:, :64], id="a view"),
    ],
)
def test_other_images_that_have_colours(image: np.ndarray, tmp_path: Path):
    assert found(opened(colour_finder("yolov8"), tmp_path).run([image])[0]) == {"red": RED}


def test_grey_images_have_colours_that_are_alike(tmp_path: Path):
    model = opened(colour_finder("yolov8"), tmp_path)
    assert [len(one) for one in model.run([np.zeros((48, 64), np.uint8), np.full((48, 64, 1), 255, np.uint8)])] == [
        0,
        0,
    ]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((48, 64, 3), np.float32),
        np.zeros((48, 64, 2), np.uint8),
        np.zeros((48, 64, 3), np.uint16),
        np.zeros((0, 64, 3), np.uint8),
        np.zeros((4,), np.uint8),
        np.zeros((1, 48, 64, 3), np.uint8),
    ],
)
def test_what_is_no_image_is_named(image: np.ndarray, tmp_path: Path):
    with pytest.raises(InvalidImageError):
        opened(colour_finder("yolov8"), tmp_path).run([image])


# --- the DETR family


@pytest.mark.parametrize("background", ["first", "last"])
def test_softmax_with_a_score_for_nothing(background: str, tmp_path: Path):
    content = colour_finder("detr", logits=True, background=background, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    told = {} if background == "last" else {"background": "first"}
    model = opened(content, tmp_path, onnx=told)
    [metadata] = model.run([picture(64, 48, red=RED, green=GREEN, blue=BLUE)])
    assert found(metadata) == {"red": RED, "green": GREEN, "blue": BLUE}
    assert [box.confidence for box in metadata.box_detections] == pytest.approx(SCORES, abs=1e-3)


def rf_detr(background: str = "") -> Any:
    """With the names and the numbers of its exports."""
    names = ("dets", "labels")
    return colour_finder("detr", logits=True, names=names, background=background, mean=IMAGENET_MEAN, std=IMAGENET_STD)


def test_rf_detr(tmp_path: Path):
    [metadata] = opened(rf_detr(), tmp_path).run([picture(64, 48, red=RED, green=GREEN)])
    assert found(metadata) == {"red": RED, "green": GREEN}


def test_rf_detr_has_to_say_which_score_is_that_of_nothing(tmp_path: Path):
    boxes = np.full((1, 2, 4), 0.5)
    logits = [[[-9, 3, -9, -9], [-9, -9, -9, -9]]]
    content = fixed({"dets": boxes, "labels": logits})
    with pytest.raises(ModelRefusedError, match='"background": "last"'):
        opened(content, tmp_path)
    for background, colour in (("first", "red"), ("last", "green")):
        [metadata] = opened(content, tmp_path, onnx={"background": background}).run([picture(64, 64)])
        assert found(metadata) == {colour: (16, 16, 32, 32)}
    with pytest.raises(ModelRefusedError, match="background is none, but there are 4 scores for 3"):
        opened(content, tmp_path, onnx={"background": "none"})
    with pytest.raises(ModelRefusedError, match="background is last, but there are 4 scores for 4"):
        opened(content, tmp_path, categories(*"abcd"), onnx={"background": "last"})


def test_boxes_and_scores_of_the_same_shape_are_told_apart_by_their_names(tmp_path: Path):
    """Three categories and a background are four numbers, as many as a box has."""
    logits = [[[6, 0, 0, 0]]]
    boxes = [[[0.5, 0.5, 0.25, 0.5]]]
    [metadata] = opened(fixed({"logits": logits, "pred_boxes": boxes}), tmp_path).run([picture(64, 64)])
    assert found(metadata) == {"red": (24, 16, 16, 32)}
    with pytest.raises(ModelRefusedError, match="in any layout"):
        opened(fixed({"one": logits, "other": boxes}), tmp_path)


# --- classifiers


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("logits", [False, True])
def test_classifiers(colour: str, logits: bool, tmp_path: Path):
    numbers: dict[str, Any] = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD} if logits else {}
    content = colour_finder("classifier", logits=logits, **numbers)
    model = opened(content, tmp_path, categories(type="classification"))
    image = np.zeros((48, 64, 3), np.uint8)
    image[:] = PIXELS[colour]
    [metadata] = model.run([image])
    [one] = metadata.classification_detections
    powers = np.exp([4.0 * (colour == "red"), 3.0 * (colour == "green"), 2.0 * (colour == "blue")])
    assert (one.category_name, one.category_id) == (colour, f"id-of-{colour}")
    assert one.confidence == pytest.approx(powers.max() / powers.sum(), abs=1e-4)
    [untyped] = opened(content, tmp_path, categories(type=None)).run([image])
    assert untyped.classification_detections == metadata.classification_detections


def test_a_classifier_looks_at_the_middle(tmp_path: Path):
    image = picture(480, 48, red=(0, 0, 100, 48), green=(200, 10, 50, 20))
    [metadata] = opened(colour_finder("classifier"), tmp_path, categories(type="classification")).run([image])
    assert [one.category_name for one in metadata.classification_detections] == ["green"]


def test_scores_that_may_be_either_are_refused(tmp_path: Path):
    names, content = categories(type="classification"), fixed({"output0": [[0.9, 0.6, 0.1]]})
    with pytest.raises(ModelRefusedError, match='"activation"'):
        opened(content, tmp_path, names)
    [metadata] = opened(content, tmp_path, names, onnx={"activation": "none"}).run([picture(64, 64)])
    assert [one.confidence for one in metadata.classification_detections] == [0.9]


# --- what a model is


def rows(count: int, *row: float) -> np.ndarray:
    """An output of so many boxes that are all alike, `(1, count, numbers)`."""
    return np.tile(np.array(row), (1, count, 1))


PIXELS_ONLY, SHARES = (20, 20, 50, 40), (0.5, 0.4, 0.2, 0.3)
AMBIGUOUS = [
    pytest.param(rows(300, *PIXELS_ONLY, 0, 0), 1, {}, "end_to_end", id="300 boxes are no grid"),
    pytest.param(rows(252, *PIXELS_ONLY, 0, 0), 1, {}, "yolov5 or end_to_end", id="252 boxes are one of 64 pixels"),
    pytest.param(rows(252, *PIXELS_ONLY, 0, 0.5), 1, {}, "yolov5", id="half a category"),
    pytest.param(rows(300, *PIXELS_ONLY, 0.1, 0), 2, {}, "end_to_end or rt_detr", id="pixels, or shares that are none"),
    pytest.param(rows(300, *SHARES, 0.1, 0.2), 2, {}, "rt_detr", id="two scores"),
    pytest.param(rows(300, *SHARES, 0.1, 1), 2, {}, "rt_detr_end_to_end", id="a score and a category"),
    pytest.param(rows(300, *SHARES, 0.1, 1), 3, {}, "rt_detr_end_to_end", id="centre and size"),
    pytest.param(rows(300, 0.1, 0.1, 0.3, 0.3, 0.1, 1), 3, {}, "end_to_end or rt_detr_end_to_end", id="or corners"),
    pytest.param(rows(300, 0.1, 0.1, 0.3, 0.3, 0.1, 1), 3, {"head": "RTDETRDecoder", "end2end": "False"},
                 "rt_detr_end_to_end", id="by the name of its head"),
    pytest.param(rows(300, *PIXELS_ONLY, 0, 0), 2, {"end2end": "True"}, "end_to_end", id="the file says so"),
    pytest.param(rows(300, *PIXELS_ONLY, 0, 0), 2, {"args": "{'nms': True}"}, "end_to_end", id="it was told so"),
    pytest.param(rows(300, 0, 0, 0, 0, 0, 0), 3, {}, "end_to_end", id="room for what is not found"),
    pytest.param(rows(7, *PIXELS_ONLY, 0, 0, 0, 0), 3, {}, "yolov8 or yolov5", id="as many boxes as numbers"),
    pytest.param(rows(84, *PIXELS_ONLY, 0, 0, 0).transpose(0, 2, 1), 3, {}, "yolov8", id="84 boxes, one for each cell"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "count", "metadata", "expected"), AMBIGUOUS)
def test_shapes_that_may_mean_several_things(
    values: np.ndarray, count: int, metadata: dict[str, str], expected: str, tmp_path: Path
):
    content = fixed({"output0": values})
    helper.set_model_props(content, metadata)
    names = categories(*"abcdef"[:count])
    if " or " not in expected:
        assert opened(content, tmp_path, names).layout == expected
        return
    with pytest.raises(ModelRefusedError, match=rf'may mean {expected}; say which in model.json: "onnx": {{"layout"'):
        opened(content, tmp_path, names)


def test_older_yolov5_gives_its_grids_as_well(tmp_path: Path):
    outputs = {"350": np.zeros((1, 3, 8, 8, 8)), "output": rows(252, *PIXELS_ONLY, 1, 0.9, 0, 0)}
    model = opened(fixed(outputs), tmp_path)
    assert model.layout is Layout.YOLOV5
    assert found(model.run([picture(64, 64)])[0]) == {"red": (0, 0, 45, 40)}


def test_a_layout_that_is_set_counts(tmp_path: Path):
    values = np.zeros((1, 3, 6))
    values[0, 0] = [0.5, 0.5, 0.25, 0.5, 0, 0.9]
    model = opened(fixed({"output0": values}), tmp_path, categories("a", "b"), onnx={"layout": "rt_detr"})
    assert found(model.run([picture(64, 64)])[0]) == {"b": (24, 16, 16, 32)}
    with pytest.raises(
        ModelRefusedError, match=r"onnx.layout is yolov8, but the outputs output0 \(3, 3, 6\) do not fit"
    ):
        opened(fixed({"output0": values}), tmp_path, categories("a", "b"), onnx={"layout": "yolov8"})


REFUSED = [
    pytest.param(fixed({"a": np.zeros((1, 7, 84))}), ["a", "b"], "3 as yolov8", id="too few categories"),
    pytest.param(colour_finder("yolov5"), list("abcd"), "3 as yolov5", id="too many categories"),
    pytest.param(colour_finder("detr", logits=True), list("abcde"), "3 as detr", id="too many for detr"),
    pytest.param(fixed({"output0": [[0.1, 0.9]]}), list("abc"), "2 as classifier", id="another number of classes"),
    pytest.param(fixed({"a": np.zeros((1, 7, 3)), "b": np.zeros((1, 32, 16, 16))}), COLOURS, "segmentation", id="mask"),
    pytest.param(fixed({"a": np.zeros((1, 2, 3, 4, 5))}), COLOURS, "export the model in one of", id="five axes"),
    pytest.param(fixed({"a": np.zeros((2, 7, 3))}), COLOURS, "for 1 images", id="outputs for two images"),
    pytest.param(fixed({"boxes": np.zeros((5, 4)), "scores": np.zeros(5), "labels": np.zeros(5)}), COLOURS,
                 "for 1 images", id="outputs without an axis for images"),
    pytest.param(fixed({"a": np.full((1, 7, 3), np.nan)}), COLOURS, "NaN", id="NaN"),
    pytest.param(fixed({"a": np.full((1, 7, 3), np.inf)}), COLOURS, "infinite", id="infinity"),
    pytest.param(fixed({"a": np.full((1, 7, 3), 0.5)}), COLOURS, '"normalised": true', id="shares in place of pixels"),
    pytest.param(fixed({"a": np.full((1, 3, 7), 50)}), COLOURS, "2 as yolov5", id="pixels in place of shares"),
    pytest.param(fixed({"a": np.full((1, 3, 8), 0.5)}), COLOURS, "4 as rt_detr", id="shares of another layout"),
    pytest.param(fixed({"logits": np.zeros((1, 2, 3)), "pred_boxes": np.full((1, 2, 4), 50)}), COLOURS,
                 '"normalised": false', id="pixels in place of shares of detr"),
    pytest.param(fixed({"a": np.full((1, 7, 3), 50)}), COLOURS, '"activation": "sigmoid"', id="scores above one"),
    pytest.param(fixed({"a": np.full((1, 7, 3), -50)}), COLOURS, '"activation": "sigmoid"', id="scores below zero"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "names", "text"), REFUSED)
def test_models_that_cannot_be_meant_are_refused(content: Any, names: list[str], text: str, tmp_path: Path):
    with pytest.raises(ModelRefusedError, match=text):
        opened(content, tmp_path, categories(*names))


def inputs(*declared: tuple[str, int, list[Any]]) -> Any:
    """A model with these inputs, whatever comes out."""
    shown = [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in declared]
    nodes = [helper.make_node("Identity", [declared[0][0]], ["y"])]
    outputs = [helper.make_tensor_value_info("y", declared[0][1], declared[0][2])]
    model = helper.make_model(
        helper.make_graph(nodes, "g", shown, outputs), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    return model


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param(inputs(("x", FLOAT, [1, 1, 64, 64])), "3 channels", id="grey"),
        pytest.param(inputs(("x", FLOAT, [1, 3, 64])), "4 axes", id="three axes"),
        pytest.param(inputs(("x", onnx.TensorProto.DOUBLE, [1, 3, 64, 64])), "none of", id="double"),
        pytest.param(inputs(("x", FLOAT, [1, 3, 64, 64]), ("y2", FLOAT, [1])), "orig_target_sizes", id="another input"),
        pytest.param(inputs(("x", FLOAT, [1, 3, 64, 64]), ("y2", FLOAT, [1, 3, 64, 64])), "one for", id="two images"),
        pytest.param(inputs(("x", FLOAT, [1, 3, 64, 640000])), "640000×64", id="large"),
        pytest.param(inputs(("x", FLOAT, [5000, 3, 64, 64])), "5000 images", id="many at once"),
    ],
)
def test_inputs_that_are_no_images_are_refused(content: Any, text: str, tmp_path: Path):
    with pytest.raises(ModelRefusedError, match=text):
        opened(content, tmp_path)


def test_broken_weights_are_found_when_a_model_is_opened(tmp_path: Path):
    content = colour_finder("yolov8")
    [last] = [one for one in content.graph.initializer if one.dims == [1, 4]]
    last.CopyFrom(onnx.numpy_helper.from_array(np.full((1, 4), np.nan, np.float32), last.name))
    with pytest.raises(ModelRefusedError, match="NaN"):
        opened(content, tmp_path)


@pytest.mark.parametrize("name", ["segment", "pose", "obb"])
def test_models_made_for_something_else_are_refused(name: str, tmp_path: Path):
    content = colour_finder("yolov8")
    helper.set_model_props(content, {"task": name})
    with pytest.raises(ModelRefusedError, match=f"made to {name}"):
        opened(content, tmp_path)


def test_graphs_that_the_library_cannot_open_are_refused(tmp_path: Path):
    content = inputs(("x", FLOAT, [1, 3, 64, 64]))
    content.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(ModelRefusedError, match="cannot open model"):
        opened(content, tmp_path)


def test_data_elsewhere_are_refused_before_anything_is_opened(tmp_path: Path):
    content = colour_finder("yolov8")
    content.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    content.graph.initializer[0].external_data.add(key="location", value="../secret")
    with pytest.raises(ModelRefusedError, match="plain file in the model's folder"):
        opened(content, tmp_path)


def test_weights_in_a_file_beside_the_model(tmp_path: Path):
    onnx.save(
        colour_finder("yolov8"), tmp_path / "model.onnx", save_as_external_data=True, location="weights.bin",
        size_threshold=200,
    )  # fmt: skip
    assert (tmp_path / "weights.bin").stat().st_size
    model = OnnxModel.open(tmp_path, categories())
    assert found(model.run([picture(64, 48, red=RED)])[0]) == {"red": RED}


# --- what a model puts out for one image


@pytest.mark.parametrize(
    ("layout", "outputs", "text"),
    [
        pytest.param("end_to_end", {"a": [[[9, 9, 40, 40, 0.9, 3]]]}, "category 3", id="an unknown category"),
        pytest.param("end_to_end", {"a": [[[9, 9, 40, 40, 0.9, -1]]]}, "category -1", id="a negative category"),
        pytest.param("end_to_end", {"a": [[[9, 9, 40, 40, 0.9, 0.5]]]}, "category 0.5", id="half a category"),
        pytest.param("end_to_end", {"a": [[[9, 9, 40, 40, 3, 0]]]}, "scores up to 3", id="a score above one"),
        pytest.param("end_to_end", {"a": [[[40, 40, 9, 9, 0.9, 0]]]}, "before it begins", id="turned inside out"),
        pytest.param("end_to_end", {"a": [[[0.1, 0.1, 0.9, 0.9, 0.9, 0]]]}, "normalised", id="shares"),
        pytest.param("rt_detr_sized", {"labels": [[9]], "boxes": [[[9, 9, 40, 40]]], "scores": [[0.9]]}, "category 9",
                     id="an unknown label"),
        pytest.param("nms", {"num_dets": [[5]], "boxes": [[[9, 9, 40, 40]]], "scores": [[0.9]], "labels": [[0]]},
                     "found 5 boxes", id="more than there are"),
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_never_boxes(layout: str, outputs: dict[str, Any], text: str, tmp_path: Path):
    sizes = helper.make_tensor_value_info("orig_target_sizes", onnx.TensorProto.INT64, [1, 2])
    content = fixed(outputs, inputs=(sizes,) if layout == "rt_detr_sized" else ())
    with pytest.raises(ModelRefusedError, match=text):  # when it is tried out, here, as it is the same for any image
        opened(content, tmp_path, onnx={"layout": layout})


def test_an_image_that_makes_nan_is_an_error_and_the_next_one_is_fine(tmp_path: Path):
    """Pure red divides by zero."""
    content = colour_finder("yolov8")
    node = content.graph.node.pop()
    content.graph.node.extend(
        [
            helper.make_node("ReduceMean", ["images"], ["means"], axes=[2, 3], keepdims=0),
            helper.make_node("Sub", ["means", "one"], ["less"]),
            helper.make_node("Abs", ["less"], ["distances"]),
            helper.make_node("ReduceSum", ["distances", "axis"], ["distance"], keepdims=1),
            helper.make_node("Div", ["distance", "distance"], ["ratio"]),
            helper.make_node("Unsqueeze", ["ratio", "axis"], ["ratios"]),
            helper.make_node("Mul", [node.input[0], "ratios"], ["output0"]),
        ]
    )
    content.graph.initializer.append(onnx.numpy_helper.from_array(np.array([[1, 0, 0]], np.float32), "one"))
    content.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1]), "axis"))
    model = opened(content, tmp_path)
    red = np.zeros((96, 128, 3), np.uint8)
    red[..., 0] = 255
    fine = picture(64, 48, red=RED)
    with pytest.raises(DetectionFailedError, match=r"^image 2 of 2: .* NaN or infinite"):
        model.run([fine, red])
    with pytest.raises(DetectionFailedError, match=r"^[0-9]+ of the .* NaN or infinite"):
        model.run([red])
    with pytest.raises(InvalidImageError, match=r"^image 3 of 3: "):
        model.run([fine, fine, np.zeros((1, 1), np.float64)])
    assert found(model.run([fine])[0]) == {"red": RED}


# --- names


def test_names_in_the_file_are_the_categories_where_nobody_names_others(tmp_path: Path):
    content = colour_finder("yolov8")
    helper.set_model_props(content, {"names": "{0: 'red', 1: 'green', 2: 'blue'}"})
    model = opened(content, tmp_path, [])
    assert [(category.name, category.type) for category in model.categories] == [(name, "box") for name in COLOURS]
    assert [category.name for category in opened(content, tmp_path, categories("r", "g", "b")).categories] == [*"rgb"]
    with pytest.raises(ModelRefusedError, match="in the order blue, green, red"):
        opened(content, tmp_path, categories("blue", "green", "red"))
    with pytest.raises(ModelRefusedError, match="categories of the model are not known"):
        opened(colour_finder("yolov8"), tmp_path, [])


@pytest.mark.parametrize(
    "text", ["{1: 'a', 2: 'b', 3: 'c'}", "5", "['a', 1, 'b']", "['a', 'a', 'b']", "[" * 5000, "__import__('os')", ""]
)
def test_names_that_are_none_are_refused(text: str, tmp_path: Path):
    content = colour_finder("yolov8")
    helper.set_model_props(content, {"names": text})
    with pytest.raises(ModelRefusedError, match="names in the metadata"):
        opened(content, tmp_path, [])


@pytest.mark.parametrize(
    ("kind", "layout"), [("segmentation", "yolov8"), ("classification", "yolov8"), ("box", "classifier")]
)
def test_categories_of_a_type_that_the_model_does_not_find(kind: str, layout: str, tmp_path: Path):
    with pytest.raises(ModelRefusedError, match=f"of type {kind}"):
        opened(colour_finder(layout), tmp_path, categories(type=kind))


def test_a_detector_does_not_crop(tmp_path: Path):
    with pytest.raises(ModelRefusedError, match="hide things"):
        opened(colour_finder("yolov8"), tmp_path, onnx={"letterbox": "crop"})


def test_everything_from_one_folder(tmp_path: Path):
    content = colour_finder("yolov8")
    (tmp_path / "finder.onnx").write_bytes(content.SerializeToString())
    names = [{"id": "1", "name": "r", "type": "point"}, {"id": "2", "name": "g"}, {"id": "3", "name": "b"}]
    told = {"categories": names, "version": "1.2", "conf_threshold": 0.85, "id": "x", "onnx": {"layout": "yolov8"}}
    (tmp_path / "model.json").write_text(json.dumps(told))
    [metadata] = OnnxModel.open(tmp_path).run([picture(64, 48, red=RED, green=GREEN)])
    [point] = metadata.point_detections
    assert (point.x, point.y, point.category_id, point.model_name) == (16, 10, "1", "1.2")
    assert metadata.box_detections == []
    (tmp_path / "other.onnx").write_bytes(b"")
    with pytest.raises(ModelRefusedError, match=r"finder\.onnx, other\.onnx"):
        OnnxModel.open(tmp_path)
    (tmp_path / "model.json").write_text("{}}")
    with pytest.raises(ModelRefusedError, match="cannot be used: not valid JSON"):
        OnnxModel.open(tmp_path / "finder.onnx")


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ([], "must be an object"),
        ({"layout": "yolo"}, "onnx.layout is 'yolo'; it must be one of yolov5"),
        ({"letterbox": "left"}, "onnx.letterbox"),
        ({"mean": [1, 2]}, "onnx.mean must be a list of three numbers"),
        ({"std": [1, 0, 1]}, "onnx.std"),
        ({"scale": 0}, "onnx.scale"),
        ({"iou_threshold": 1.5}, "onnx.iou_threshold"),
        ({"max_detections": 0}, "onnx.max_detections"),
        ({"max_detections": "10"}, "onnx.max_detections"),
    ],
)
def test_wrong_keys_in_model_json_are_named(told: Any, text: str):
    with pytest.raises(ModelRefusedError, match=text):
        OnnxParameters.from_json(told)


def test_keys_that_nobody_knows_are_told(caplog: pytest.LogCaptureFixture):
    assert OnnxParameters.from_json({"layuot": "yolov8"}) == OnnxParameters.from_json(None) == OnnxParameters()
    assert "layuot" in caplog.text
