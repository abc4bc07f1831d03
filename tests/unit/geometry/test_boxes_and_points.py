"""Boxes and points: conversion, area, clipping, overlap, distance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_loop_node.geometry.boxes import areas, as_boxes, clip_box, clip_boxes, to_xywh, to_xyxy
from learning_loop_node.geometry.overlap import mask_overlaps, overlaps, paired_overlaps_xywh
from learning_loop_node.geometry.points import as_points, clip_point, distances, paired_distances

EMPTY = np.empty((0, 4))
BOX = np.array([[0, 0, 10, 10]])
LINE = np.array([[3, 3, 3, 9]])


@pytest.mark.parametrize("function", [to_xyxy, to_xywh, as_boxes, areas])
@pytest.mark.parametrize("nothing", [EMPTY, np.array([])], ids=["no boxes", "no array"])
def test_no_boxes_give_nothing(function: Any, nothing: Any):
    assert len(function(nothing)) == 0


@pytest.mark.parametrize(
    ("boxes_a", "boxes_b", "expected"),
    [
        pytest.param(EMPTY, EMPTY, np.empty((0, 0)), id="nothing"),
        pytest.param(EMPTY, BOX, np.empty((0, 1)), id="no boxes"),
        pytest.param(BOX, EMPTY, np.empty((1, 0)), id="with no boxes"),
        pytest.param(BOX, BOX, [[1.0]], id="identical"),
        pytest.param(LINE, LINE, [[0.0]], id="without area"),
        pytest.param(BOX, [[0, 0, 10, 5], [10, 0, 20, 10], [-5, -5, 5, 5]], [[0.5, 0, 25 / 175]], id="several"),
        pytest.param([[5, 5, 0, 0]], BOX, [[0.0]], id="swapped corners"),
    ],
)
def test_overlaps(boxes_a: Any, boxes_b: Any, expected: Any):
    assert overlaps(np.array(boxes_a), np.array(boxes_b)).tolist() == np.array(expected).tolist()


box = st.tuples(*[st.integers(-20, 20)] * 2, *[st.integers(0, 20)] * 2)


@given(st.lists(box, min_size=1, max_size=8), st.lists(box, min_size=1, max_size=8))
def test_overlaps_in_pairs_are_those_of_the_table(boxes_a: list[Any], boxes_b: list[Any]):
    a, b = np.array(boxes_a, dtype=float), np.array(boxes_b, dtype=float)
    table = overlaps(to_xyxy(a), to_xyxy(b))
    rows, columns = np.indices(table.shape).reshape(2, -1)
    assert paired_overlaps_xywh(a[rows], b[columns]).tolist() == table.ravel().tolist()
    assert ((table >= 0) & (table <= 1)).all()
    assert (table == overlaps(to_xyxy(b), to_xyxy(a)).T).all()
    assert (to_xywh(to_xyxy(a)) == a).all()


def test_inputs_are_not_changed():
    boxes = np.array([[-5.0, -5, 50, 50]])
    clip_boxes(boxes, 10, 10)
    to_xyxy(boxes)
    assert boxes.tolist() == [[-5, -5, 50, 50]]


@pytest.mark.parametrize(
    ("function", "bad"), [(as_boxes, [1, 2, 3, 4]), (as_boxes, [[1, 2, 3]]), (as_points, [[1, 2, 3]]), (as_points, [1])]
)
def test_wrong_shapes_are_named(function: Any, bad: Any):
    with pytest.raises(ValueError, match=r"must be an array of shape \(N, \d\), not \("):
        function(np.array(bad))


@pytest.mark.parametrize(
    ("xywh", "expected"),
    [
        pytest.param((0, 0, 10, 10), (0, 0, 10, 10), id="inside"),
        pytest.param((-5, -5, 10, 10), (0, 0, 5, 5), id="over the upper left corner"),
        pytest.param((630, 470, 20, 20), (630, 470, 10, 10), id="over the lower right corner"),
        pytest.param((-20, -20, 5, 5), (0, 0, 0, 0), id="outside, above"),
        pytest.param((700, 700, 5, 5), (700, 700, 0, 0), id="outside, below"),
        pytest.param((0.5, 1.5, 2, 2), (0, 2, 2, 2), id="halves go to the even pixel"),
        pytest.param((0.4, 0.4, 0.2, 0.2), (0, 0, 1, 1), id="smaller than a pixel"),
        pytest.param((10, 10, -5, -5), (10, 10, 0, 0), id="negative size"),
    ],
)
def test_clip_box_as_027(xywh: tuple[float, ...], expected: tuple[int, ...]):
    x, y, width, height = xywh
    clipped = clip_box(x1=x, y1=y, width=width, height=height, img_width=640, img_height=480)
    assert clipped == expected
    assert all(type(value) is int for value in clipped)


@pytest.mark.parametrize(
    ("point", "expected"),
    [((0, 0), (0, 0)), ((-1, 5), (0, 5)), ((640, 480), (640, 480)), ((641.5, -3), (640, 0)), ((3.3, 4.4), (3.3, 4.4))],
)
def test_clip_point_as_027(point: tuple[float, float], expected: tuple[float, float]):
    assert clip_point(*point, 640, 480) == expected


def test_distances():
    points_a, points_b = np.array([[0, 0], [10, 0]]), np.array([[0, 0], [3, 4], [10, 0]])
    assert distances(points_a, points_b).round(3).tolist() == [[0, 5, 10], [10, 8.062, 0]]
    assert distances(np.empty((0, 2)), points_b).shape == (0, 3)
    assert distances(points_a, np.array([])).shape == (2, 0)
    assert paired_distances(np.empty((0, 2)), np.empty((0, 2))).shape == (0,)


def test_mask_overlaps():
    full, half, empty = np.ones((4, 4)), np.zeros((4, 4)), np.zeros((4, 4))
    half[:2] = 7
    assert mask_overlaps(np.array([full, half]), np.array([full, half, empty])).tolist() == [[1, 0.5, 0], [0.5, 1, 0]]
    assert mask_overlaps(np.empty((0, 4, 4)), np.array([full])).shape == (0, 1)
    with pytest.raises(ValueError, match="equal size"):
        mask_overlaps(np.empty((1, 4, 4)), np.empty((1, 4, 5)))
