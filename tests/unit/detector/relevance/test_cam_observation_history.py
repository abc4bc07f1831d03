"""The history by its old name, as programs for 0.27 use it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from learning_loop_node.data_classes import ImageMetadata, Observation
from learning_loop_node.detector.relevance.cam_observation_history import CamObservationHistory
from learning_loop_node.detector.relevance.history import CameraHistory
from tests.builders import make_box, make_classification, make_metadata, make_point, make_segmentation
from tests.data import relevance_oracle

BOX = make_box(confidence=0.5)
POINT = make_point(confidence=0.5)


@pytest.mark.parametrize(
    ("content", "expected", "count"),
    [
        pytest.param({}, [], 0, id="nothing"),
        pytest.param({"box_detections": [BOX]}, ["uncertain"], 1, id="box"),
        pytest.param({"box_detections": [BOX, BOX]}, ["uncertain"], 1, id="same box twice"),
        pytest.param({"box_detections": [make_box(confidence=0.9)] * 80}, [], 1, id="a crowd is not decided here"),
        pytest.param(
            {"box_detections": [BOX], "point_detections": [POINT], "segmentation_detections": [make_segmentation()]},
            ["uncertain", "segmentation_detection"],
            2,
            id="box, point, outline",
        ),
        pytest.param(
            {"classification_detections": [make_classification(confidence=0.5)]}, ["uncertain"], 0, id="class"
        ),
    ],
)
def test_causes_and_observations(content: dict[str, Any], expected: list[str], count: int):
    history = CamObservationHistory()
    assert history.get_causes_to_upload(ImageMetadata(**content)) == expected
    assert len(history.recent_observations) == count


def test_the_second_time_it_is_known():
    history = CamObservationHistory()
    metadata = make_metadata(box_detections=[BOX], point_detections=[POINT])
    assert history.get_causes_to_upload(metadata) == ["uncertain"]
    assert [observation.detection for observation in history.recent_observations] == [BOX, POINT]
    for observation in history.recent_observations:
        observation.last_seen -= timedelta(minutes=50)
    assert history.get_causes_to_upload(metadata) == []
    assert not any(observation.is_older_than(60) for observation in history.recent_observations)


def test_forgets_what_is_older_than_its_time():
    history = CamObservationHistory()
    history.get_causes_to_upload(make_metadata(box_detections=[BOX], point_detections=[POINT]))
    history.recent_observations[0].last_seen -= timedelta(seconds=history.reset_time + 1)
    assert history.find_similar_observations(BOX), "nothing is forgotten before it is told to"
    history.forget_old_detections()
    assert [observation.detection for observation in history.recent_observations] == [POINT]
    assert history.find_similar_observations(BOX) == []


def test_finds_what_is_similar():
    history = CamObservationHistory()
    assert history.find_similar_observations(BOX) == []
    history.get_causes_to_upload(make_metadata(box_detections=[BOX], point_detections=[POINT]))
    box, point = history.recent_observations
    assert history.find_similar_observations(BOX) == history.find_similar_box_observations(BOX) == [box]
    assert history.find_similar_observations(POINT) == history.find_similar_point_observations(POINT) == [point]
    assert history.find_similar_observations(make_box(category_name="other")) == []
    assert history.find_similar_observations(make_classification()) == []


def test_the_list_of_observations_may_be_changed():
    history = CamObservationHistory()
    history.recent_observations.append(Observation(BOX))
    assert history.get_causes_to_upload(make_metadata(box_detections=[BOX])) == []
    history.recent_observations.clear()
    assert history.get_causes_to_upload(make_metadata(box_detections=[BOX])) == ["uncertain"]


def test_another_threshold_counts():
    history = CamObservationHistory()
    history.iou_threshold = 0.95
    assert history.get_causes_to_upload(make_metadata(box_detections=[BOX])) == ["uncertain"]
    assert history.get_causes_to_upload(make_metadata(box_detections=[make_box(x=14, confidence=0.5)])) == ["uncertain"]
    history.iou_threshold = 0.5
    assert history.get_causes_to_upload(make_metadata(box_detections=[make_box(x=16, confidence=0.5)])) == []


def test_marks_the_same_as_the_history_of_nodes():
    for pictures in relevance_oracle.scenarios(0, 40):
        old, new = CamObservationHistory(), CameraHistory()
        for picture in pictures:
            metadata = relevance_oracle.to_metadata(picture)
            old.get_causes_to_upload(metadata)
            is_new = new.mark_new(metadata, now=0)
            kept = {id(observation.detection) for observation in old.recent_observations}
            placed = [*metadata.box_detections, *metadata.point_detections]
            assert [id(detection) in kept for detection in placed] == is_new.tolist()
