"""What every relevance rule keeps to, whoever wrote it. Add yours to `RULES`."""

from __future__ import annotations

import numpy as np
import pytest

from learning_loop_node.data_classes import ImageMetadata
from learning_loop_node.data_classes.codec import to_dict
from learning_loop_node.detector.relevance.crowded import Crowded
from learning_loop_node.detector.relevance.filter import RelevanceFilter
from learning_loop_node.detector.relevance.novel import Novel
from learning_loop_node.detector.relevance.rule import Rule, Seen
from learning_loop_node.detector.relevance.segmented import Segmented
from learning_loop_node.detector.relevance.uncertain import Uncertain
from learning_loop_node.settings import DetectorSettings
from tests.builders import make_box, make_classification, make_metadata, make_point, make_segmentation
from tests.clock import ManualClock

RULES: list[Rule] = [
    Uncertain(),
    Novel(),
    Novel(min_confidence=0.5, categories=frozenset({"face"})),
    Segmented(),
    Crowded(),
]

IMAGES = {
    "empty": ImageMetadata(),
    "one clear box": make_metadata(),
    "without confidence": make_metadata(box_detections=[make_box(confidence=0)]),
    "one point": ImageMetadata(point_detections=[make_point()]),
    "one outline": ImageMetadata(segmentation_detections=[make_segmentation()]),
    "one classification": ImageMetadata(classification_detections=[make_classification()]),
    "everything": make_metadata(
        box_detections=[make_box(x=50 * place, confidence=place / 100) for place in range(100)],
        point_detections=[make_point(confidence=0.4)],
        segmentation_detections=[make_segmentation()],
        classification_detections=[make_classification(confidence=0.4)],
    ),
}

each_rule = pytest.mark.parametrize("rule", RULES, ids=repr)
each_image = pytest.mark.parametrize("name", IMAGES)


@each_rule
def test_an_empty_image_is_no_cause(rule: Rule):
    assert rule.causes(see(IMAGES["empty"])) == set()


@each_rule
@each_image
def test_causes_are_a_set_of_words_fit_for_tags(rule: Rule, name: str):
    causes = rule.causes(see(IMAGES[name]))
    assert isinstance(causes, set)
    assert all(isinstance(cause, str) and cause.replace("_", "").isalnum() for cause in causes)


@each_rule
@each_image
def test_the_same_image_gives_the_same_causes_and_stays_as_it_is(rule: Rule, name: str):
    before = to_dict(IMAGES[name])
    assert rule.causes(see(IMAGES[name])) == rule.causes(see(IMAGES[name]))
    assert to_dict(IMAGES[name]) == before


@each_rule
def test_some_image_is_a_cause(rule: Rule):
    assert any(rule.causes(see(metadata)) for metadata in IMAGES.values())


@each_rule
@each_image
def test_the_filter_finds_no_fault_with_it(rule: Rule, name: str):
    relevance = RelevanceFilter(rules=[rule], settings=DetectorSettings(), clock=ManualClock())
    relevance.causes(IMAGES[name], "door")
    assert not relevance.rule_failures


@pytest.mark.parametrize(
    ("rule", "confidence", "is_new", "expected"),
    [
        pytest.param(Novel(), 0.9, True, {"novel"}, id="new"),
        pytest.param(Novel(), 0.9, False, set(), id="known"),
        pytest.param(Novel(min_confidence=0.5), 0.49, True, set(), id="too faint"),
        pytest.param(Novel(min_confidence=0.5), 0.5, True, {"novel"}, id="just not too faint"),
        pytest.param(Novel(categories=frozenset({"other"})), 0.9, True, set(), id="not of this category"),
        pytest.param(Novel(categories=frozenset({"face"})), 0.9, True, {"novel"}, id="of this category"),
    ],
)
def test_novel(rule: Rule, confidence: float, is_new: bool, expected: set[str]):
    box = make_box(category_name="face", confidence=confidence)
    assert rule.causes(see(make_metadata(box_detections=[box]), is_new=is_new)) == expected


def see(metadata: ImageMetadata, *, is_new: bool = True) -> Seen:
    placed = len(metadata.box_detections) + len(metadata.point_detections)
    return Seen.in_image(metadata, np.full(placed, is_new), "door")
