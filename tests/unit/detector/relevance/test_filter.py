"""Causes, histories per camera and their bounds, users' rules, and the decisions of 0.27."""

from __future__ import annotations

import json
import logging
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from learning_loop_node.data_classes import ImageMetadata
from learning_loop_node.detector.relevance.crowded import Crowded
from learning_loop_node.detector.relevance.filter import RelevanceFilter, default_rules
from learning_loop_node.detector.relevance.history import CameraHistory
from learning_loop_node.detector.relevance.rule import Seen
from learning_loop_node.errors import RefusedError, SettingError
from learning_loop_node.settings import DetectorSettings, load_settings
from tests.builders import make_box, make_classification, make_metadata, make_point, make_segmentation
from tests.clock import ManualClock
from tests.data import relevance_oracle
from tests.peers import need_peer

HOUR_S = 3600


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"box_detections": [make_box(confidence=0.45)]}, ["uncertain"], id="uncertain box"),
        pytest.param({"box_detections": [make_box(confidence=0.3)]}, ["uncertain"], id="lowest confidence"),
        pytest.param({"box_detections": [make_box(confidence=0.6)]}, ["uncertain"], id="highest confidence"),
        pytest.param({"box_detections": [make_box(confidence=0.299)]}, [], id="negligible"),
        pytest.param({"box_detections": [make_box(confidence=0.601)]}, [], id="clear"),
        pytest.param({"point_detections": [make_point(confidence=0.45)]}, ["uncertain"], id="uncertain point"),
        pytest.param(
            {"classification_detections": [make_classification(confidence=0.45)]}, ["uncertain"], id="classification"
        ),
        pytest.param(
            {"box_detections": [make_box(confidence=0.9), make_box(confidence=0.45)]}, [], id="uncertain about a known"
        ),
        pytest.param(
            {"box_detections": [make_box(confidence=0.45), make_box(confidence=0.9)]}, ["uncertain"], id="and reversed"
        ),
        pytest.param(
            {"segmentation_detections": [make_segmentation(confidence=0.9)]}, ["segmentation_detection"], id="outline"
        ),
        pytest.param({"box_detections": [make_box(confidence=0.9)] * 79}, [], id="many"),
        pytest.param(
            {"box_detections": [make_box(confidence=0.9)] * 80}, ["unexpected_observations_count"], id="too many"
        ),
        pytest.param(
            {
                "box_detections": [make_box(confidence=0.45)] * 40,
                "point_detections": [make_point(confidence=0.9)] * 38,
                "segmentation_detections": [make_segmentation()],
                "classification_detections": [make_classification(confidence=0.9)],
            },
            ["uncertain", "segmentation_detection", "unexpected_observations_count"],
            id="everything",
        ),
    ],
)
def test_causes(content: dict[str, Any], expected: list[str]):
    metadata = ImageMetadata(**content)
    assert make_filter().causes(metadata, "door") == expected
    assert metadata.tags == []


@pytest.mark.parametrize("camera_id", [None, "", "door"])
def test_what_was_just_seen_is_no_cause(camera_id: str | None):
    clock = ManualClock()
    relevance = make_filter(clock=clock)
    assert relevance.causes(unsure(), camera_id) == ["uncertain"]
    assert relevance.causes(unsure(), "another") == ["uncertain"]
    clock.advance(HOUR_S)
    assert relevance.causes(unsure(), camera_id) == []
    clock.advance(HOUR_S)
    assert relevance.causes(unsure(), camera_id) == [], "each sighting starts a new hour"
    clock.advance(HOUR_S + 0.001)
    assert relevance.causes(unsure(), camera_id) == ["uncertain"]


@pytest.mark.parametrize("kind", ["classification_detections", "segmentation_detections"])
def test_without_a_place_everything_is_new(kind: str):
    content: dict[str, Any] = {
        "classification_detections": [make_classification(confidence=0.5)],
        "segmentation_detections": [make_segmentation()],
    }
    relevance = make_filter()
    for _ in range(2):
        assert relevance.causes(ImageMetadata(**{kind: content[kind]}), None)


