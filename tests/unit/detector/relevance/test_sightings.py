"""Which boxes and points are new: small cases, then a slow reference in plain Python on random ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_loop_node.detector.relevance.sightings import Sightings
from learning_loop_node.detector.relevance.similarity import SimilarBoxes, SimilarPoints

BOX = [0, 0, 10, 10]


@pytest.mark.parametrize(
    ("before", "image", "expected"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param([BOX], [], [], id="nothing after something"),
        pytest.param([], [BOX], [True], id="first"),
        pytest.param([BOX], [BOX], [False], id="again"),
        pytest.param([], [BOX, BOX], [True, False], id="twice in one image"),
        pytest.param([BOX], [[0, 0, 5, 10]], [False], id="overlap of exactly a half"),
        pytest.param([[0, 0, 1000, 10]], [[0, 0, 499, 10]], [True], id="just below a half"),
        pytest.param([[0, 0, 499, 10]], [[0, 0, 1000, 10]], [True], id="just below a half, the larger one later"),
        pytest.param([[0, 0, 500, 10]], [[500 - 500, 0, 1000, 10]], [False], id="half of the larger one"),
        pytest.param([[500, 0, 500, 10]], [[0, 0, 1000, 10]], [False], id="half of the larger one, at its end"),
        pytest.param([[0, 0, 1000, 10]], [[500, 0, 500, 10]], [False], id="half of the larger one, from its middle"),
        pytest.param([[0, 0, 0, 10]], [[0, 0, 0, 10]], [True], id="without area nothing is similar"),
        pytest.param([[-20, -20, 10, 10]], [[-21, -20, 10, 10]], [False], id="outside the image"),
        pytest.param([], [BOX, [3, 0, 10, 10], [6, 0, 10, 10]], [True, False, True], id="a chain in one image"),
        pytest.param([[2**30, 0, 9, 9]], [[2**30 + 1, 0, 9, 9]], [False], id="beyond what float32 holds"),
        pytest.param([[2**30, 0, 9, 9]], [[2**30 + 9, 0, 9, 9]], [True], id="beyond what float32 holds, new"),
        pytest.param([[1e300, 0, 1e10, 9]], [[0, 1e300, 9, 9]], [True], id="beyond all reason"),
    ],
)
def test_boxes(before: list[Any], image: list[Any], expected: list[bool]):
    sightings = Sightings(SimilarBoxes())
    mark(sightings, before)
    assert mark(sightings, image) == expected


@pytest.mark.parametrize(
    ("before", "image", "expected"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param([[0, 0]], [[9.99, 0]], [False], id="closer than 10"),
        pytest.param([[0, 0]], [[10, 0]], [True], id="exactly 10"),
        pytest.param([[0, 0]], [[6, 8]], [True], id="exactly 10, askew"),
        pytest.param([[0, 0]], [[9.9, 9.9]], [True], id="in the corner of the window"),
        pytest.param([[-50.5, 0]], [[-50.5, 0]], [False], id="negative"),
    ],
)
def test_points(before: list[Any], image: list[Any], expected: list[bool]):
    sightings = Sightings(SimilarPoints())
    mark(sightings, before)
    assert mark(sightings, image) == expected


def test_categories_are_compared():
    sightings = Sightings(SimilarBoxes())
    assert mark(sightings, [BOX, BOX], "ab") == [True, True]
    assert mark(sightings, [BOX, BOX, BOX], "bca") == [False, True, False]


def test_all_similar_ones_count_as_seen_again():
    sightings = Sightings(SimilarPoints())
    mark(sightings, [[0, 0], [15, 0], [100, 0]], now=1)
    mark(sightings, [[3, 0]], now=2)
    assert sightings.last_seen.tolist() == [2, 1, 1]
    mark(sightings, [[8, 0]], now=3)
    assert sightings.last_seen.tolist() == [3, 3, 1]


def test_forgets_what_was_seen_before_a_moment():
    sightings = Sightings(SimilarPoints())
    mark(sightings, [[0, 0]], "a", now=1)
    mark(sightings, [[50, 0]], "b", now=2)
    sightings.forget_before(2)
    assert mark(sightings, [[50, 0], [0, 0]], "ba", now=3) == [False, True]


def test_trims_what_was_not_seen_for_longest():
    sightings = Sightings(SimilarPoints())
    mark(sightings, [[0, 0], [100, 0], [200, 0]], "abc", now=1)
    mark(sightings, [[0, 0]], "a", now=2)
    sightings.trim(2)
    assert sightings.find(np.array([[0.0, 0]]), "a") == [0]
    assert sightings.find(np.array([[100.0, 0]]), "b") == []
    assert sightings.find(np.array([[200.0, 0]]), "c") == [1]


def test_forgotten_categories_take_no_memory():
    sightings = Sightings(SimilarPoints())
    for number in range(300):
        mark(sightings, [[0, 0]], [f"category {number}"], now=number)
        sightings.forget_before(number)
    assert len(sightings) == len(sightings._codes) == 1
    assert sightings.size_bytes < 1000


def test_find_remembers_nothing():
    sightings = Sightings(SimilarBoxes())
    assert sightings.find(np.array([[0.0, 0, 10, 10]]), "a") == []
    assert len(sightings) == 0


def test_a_crowd_of_equal_boxes_is_one_new_box():
    assert sum(mark(Sightings(SimilarBoxes()), [BOX] * 3000)) == 1


def test_more_boxes_than_one_mask_holds():
    """A grid of separate boxes, twice; the second time all are known."""
    grid = [[20 * (index % 90), 20 * (index // 90), 10, 10] for index in range(2000)]
    sightings = Sightings(SimilarBoxes())
    assert all(mark(sightings, grid))
    assert not any(mark(sightings, grid[::-1]))
    assert len(sightings) == 2000


whole = st.integers(-3, 14)
size = st.integers(0, 8)
boxes = st.tuples(whole, whole, size, size, st.sampled_from("ab"))
real = st.floats(-20, 20, allow_nan=False) | st.integers(-20, 20)
real_boxes = st.tuples(real, real, *[st.floats(0, 20)] * 2, st.sampled_from("ab"))
points = st.tuples(real, real, st.sampled_from("ab"))


def images_of(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[list[Any]]]:
    return st.lists(st.lists(items, max_size=12), max_size=5)


@settings(max_examples=150, deadline=None)
@given(images_of(boxes) | images_of(real_boxes))
def test_boxes_like_the_slow_reference(images: list[list[Any]]):
    compare(Sightings(SimilarBoxes()), images, similar_boxes)


@settings(max_examples=150, deadline=None)
@given(images_of(points))
def test_points_like_the_slow_reference(images: list[list[Any]]):
    compare(Sightings(SimilarPoints()), images, similar_points)


def compare(sightings: Sightings, images: list[list[Any]], similar: Any) -> None:
    """The reference keeps `[detection, last seen]` and compares one after the other."""
    remembered: list[list[Any]] = []
    for now, image in enumerate(images):
        expected = []
        for detection in image:
            matches = [entry for entry in remembered if entry[0][-1] == detection[-1] and similar(entry[0], detection)]
            for entry in matches:
                entry[1] = now
            expected.append(not matches)
            if not matches:
                remembered.append([detection, now])
        rows = [detection[:-1] for detection in image]
        assert mark(sightings, rows, [detection[-1] for detection in image], now=now) == expected
        assert sightings.last_seen.tolist() == [entry[1] for entry in remembered]


def similar_boxes(a: Any, b: Any) -> bool:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    intersection = max(width, 0) * max(height, 0)
    union = a[2] * a[3] + b[2] * b[3] - intersection
    return bool(union > 0 and intersection / union >= 0.5)


def similar_points(a: Any, b: Any) -> bool:
    dx, dy = a[0] - b[0], a[1] - b[1]
    return math.sqrt(dx * dx + dy * dy) < 10


def mark(sightings: Sightings, rows: list[Any], categories: Any = None, now: float = 0) -> list[bool]:
    columns = sightings._similarity.columns
    array = np.array(rows, dtype=np.float64).reshape(-1, columns)
    return sightings.mark_new(array, list(categories or "a" * len(rows)), now).tolist()  # type: ignore[no-any-return]
