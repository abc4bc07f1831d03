"""Raw model output to detections, as 0.27 did it."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from learning_loop_node.data_classes import BoxDetection, Detections, ImageMetadata, ModelInformation, PointDetection
from learning_loop_node.enums import CategoryType
from learning_loop_node.postprocess import (
    Prediction,
    bbox_iou,
    non_max_suppression,
    post_process,
    predictions_from_xyxy,
    to_detections,
    to_image_metadata,
)
from tests.builders import make_category, make_model_information

NEAR = [[0, 0, 10, 10], [0, 0, 10, 11]]


def prediction(x: float, y: float, width: float, height: float, category: int = 0, confidence: float = 0.5):
    return Prediction(x=x, y=y, width=width, height=height, category_index=category, confidence=confidence)


@pytest.mark.parametrize(
    ("boxes", "scores", "classes", "expected"),
    [
        pytest.param([], [], [], [], id="nothing"),
        pytest.param([[0, 0, 10, 10]], [0.5], [0], [], id="score of just the threshold"),
        pytest.param([[0, 0, 10, 10]], [0.6], [0], [prediction(0, 0, 10, 10, confidence=0.6)], id="above it"),
        pytest.param([[-5, -5, 999, 999]], [0.6], [0], [prediction(0, 0, 639, 479, confidence=0.6)], id="clipped"),
        pytest.param([[700, 700, 800, 800]], [0.6], [0], [prediction(639, 479, 0, 0, confidence=0.6)], id="outside"),
        pytest.param(NEAR, [0.6, 0.9], [0, 0], [prediction(0, 0, 10, 11, confidence=0.9)], id="the better one"),
        pytest.param(
            NEAR,
            [0.6, 0.9],
            [0, 1],
            [prediction(0, 0, 10, 11, 1, confidence=0.9), prediction(0, 0, 10, 10, confidence=0.6)],
            id="of two classes, best first",
        ),
        pytest.param(
            [[0, 0, 9, 9], [0, 0, 9, 4]],
            [0.9, 0.8],
            [0, 0],
            [prediction(0, 0, 9, 9, confidence=0.9), prediction(0, 0, 9, 4, confidence=0.8)],
            id="overlap of just the threshold, last pixels included",
        ),
    ],
)
def test_post_process(boxes: Any, scores: Any, classes: Any, expected: list[Prediction]):
    raw = np.array(boxes, dtype=np.float64).reshape(-1, 4), np.array(scores), np.array(classes, dtype=np.float32)
    found = post_process(*raw, conf_threshold=0.5, iou_threshold=0.5, origin_h=480, origin_w=640)
    assert found == expected
    assert all(type(one.category_index) is int and type(one.x) is float for one in found)


def test_non_max_suppression_of_nothing():
    nothing = np.empty((0, 4)), np.empty(0), np.empty(0)
    boxes, scores, classes = non_max_suppression(*nothing, iou_threshold=0.5, origin_h=480, origin_w=640)
    assert (boxes.shape, scores.shape, classes.shape) == ((0, 4), (0,), (0,))


def test_overlap_includes_the_last_pixel():
    boxes = np.array([[0, 0, 9, 9], [0, 0, 4, 9], [20, 20, 30, 30], [9, 9, 9, 9]])
    assert bbox_iou(boxes[:1], boxes).tolist() == [1, 0.5, 0, 0.01]
    assert bbox_iou(boxes[:1], np.empty((0, 4))).shape == (0,)


def test_predictions_need_the_same_number_of_each():
    assert predictions_from_xyxy(labels=[], boxes=[], scores=[]) == []
    [one] = predictions_from_xyxy(labels=[1.0], boxes=[[0.5, 0.5, 4.25, 9]], scores=[0.6])
    assert one == prediction(0.5, 0.5, 3.75, 8.5, 1, confidence=0.6)
    with pytest.raises(ValueError, match="1 labels, 0 boxes and 1 scores"):
        predictions_from_xyxy(labels=[0], boxes=[], scores=[0.5])


@pytest.mark.parametrize(
    ("given", "boxes", "points"),
    [
        pytest.param(prediction(1.4, 2.6, 10.3, 20.2), [(1, 3, 11, 20)], [], id="box, rounded"),
        pytest.param(prediction(-5, -5, 10, 10), [(0, 0, 5, 5)], [], id="box, clipped"),
        pytest.param(prediction(0, 0, 2, 10), [], [], id="too narrow"),
        pytest.param(prediction(0, 0, 10, 2), [], [], id="too low"),
        pytest.param(prediction(0, 0, 2.01, 10), [(0, 0, 2, 10)], [], id="just wide enough"),
        pytest.param(prediction(10, 10, 20, 21, 1), [], [(20.0, 20.5)], id="point in the centre"),
        pytest.param(prediction(630, 470, 30, 30, 1), [], [(640, 480)], id="point, clipped"),
        pytest.param(prediction(0, 0, 2, 2, 1), [], [], id="too small for a point"),
    ],
)
def test_to_detections(given: Prediction, boxes: list[Any], points: list[Any]):
    metadata = to_image_metadata([given], model(), 480, 640)
    detections = to_detections([given], model(), 480, 640, image_id="an image")
    assert detections.image_id == "an image"
    for found in (metadata, detections):
        assert [(box.x, box.y, box.width, box.height) for box in found.box_detections] == boxes
        assert [(point.x, point.y) for point in found.point_detections] == points
        detections_found: list[BoxDetection | PointDetection] = [*found.box_detections, *found.point_detections]
        for detection in detections_found:
            assert (detection.model_name, detection.confidence) == ("1.0", 0.5)
            assert detection.category_id == f"id-of-{detection.category_name}"


@pytest.mark.parametrize("index", [2, 3])
def test_other_types_are_named_in_the_log(index: int, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        assert len(to_image_metadata([prediction(0, 0, 10, 10, index)], model(), 480, 640)) == 0
    assert model().categories[index].name in caplog.text


@pytest.mark.parametrize("index", [-1, 4])
def test_a_category_that_the_model_lacks_is_an_error(index: int):
    with pytest.raises(ValueError, match=f"category index {index} is out of range"):
        to_image_metadata([prediction(0, 0, 10, 10, index)], model(), 480, 640)


def test_nothing_gives_nothing():
    assert len(to_image_metadata([], model(), 480, 640)) == 0
    assert to_detections([], model(), 480, 640) == Detections()
    assert isinstance(to_image_metadata([], model(), 480, 640), ImageMetadata)


def model() -> ModelInformation:
    return make_model_information(
        categories=[
            make_category("face"),
            make_category("eye", type="point"),
            make_category("outline", type=CategoryType.Segmentation),
            make_category("untyped", type=None),
        ]
    )
