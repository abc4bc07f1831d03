"""Polygons and masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning_loop_node.geometry.overlap import PAIRS, mask_overlaps, polygon_overlaps
from learning_loop_node.geometry.polygons import outlines, signed_area, simplify, to_mask, to_masks

SQUARE = [[1, 1], [3, 1], [3, 3], [1, 3]]


@pytest.mark.parametrize(
    ("polygon", "expected"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param([[1, 1]], 0, id="one corner"),
        pytest.param([[1, 1], [5, 5]], 0, id="a line"),
        pytest.param(SQUARE, 4, id="clockwise"),
        pytest.param(SQUARE[::-1], -4, id="counter-clockwise"),
        pytest.param([[0, 0], [4, 0], [0, 3]], 6, id="triangle"),
    ],
)
def test_area(polygon: Any, expected: float):
    assert signed_area(np.array(polygon)) == expected


@pytest.mark.parametrize(
    ("polygon", "expected"),
    [
        pytest.param([], ["....", "....", "...."], id="nothing"),
        pytest.param([[1, 1], [3, 3]], ["....", "....", "...."], id="a line"),
        pytest.param(SQUARE, ["....", ".##.", ".##."], id="square"),
        pytest.param(SQUARE[::-1], ["....", ".##.", ".##."], id="the other way round"),
        pytest.param([[-9, -9], [9, -9], [9, 9], [-9, 9]], ["####", "####", "####"], id="larger than the image"),
        pytest.param([[0, 0], [4, 0], [0, 4]], ["###.", "##..", "#..."], id="centres on the line"),
        pytest.param([[0, 0], [4, 3], [4, 0], [0, 3]], ["#..#", "####", "#..#"], id="crossing itself"),
    ],
)
def test_to_mask(polygon: Any, expected: list[str]):
    mask = to_mask(np.array(polygon), height=3, width=4)
    assert ["".join("#" if pixel else "." for pixel in row) for row in mask] == expected


@pytest.mark.parametrize(
    ("rows", "areas"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param(["..", ".."], [], id="empty"),
        pytest.param(["##", "##"], [4], id="full"),
        pytest.param(["#.", ".#"], [1, 1], id="touching at a corner"),
        pytest.param(["###", "#.#", "###"], [9, -1], id="with a hole"),
        pytest.param(["##.", "#.#", "###"], [7], id="a hole that touches the outside belongs to it"),
    ],
)
def test_outlines(rows: list[str], areas: list[float]):
    mask = np.array([[pixel == "#" for pixel in row] for row in rows]).reshape(len(rows), -1 if rows else 0)
    assert sorted(map(signed_area, outlines(mask)), reverse=True) == areas


@given(st.lists(st.lists(st.booleans(), min_size=7, max_size=7), min_size=1, max_size=7))
def test_outlines_give_the_mask_again(rows: list[list[bool]]):
    mask = np.array(rows)
    polygons = outlines(mask)
    again = np.zeros_like(mask)
    for polygon in polygons:
        again ^= to_mask(polygon, *mask.shape)
    assert (again == mask).all()
    assert sum(map(signed_area, polygons)) == mask.sum()


@pytest.mark.parametrize(
    ("polygon", "tolerance", "expected"),
    [
        pytest.param([], 1, [], id="nothing"),
        pytest.param([[0, 0], [1, 0], [0, 1]], 9, [[0, 0], [1, 0], [0, 1]], id="three corners stay"),
        pytest.param([[1, 1], [2, 1], [3, 1], [3, 3], [1, 3]], 0, SQUARE, id="on the line"),
        pytest.param([[1, 1], [2, 0.8], [3, 1], [3, 3], [1, 3]], 0.1, None, id="too far from the line"),
        pytest.param([[1, 1], [2, 0.8], [3, 1], [3, 3], [1, 3]], 0.3, SQUARE, id="close to the line"),
        pytest.param([[2, 2]] * 5, 1, [[2, 2]], id="all in one place"),
    ],
)
def test_simplify(polygon: Any, tolerance: float, expected: Any):
    simple = simplify(np.array(polygon), tolerance=tolerance)
    assert simple.tolist() == (polygon if expected is None else expected)


def test_a_circle_becomes_simpler_and_stays_close():
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = 50 + 40 * np.column_stack([np.cos(angles), np.sin(angles)])
    simple = simplify(circle, tolerance=0.5)
    assert 8 < len(simple) < 40
    assert signed_area(simple) == pytest.approx(signed_area(circle), rel=0.03)


WIDE = [[0, 0], [200, 0], [200, 100], [0, 100]]
TALL = [[0, 0], [100, 0], [100, 200], [0, 200]]


@pytest.mark.parametrize(
    ("polygons_a", "polygons_b", "expected"),
    [
        pytest.param([], [], np.empty((0, 0)), id="nothing"),
        pytest.param([], [SQUARE], np.empty((0, 1)), id="nothing in a"),
        pytest.param([SQUARE], [[], [[1, 1]], [[1, 1], [3, 3]]], [[0, 0, 0]], id="without area"),
        pytest.param([SQUARE], [SQUARE, SQUARE[::-1]], [[1, 1]], id="itself, either way round"),
        pytest.param([WIDE], [TALL], [[1 / 3]], id="a third"),
        pytest.param([WIDE, TALL], [[[0, 0], [200, 0], [200, 200], [0, 200]]], [[0.5], [0.5]], id="half"),
        pytest.param([[[0, 0], [9, 0], [0, 9]]], [[[9, 9], [9, 0.5], [0.5, 9]]], [[0]], id="only their boxes overlap"),
    ],
)
def test_polygon_overlaps(polygons_a: Any, polygons_b: Any, expected: Any):
    found = polygon_overlaps([np.array(one) for one in polygons_a], [np.array(one) for one in polygons_b])
    np.testing.assert_allclose(found, expected, atol=0.01)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_polygons_overlap_alike_at_every_size(scale: float):
    polygon, other = np.array([[0, 0], [7, 2], [5, 9], [1, 6]]), np.array([[2, 1], [9, 1], [6, 8]])
    shown = [to_mask(one * 100, 1000, 1000) for one in (polygon, other)]
    [[expected]] = mask_overlaps(shown[0][None], shown[1][None])
    [[found]] = polygon_overlaps([polygon * scale], [other * scale])
    assert found == pytest.approx(expected, abs=0.01)


CORNERS = st.lists(st.tuples(st.floats(-3, 12), st.floats(-3, 12)), max_size=8)


@given(st.lists(CORNERS, max_size=4))
def test_many_are_drawn_as_each_by_itself(polygons: list[list[tuple[float, float]]]):
    arrays = [np.array(corners, dtype=float).reshape(-1, 2) for corners in polygons]
    expected = np.array([to_mask(one, 7, 9) for one in arrays], dtype=bool).reshape(-1, 7, 9)
    np.testing.assert_array_equal(to_masks(arrays, 7, 9), expected)


def test_of_many_each_pair_overlaps_as_by_itself():
    square = np.array([[0, 0], [6, 0], [6, 6], [0, 6]])
    row = [square + np.array([2 * place, 0]) for place in range(PAIRS)]
    together = polygon_overlaps(row, row)
    assert np.count_nonzero(together) > 3 * PAIRS
    alone = [[polygon_overlaps([a], [b])[0, 0] for b in row] for a in row]
    np.testing.assert_array_equal(together, alone)
