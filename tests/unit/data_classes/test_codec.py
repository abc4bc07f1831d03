"""Reading is as strict as dacite, writing is honest: nothing becomes null in silence."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dacite
import numpy as np
import pytest

from learning_loop_node.data_classes import ImageMetadata, SegmentationDetection, Shape, codec
from learning_loop_node.enums import CategoryType, OutboxMode
from learning_loop_node.errors import InvalidDataError
from tests.builders import make_box, make_classification, make_metadata, make_point, make_segmentation


@dataclass(kw_only=True, slots=True)
class Example:
    number: float
    count: int
    name: str = "x"
    note: str | None = None
    flag: bool = False
    kind: CategoryType | str | None = None
    items: list[int] = field(default_factory=list)
    anything: dict[str, Any] = field(default_factory=dict)


GOOD = {"number": 1.5, "count": 2}


def _nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="only what is needed"),
        pytest.param({"unknown": 1}, id="unknown key"),
        pytest.param({"number": 3}, id="integer for float"),
        pytest.param({"note": None, "kind": "any text"}, id="null and text for an enum"),
        pytest.param({"kind": CategoryType.Point}, id="an enum itself"),
        pytest.param({"items": [1, 2], "anything": {"a": [None, {"b": "c"}]}}, id="nested"),
        pytest.param({"count": True}, id="boolean for integer, as Python has it"),
    ],
)
def test_reads_what_dacite_reads(changes):
    assert codec.from_dict(Example, GOOD | changes) == dacite.from_dict(Example, GOOD | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 2.0}, "Example.count must be an integer, not a number"),
        ({"count": "2"}, "Example.count must be an integer, not text"),
        ({"number": "1.5"}, "Example.number must be a number, not text"),
        ({"number": None}, "Example.number must be a number, not null"),
        ({"name": 5}, "Example.name must be text, not an integer"),
        ({"name": {}}, "Example.name must be text, not an object"),
        ({"flag": 1}, "Example.flag must be a boolean, not an integer"),
        ({"items": 3}, "Example.items must be list[int], not an integer"),
        ({"items": ["a"]}, "Example.items must be list[int], not a list"),
        ({"anything": []}, "Example.anything must be dict[str, Any], not a list"),
    ],
)
def test_refuses_what_dacite_refuses_and_names_the_field(changes, message):
    with pytest.raises(dacite.DaciteError):
        dacite.from_dict(Example, GOOD | changes)
    with pytest.raises(InvalidDataError) as refusal:
        codec.from_dict(Example, GOOD | changes)
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"count": 2}, "Example.number is missing"),
        ([], "Example must be an object, not a list"),
        (None, "Example must be an object, not null"),
        ("{}", "Example must be an object, not text"),
        (GOOD | {"number": math.nan}, "Example.number must be a finite number, not nan"),
        (GOOD | {"number": -math.inf}, "Example.number must be a finite number, not -inf"),
        (GOOD | {"anything": {"a": [0, math.nan]}}, "Example.anything.a[1] must be a finite number, not nan"),
        (GOOD | {"count": 10**30}, "Example.count must be an integer of at most 64 bits"),
        (GOOD | {"number": 10**400}, "Example: int too large to convert to float"),
    ],
)
def test_refuses_with_the_name_of_the_field(data, message):
    with pytest.raises(InvalidDataError) as refusal:
        codec.from_dict(Example, data)
    assert str(refusal.value) == message


def test_names_the_field_deep_inside():
    data = codec.to_dict(make_metadata())
    data["box_detections"][0]["x"] = 1.5
    with pytest.raises(InvalidDataError, match=r"ImageMetadata\.box_detections\.x must be an integer, not a number"):
        codec.from_dict(ImageMetadata, data)


@pytest.mark.parametrize("content", [b"", b"{", b"nonsense", b"\xff", "NaN", b"[" * 5000])
def test_not_json(content):
    with pytest.raises(InvalidDataError, match="not valid JSON"):
        codec.from_json(content)


def test_metadata_there_and_back():
    metadata = make_metadata(
        point_detections=[make_point()],
        segmentation_detections=[make_segmentation()],
        classification_detections=[make_classification()],
        tags=["a", "b"],
        source="camera",
    )
    assert codec.from_dict(ImageMetadata, codec.from_json(codec.to_json(metadata))) == metadata


@pytest.mark.parametrize("shape", ["1,2,3,4", {"points": []}, {"points": [{"x": 1, "y": 2}]}])
def test_shape_is_text_or_points(shape):
    data = {"category_name": "a", "model_name": "1", "confidence": 0.5, "shape": shape}
    detection = codec.from_dict(SegmentationDetection, data)
    assert isinstance(detection.shape, str if isinstance(shape, str) else Shape)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, b"null", id="none"),
        pytest.param({}, b"{}", id="empty"),
        pytest.param((1, 2.5, "ä", True), '[1,2.5,"ä",true]'.encode(), id="tuple"),
        pytest.param(np.float32(0.5), b"0.5", id="numpy float32"),
        pytest.param(np.float16(0.5), b"0.5", id="numpy float16"),
        pytest.param(np.int64(7), b"7", id="numpy integer"),
        pytest.param(np.bool_(True), b"true", id="numpy boolean"),
        pytest.param(np.array(3.5), b"3.5", id="array without dimensions"),
        pytest.param(np.arange(6).reshape(2, 3)[:, ::2], b"[[0,2],[3,5]]", id="array that is not contiguous"),
        pytest.param(np.empty((0, 4)), b"[]", id="empty array"),
        pytest.param(np.array([], dtype=object), b"[]", id="array of objects"),
        pytest.param({"b", "a"}, b'["a","b"]', id="set"),
        pytest.param({3: "a", None: "b"}, b'{"3":"a","null":"b"}', id="keys that are no text"),
        pytest.param(MappingProxyType({"a": 1}), b'{"a":1}', id="another mapping"),
        pytest.param(CategoryType.Box, b'"box"', id="enum"),
        pytest.param([OutboxMode.STOPPED], b'["stopped"]', id="enum in a list"),
        pytest.param(Path("/a/b"), b'"/a/b"', id="path"),
        pytest.param(ValueError("boom"), b'"boom"', id="error"),
        pytest.param(b"abc", b'"abc"', id="bytes that are text"),
    ],
)
def test_writes(value, expected):
    assert codec.to_json(value) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "value must be a finite number, not nan"),
        (np.float64("nan"), "value must be a finite number, not nan"),
        (np.float32("inf"), "value must be a finite number, not inf"),
        ({"a": [np.array([1, np.nan])]}, "value.a[0][1] must be a finite number, not nan"),
        (make_box(confidence=math.nan), "BoxDetection.confidence must be a finite number, not nan"),
        (make_box(x=np.float32("nan")), "BoxDetection.x must be a finite number, not nan"),
        (
            make_metadata(point_detections=[make_point(), make_point(y=math.inf)]),
            "ImageMetadata.point_detections[1].y must be a finite number, not inf",
        ),
        (10**30, "value must be an integer of at most 64 bits"),
        ({(1, 2): 3}, "value cannot be written as JSON: Dict key must a type serializable with OPT_NON_STR_KEYS"),
        (object(), "value cannot be written as JSON: object is not a value of JSON"),
        (_nested(5000), "value is nested too deeply"),
    ],
)
def test_refuses_to_write(value, message):
    with pytest.raises(InvalidDataError) as refusal:
        codec.to_json(value)
    assert str(refusal.value) == message


def test_to_dict_has_plain_values_only():
    data = codec.to_dict(make_metadata(tags=["a"], created=None))
    assert data["box_detections"] == [
        {
            "category_name": "face",
            "x": 10,
            "y": 20,
            "width": 30,
            "height": 40,
            "model_name": "1.0",
            "confidence": 0.9,
            "category_id": None,
        }
    ]
    assert data["created"] is None
