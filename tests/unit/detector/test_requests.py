"""What clients send besides the image is understood, or named."""

from __future__ import annotations

import pytest

from learning_loop_node.data_classes import Point, Shape
from learning_loop_node.detector.requests import Readers, mode_event, parse_mode, read_metadata
from learning_loop_node.enums import Autoupload, OutboxMode
from learning_loop_node.errors import InvalidDataError, InvalidRequestError
from learning_loop_node.settings import DetectorSettings

READERS = Readers(DetectorSettings())
IMAGE = {"bytes": b"\0" * 12, "dtype": "uint8", "shape": [2, 2, 3]}
BOX = {"category_name": "a", "x": 1, "y": 2, "width": 3, "height": 4, "model_name": "m", "confidence": 0.5}
SEGMENTATION = {"category_name": "a", "model_name": "m", "confidence": 0.5}


def test_options_that_are_null_are_options_not_given():
    given = {"tags": None, "source": None, "camera_id": None, "autoupload": None, "creation_date": None}
    assert READERS.detect_event({"image": IMAGE} | given).tags == []
    assert READERS.detect_event({"image": IMAGE} | given).autoupload is Autoupload.FILTERED


@pytest.mark.parametrize(
    "date", ["2024-01-31T10:00:00", "2024-01-31 10:00:00", "2024-01-31_10:00:00.123", "2024-01-31"]
)
def test_dates_stay_as_they_were_given(date):
    assert READERS.detect_event({"image": IMAGE, "creation_date": date}).creation_date == date


@pytest.mark.parametrize(
    ("options", "text"),
    [
        pytest.param({"creation_date": "yesterday"}, "creation_date must be an ISO date", id="date"),
        pytest.param({"tags": "a,b"}, "tags must be a list", id="tags as text"),
        pytest.param({"tags": [1]}, "tags must be a list of texts", id="tags that are numbers"),
        pytest.param({"camera_id": ["left"]}, "camera_id must be text", id="camera"),
        pytest.param({"autoupload": "some"}, "`filtered`, `all`, `disabled`", id="autoupload"),
        pytest.param({"timeout_s": "soon"}, "timeout_s must be a number", id="time-out in words"),
        pytest.param({"timeout_s": 0}, "timeout_s must be a positive", id="no time"),
        pytest.param({"timeout_s": float("nan")}, "timeout_s must be a positive", id="not a number"),
    ],
)
def test_options_that_cannot_be_right_are_named(options, text):
    with pytest.raises(InvalidRequestError, match=text):
        READERS.detect_event({"image": IMAGE} | options)


@pytest.mark.parametrize(
    ("word", "expected"),
    [(None, False), (True, True), ("True", True), ("1", True), (1, True), ("y", True), ("off", False), ("", False)],
)
def test_switches_in_every_spelling(word, expected):
    assert READERS.upload_event({"image": IMAGE, "upload_priority": word}).upload_priority is expected


def test_a_switch_in_no_spelling_is_named():
    with pytest.raises(InvalidRequestError, match="upload_priority must be true or false, not 'maybe'"):
        READERS.upload_event({"image": IMAGE, "upload_priority": "maybe"})


@pytest.mark.parametrize("nothing", [None, {}])
def test_metadata_may_be_missing(nothing):
    assert len(read_metadata(nothing)) == 0


def test_metadata_of_rosys():
    metadata = read_metadata(
        {
            "box_detections": [BOX | {"uuid": "1"}],
            "segmentation_detections": [SEGMENTATION | {"shape": {"points": [{"x": 1.4, "y": 2.6}]}}],
            "creation_date": "2024-01-31T10:00:00",
            "uuid": "2",
        }
    )
    assert metadata.created == "2024-01-31T10:00:00"
    assert metadata.segmentation_detections[0].shape == Shape(points=[Point(x=1, y=3)])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param("text", "metadata must be an object", id="text"),
        pytest.param({"box_detections": [BOX | {"width": -1}]}, r"box_detections\[0\] has a negative size", id="size"),
        pytest.param({"box_detections": [{"x": 1}]}, "category_name is missing", id="half a box"),
        pytest.param({"box_detections": [BOX | {"x": 1.5}]}, "x must be an integer", id="a fraction"),
        pytest.param({"created": "yesterday"}, "metadata.created must be an ISO date", id="date"),
        pytest.param({"segmentation_detections": [SEGMENTATION | {"shape": {"points": 3}}]}, "shape", id="shape"),
        pytest.param({"segmentation_detections": [None]}, "segmentation_detections", id="no detection"),
    ],
)
def test_metadata_that_cannot_be_right_is_named(data, text):
    with pytest.raises((InvalidRequestError, InvalidDataError), match=text):
        read_metadata(data)


@pytest.mark.parametrize("word", [None, 5, ["stopped"]])
def test_a_mode_is_one_word(word):
    with pytest.raises(InvalidRequestError, match="must be one word"):
        mode_event(word)


def test_modes_are_told_with_an_unknown_one():
    with pytest.raises(InvalidRequestError, match=r"^'x' is not a valid OutboxMode; .*`continuous_upload`, `stopped`"):
        parse_mode(OutboxMode, "x")