def test_the_settings_decide_what_is_uncertain():
    relevance = make_filter(settings=DetectorSettings(min_uncertain_threshold=0.7, max_uncertain_threshold=0.8))
    assert relevance.causes(unsure(), None) == []
    assert relevance.causes(make_metadata(box_detections=[make_box(x=500, confidence=0.75)]), None) == ["uncertain"]


def test_exchanged_thresholds_are_refused():
    environment = {"MIN_UNCERTAIN_THRESHOLD": "0.7", "MAX_UNCERTAIN_THRESHOLD": "0.2"}
    with pytest.raises(SettingError, match=r"MIN_UNCERTAIN_THRESHOLD .*MAX_UNCERTAIN_THRESHOLD"):
        load_settings(environment)


# bounds


def test_the_camera_whose_last_image_is_oldest_gives_way():
    relevance = make_filter(settings=DetectorSettings(max_cameras=2))
    for camera_id in (None, "b", None, "c"):
        relevance.causes(unsure(), camera_id)
    assert relevance.camera_count == 2
    assert relevance.causes(unsure(), None) == []
    assert relevance.causes(unsure(), "b") == ["uncertain"]


def test_a_silent_camera_is_forgotten():
    clock = ManualClock()
    relevance = make_filter(clock=clock)
    for camera_id in ("a", "b", None):
        relevance.causes(unsure(), camera_id)
    clock.advance(HOUR_S + 1)
    relevance.causes(unsure(), "c")
    assert relevance.camera_count == 1


def test_a_history_never_grows_beyond_its_bound():
    history = CameraHistory(longest=100)
    sizes = set()
    for image in range(50):
        metadata = make_metadata(
            box_detections=[make_box(x=100 * place, y=100 * image) for place in range(30)],
            point_detections=[make_point(x=100 * place, y=100 * image) for place in range(30)],
        )
        assert history.mark_new(metadata, now=image).all()
        sizes.add((len(history), history.size_bytes))
    assert max(sizes) == (200, 100 * (32 + 8 + 4 + 8) + 100 * (16 + 8 + 4 + 8))


@pytest.mark.parametrize("camera_id", [None, "door"])
def test_memory_stays_bounded_over_a_long_day(camera_id: str | None):
    clock = ManualClock()
    relevance = make_filter(clock=clock)
    largest = 0
    for image in range(400):
        clock.advance(HOUR_S / 10)
        boxes = [make_box(x=100 * place, y=100 * image) for place in range(50)]
        relevance.causes(make_metadata(box_detections=boxes), camera_id)
        largest = max(largest, relevance.size_bytes)
    assert largest < 150_000, "11 images of 50 boxes are younger than an hour, with room to grow"


# users' rules


@dataclass(frozen=True)
class Fails:
    error: Exception

    def causes(self, seen: Seen) -> set[str]:
        raise self.error


@dataclass(frozen=True)
class Returns:
    value: Any

    def causes(self, seen: Seen) -> set[str]:
        return self.value  # type: ignore[no-any-return]


class Meddles:
    def causes(self, seen: Seen) -> set[str]:
        seen.is_new[:] = False
        return set()


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(Fails(ZeroDivisionError("by zero")), id="raises"),
        pytest.param(Returns(None), id="returns nothing"),
        pytest.param(Returns("crowded"), id="returns a text"),
        pytest.param(Returns({1}), id="returns numbers"),
        pytest.param(Meddles(), id="writes into what was seen"),
        pytest.param(object(), id="is no rule"),
    ],
)
def test_a_rule_that_fails_is_named_and_the_others_decide(rule: Any, caplog: pytest.LogCaptureFixture):
    relevance = make_filter(rules=[rule, *default_rules(DetectorSettings())])
    assert relevance.causes(unsure(), None) == ["uncertain"]
    assert f"relevance rule {type(rule).__name__} failed" in caplog.text
    assert relevance.rule_failures == {type(rule).__name__: 1}


