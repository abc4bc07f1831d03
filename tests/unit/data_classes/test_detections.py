"""Overlap, distance, counting and the text form of detections."""

from __future__ import annotations

import pytest

from learning_loop_node.data_classes import Detections, ImageMetadata, Observation, Point, Shape
from tests.builders import make_box, make_classification, make_point, make_segmentation

BOX = make_box(x=0, y=0, width=10, height=10)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(make_box(x=0, y=0, width=10, height=10), 1.0, id="identical"),
        pytest.param(make_box(x=5, y=0, width=10, height=10), 1 / 3, id="half"),
        pytest.param(make_box(x=10, y=0, width=10, height=10), 0.0, id="touching"),
        pytest.param(make_box(x=90, y=90, width=10, height=10), 0.0, id="far away"),
        pytest.param(make_box(x=5, y=5, width=0, height=0), 0.0, id="without area"),
    ],
)
def test_intersection_over_union(other, expected):
    assert BOX.intersection_over_union(other) == pytest.approx(expected)
    assert other.intersection_over_union(BOX) == pytest.approx(expected)


def test_two_boxes_without_area_do_not_overlap():
    empty = make_box(width=0, height=0)
    assert empty.intersection_over_union(empty) == 0.0


def test_distance():
    assert make_point(x=0, y=0).distance(make_point(x=3, y=4)) == 5.0


def test_shape_as_on_the_wire():
    assert str(Shape(points=[])) == ""
    assert str(Shape(points=[Point(x=1, y=2), Point(x=3, y=4)])) == "1,2,3,4"


@pytest.mark.parametrize("cls", [Detections, ImageMetadata])
def test_length_is_the_number_of_detections(cls):
    assert len(cls()) == 0
    everything = cls(
        box_detections=[make_box()],
        point_detections=[make_point(), make_point()],
        segmentation_detections=[make_segmentation()],
        classification_detections=[make_classification()],
    )
    assert len(everything) == 5


@pytest.mark.parametrize("detection", [make_box(), make_point(), make_segmentation(), make_classification()])
def test_text_names_category_and_confidence(detection):
    assert str(detection).startswith("face 0.90")


def test_observation_ages():
    observation = Observation(make_box())
    assert not observation.is_older_than(60)
    assert observation.is_older_than(-1)
    before = observation.last_seen
    observation.update_last_seen()
    assert observation.last_seen >= before
