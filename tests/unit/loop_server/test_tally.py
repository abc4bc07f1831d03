"""Counting what a model found right, found wrong and missed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from learning_loop_node.loop_server.tally import Demand, Tally


@dataclass
class Category:
    id: str
    name: str
    point_size: int | None = None


@dataclass
class Mark:
    kind: str
    category_name: str
    geometry: dict[str, Any] = field(default_factory=dict)
    confidence: float = 0.5
    category_id: str | None = None


CATEGORIES = [Category("id-of-face", "face"), Category("id-of-eye", "eye", point_size=4), Category("id-of-cat", "cat")]


def box(x: float = 10, y: float = 10, width: float = 20, height: float = 20, **changes: Any) -> Mark:
    return Mark(**{"kind": "box", "category_name": "face"} | changes, geometry=_place(x, y, width=width, height=height))


def point(x: float = 10, y: float = 10, name: str = "eye", **changes: Any) -> Mark:
    return Mark("point", name, _place(x, y), **changes)


def outline(shape: Any, **changes: Any) -> Mark:
    return Mark("segmentation", "cat", {"shape": shape}, **changes)


def whole(name: str = "cat", **changes: Any) -> Mark:
    return Mark("classification", name, **changes)


def _place(x: float, y: float, **more: float) -> dict[str, Any]:
    return {"x": x, "y": y} | more


TRIANGLE = {"points": [{"x": 0, "y": 0}, {"x": 90, "y": 0}, {"x": 0, "y": 90}]}


@pytest.mark.parametrize(
    ("truths", "found", "place", "expected"),
    [
        pytest.param([], [], 0, (0, 0, 0), id="nothing"),
        pytest.param([box()], [], 0, (0, 0, 1), id="missed"),
        pytest.param([], [box()], 0, (0, 1, 0), id="wrong"),
        pytest.param([box()], [box(x=12)], 0, (1, 0, 0), id="near"),
        pytest.param([box()], [box(x=18)], 0, (0, 1, 1), id="too far"),
        pytest.param([box()], [box(), box()], 0, (1, 1, 0), id="found twice"),
        pytest.param([box(), box(x=60)], [box(x=61), box(x=9)], 0, (2, 0, 0), id="two, in another order"),
        pytest.param([box(category_name="was face", category_id="id-of-face")], [box()], 0, (1, 0, 0), id="by id"),
        pytest.param([box()], [box(category_id="unknown id")], 0, (1, 0, 0), id="by name where the id is unknown"),
        pytest.param([box()], [box(category_name="cat")], 0, (0, 0, 1), id="of another category"),
        pytest.param([box()], [box(width=1e308, height=1e308)], 0, (0, 1, 1), id="without measure"),
        pytest.param([box(width=0)], [box(width=0)], 0, (0, 1, 1), id="without area"),
        pytest.param([point()], [point(x=14)], 1, (1, 0, 0), id="a point within its size"),
        pytest.param([point()], [point(x=14.1)], 1, (0, 1, 1), id="a point outside its size"),
        pytest.param([point(name="cat")], [point(x=20, name="cat")], 2, (1, 0, 0), id="a point without a size"),
        pytest.param([outline(TRIANGLE)], [outline("0,0,90,0,0,90")], 2, (1, 0, 0), id="an outline as text"),
        pytest.param([outline(TRIANGLE)], [outline("90,90,90,0,0,90")], 2, (0, 1, 1), id="an outline beside it"),
        pytest.param([outline(TRIANGLE)], [outline("garbage")], 2, (0, 1, 1), id="a text that is no outline"),
        pytest.param([outline(TRIANGLE)], [outline("0,0,nan,inf,5,5")], 2, (0, 1, 1), id="an outline without measure"),
        pytest.param([outline(TRIANGLE)], [outline("")], 2, (0, 1, 1), id="an empty outline"),
        pytest.param([whole()], [whole(), whole()], 2, (1, 0, 0), id="a class counts once"),
        pytest.param([whole()], [whole("face")], 2, (0, 0, 1), id="another class"),
        pytest.param([whole("face")], [whole("cat")], 2, (0, 1, 0), id="a wrong class"),
        pytest.param([box(category_name="cat")], [outline(TRIANGLE)], 2, (0, 1, 1), id="another kind"),
    ],
)
def test_counts(truths: list[Mark], found: list[Mark], place: int, expected: tuple[int, int, int]):
    for has_curves in (False, True):
        counted = Tally(CATEGORIES, Demand(), has_curves=has_curves)
        counted.add(truths, found)
        assert tuple(counted.counts[place]) == expected


@pytest.mark.parametrize(
    ("demand", "scale", "expected"),
    [
        pytest.param(Demand(), 1.0, (1, 1, 0), id="all"),
        pytest.param(Demand(min_confidence=0.3), 1.0, (1, 0, 0), id="the sure"),
        pytest.param(Demand(min_confidence=0.3), 100.0, (0, 0, 1), id="shares of a hundred"),
        pytest.param(Demand(min_confidence=0.003), 100.0, (1, 0, 0), id="just enough of a hundred"),
        pytest.param(Demand(min_overlap=0.9), 1.0, (0, 2, 1), id="better overlap"),
    ],
)
def test_what_is_demanded(demand: Demand, scale: float, expected: tuple[int, int, int]):
    for has_curves in (False, True):
        counted = Tally(CATEGORIES, demand, scale, has_curves)
        counted.add([box()], [box(x=12, confidence=0.3), box(x=90, confidence=0.2)])
        assert tuple(counted.counts[0]) == expected


def test_images_add_up_and_unknown_categories_are_counted_apart():
    counted = Tally(CATEGORIES, Demand())
    for _ in range(3):
        counted.add([box()], [box(), box(category_name="dog")])
    assert counted.counts.tolist() == [[3, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert counted.ignored == 3


def test_the_surest_detection_takes_the_truth():
    counted = Tally(CATEGORIES, Demand(min_overlap=0.1))
    counted.add([box(), box(x=22)], [box(x=16, confidence=0.4), box(x=10, confidence=0.9)])
    assert counted.counts[0].tolist() == [2, 0, 0]


def test_portions_change_nothing():
    random = np.random.default_rng(0)
    truths = [box(*place) for place in random.uniform(0, 100, (30, 2)).tolist()]
    found = [box(*place, confidence=share) for *place, share in random.uniform(0, 100, (80, 3)).tolist()]
    counts = []
    for pairs in (1_000_000, 100, 1):
        counted = Tally(CATEGORIES, Demand(min_overlap=0.2), most_pairs=pairs)
        counted.add(truths, found)
        counts.append(counted.counts.tolist())
    assert counts[0][0][0] > 5
    assert counts[0] == counts[1] == counts[2]


def test_without_categories_nothing_counts():
    counted = Tally([], Demand())
    counted.add([box()], [box()])
    assert (counted.counts.shape, counted.ignored) == ((0, 3), 1)


def sightings(rng: np.random.Generator) -> tuple[list[Mark], list[Mark]]:
    """An image: what is there, and what a rather bad model finds."""
    truths = [box(x=60.0 * place, category_name=str(rng.choice(["face", "cat"]))) for place in range(4)]
    truths += [point(x=50.0 * place, y=70) for place in range(3)] + [whole()] * int(rng.integers(2))
    found = [
        Mark(mark.kind, mark.category_name, mark.geometry, round(float(rng.random()), 2))
        for mark in [*truths, box(x=61), box(x=5), box(y=200), point(x=51.0, y=71), point(y=300), whole()]
        if rng.random() < 0.7
    ]
    return truths, found


@pytest.mark.parametrize("least", [0.0, 0.4, 0.9])
def test_curves_change_no_counts(least: float):
    for seed in range(10):
        truths, found = sightings(np.random.default_rng(seed))
        found.append(box(category_name="dog", confidence=0.5))
        plain, drawn = (Tally(CATEGORIES, Demand(min_confidence=least), has_curves=has) for has in (False, True))
        plain.add(truths, found)
        drawn.add(truths, found)
        assert plain.counts.tolist() == drawn.counts.tolist()
        assert plain.ignored == drawn.ignored == int(least <= 0.5)


def test_a_curve_has_a_place_for_each_confidence():
    counted = Tally(CATEGORIES, Demand(min_confidence=0.8), scale=100, has_curves=True)
    counted.add([box(), box(x=60)], [box(confidence=90), box(x=200, confidence=80)])
    counted.add([box(), box(x=60)], [box(confidence=70)])
    face, eye, cat = counted.curves()
    assert (face.confidences.tolist(), face.recall.tolist()) == ([0.9, 0.8, 0.7], [0.25, 0.25, 0.5])
    assert face.precision == pytest.approx([1, 1 / 2, 2 / 3])
    assert len(eye.recall) == len(cat.recall) == 0
    assert counted.average_precisions() == pytest.approx([(26 + 25 * 2 / 3) / 101, np.nan, np.nan], nan_ok=True)


def test_average_precision_is_that_of_coco():
    pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval (extra [evaluation])")
    from learning_loop_node.evaluation.average_precision import average_precisions
    from learning_loop_node.evaluation.labels import Found, Truth

    rng = np.random.default_rng(1)
    counted = Tally(CATEGORIES, Demand(), has_curves=True)
    names = [category.name for category in CATEGORIES]
    truths, guesses = [], []
    for _ in range(20):
        stated, found = ([mark for mark in marks if mark.kind == "box"] for marks in sightings(rng))
        for mark in found:
            mark.confidence = float(rng.random())
        counted.add(stated, found)
        places = [
            np.array([[mark.geometry[name] for name in ("x", "y", "width", "height")] for mark in marks], float)
            for marks in (stated, found)
        ]
        boxes = [np.hstack([place[:, :2], place[:, :2] + place[:, 2:]]).reshape(-1, 4) for place in places]
        classes = [np.array([names.index(mark.category_name) for mark in marks], int) for marks in (stated, found)]
        truths.append(Truth(boxes_xyxy=boxes[0], classes=classes[0]))
        scores = np.array([mark.confidence for mark in found])
        guesses.append(Found(boxes_xyxy=boxes[1], classes=classes[1], scores=scores))
    expected = average_precisions(truths, guesses, len(names)).ap50
    assert counted.average_precisions() == pytest.approx(expected, nan_ok=True)
    assert np.isnan(expected[1])
    assert 0.1 < expected[0] < 0.95