def test_a_rule_that_always_fails_does_not_fill_the_log(caplog: pytest.LogCaptureFixture):
    relevance = make_filter(rules=[Fails(ValueError())])
    with caplog.at_level(logging.ERROR):
        for _ in range(1000):
            relevance.causes(ImageMetadata(), None)
    assert len(caplog.records) == 10
    assert relevance.rule_failures["Fails"] == 1000


def test_own_rules_replace_the_default_ones_and_name_each_cause_once():
    relevance = make_filter(rules=[Returns({"b", "a"}), Crowded(from_count=1), Returns({"a"})])
    assert relevance.causes(unsure(), None) == ["a", "b", "unexpected_observations_count"]


def test_no_rules_keep_nothing():
    assert make_filter(rules=[]).causes(unsure(), None) == []


# as 0.27 is called


async def test_a_relevant_image_is_saved_with_its_causes_as_tags():
    outbox = Kept()
    relevance = make_filter(outbox)
    metadata = unsure()
    metadata.tags = ["night"]
    assert await relevance.may_upload_detections(metadata, "door", b"jpeg") == ["uncertain"]
    assert await relevance.may_upload_detections(unsure(), "door", b"jpeg") == []
    assert outbox.images == [(b"jpeg", metadata)]
    assert metadata.tags == ["night", "uncertain"]


async def test_without_an_outbox_saving_is_refused():
    with pytest.raises(RefusedError, match="RelevanceFilter"):
        await make_filter().may_upload_detections(unsure(), None, b"jpeg")


# decisions of 0.27


def test_decides_as_recorded_from_027():
    recorded = json.loads(Path(relevance_oracle.__file__).with_suffix(".json").read_text())
    scenarios = relevance_oracle.scenarios()
    assert sum(map(len, scenarios)) == sum(map(len, recorded)) == 3200
    assert list(map(decisions_on, scenarios)) == recorded


@pytest.mark.peer
def test_decides_as_027_does_on_other_images():
    interpreter = need_peer("v27")
    answer = subprocess.run(
        [interpreter, relevance_oracle.__file__, "10000", "800"], capture_output=True, check=True, timeout=50
    )
    # The predecessor logs to standard output when it is imported.
    decisions = json.loads(answer.stdout.splitlines()[-1])
    assert list(map(decisions_on, relevance_oracle.scenarios(10_000, 800))) == decisions


def decisions_on(pictures: list[relevance_oracle.Picture]) -> list[str]:
    class Remember:
        def causes(self, seen: Seen) -> set[str]:
            marks.append(seen.is_new.tolist())
            return set()

    marks: list[list[bool]] = []
    clock = ManualClock()
    relevance = make_filter(rules=[*default_rules(DetectorSettings()), Remember()], clock=clock)
    decisions = []
    for picture in pictures:
        clock.advance(picture.wait_s)
        causes = relevance.causes(relevance_oracle.to_metadata(picture), picture.camera)
        decisions.append(relevance_oracle.decision(causes, marks[-1]))
    return decisions


class Kept:
    def __init__(self) -> None:
        self.images: list[tuple[Any, ImageMetadata | None]] = []

    async def save(
        self, image: Any, image_metadata: ImageMetadata | None = None, upload_priority: bool = False
    ) -> None:
        self.images.append((image, image_metadata))


def make_filter(outbox: Any = None, **changes: Any) -> RelevanceFilter:
    defaults: dict[str, Any] = {"settings": DetectorSettings(), "clock": ManualClock()}
    return RelevanceFilter(outbox, **defaults | changes)


def unsure() -> ImageMetadata:
    return make_metadata(box_detections=[make_box(confidence=0.5)])
