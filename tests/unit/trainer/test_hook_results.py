"""What hooks of users may return, and what is said of anything else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from learning_loop_node.data_classes import Detections, TrainingStateData
from learning_loop_node.errors import CriticalError
from learning_loop_node.trainer.hook_results import (
    checked_detections,
    checked_metadata,
    checked_progress,
    checked_state,
)

IMAGES = ["/data/i-1.jpg", "/data/i-2.jpg"]
ONE, TWO = Detections(image_id="i-1"), Detections(image_id="i-2")


@pytest.mark.parametrize("returned", [None, TrainingStateData(confusion_matrix={}, epoch=1)])
def test_a_state(returned: Any):
    assert checked_state(returned) is returned


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        pytest.param({}, "`_get_new_best_training_state` returned a dict; it should be a TrainingStateData", id="dict"),
        pytest.param(0.5, "returned a float; it", id="number"),
        pytest.param(
            TrainingStateData(confusion_matrix=[1]),  # type: ignore[arg-type]
            "with a list as confusion_matrix; it should be a dict of counts",
            id="no counts",
        ),
    ],
)
def test_no_state(returned: Any, text: str):
    with pytest.raises(CriticalError, match=re.escape(text)):
        checked_state(returned)


@pytest.mark.parametrize(
    ("returned", "images"),
    [
        pytest.param([], [], id="no images"),
        pytest.param([TWO, ONE], IMAGES, id="all"),
        pytest.param([TWO], IMAGES, id="those with something in them"),
        pytest.param([], IMAGES, id="nothing found"),
        pytest.param((ONE, ONE), IMAGES, id="a tuple"),
    ],
)
def test_detections(returned: Any, images: list[str]):
    assert checked_detections(returned, images) == list(returned)


@pytest.mark.parametrize(
    ("returned", "text"),
    [
        pytest.param({"i-1": ONE}, "`_detect` returned a dict; it should be a list of Detections", id="dict"),
        pytest.param(None, "`_detect` returned None; it should be", id="nothing"),
        pytest.param([ONE, None], "returned a list with None; it should be", id="list of something else"),
        pytest.param([{"image_id": "i-1"}], "returned a list with a dict; it should be", id="list of dicts"),
        pytest.param([Detections()], "with the image_id None, which is none of the 2 images", id="without an image"),
        pytest.param([Detections(image_id="i-1.jpg")], "image_id 'i-1.jpg', which is none of", id="another image"),
    ],
)
def test_no_detections(returned: Any, text: str):
    with pytest.raises(CriticalError, match=re.escape(text)):
        checked_detections(returned, IMAGES)


def test_metadata():
    assert checked_metadata({"conf_threshold": 0.3}) == {"conf_threshold": 0.3}
    with pytest.raises(CriticalError, match="`_get_model_metadata` returned an int; it should be a dict"):
        checked_metadata(3)


@pytest.mark.parametrize(("returned", "expected"), [(None, None), (0, 0.0), (0.5, 0.5)])
def test_progress(returned: Any, expected: float | None):
    assert checked_progress(returned, "training_progress") == expected


@pytest.mark.parametrize("returned", ["half", True, [0.5]])
def test_no_progress(returned: Any):
    with pytest.raises(CriticalError, match=r"`training_progress` returned a .*; it should be a number from 0 to 1"):
        checked_progress(returned, "training_progress")
