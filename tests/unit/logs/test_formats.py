"""A line of the log as a JSON object."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime
from typing import Any

import pytest

from learning_loop_node.logs.formats import JsonFormatter


def line_of(message: object = "hello", *arguments: object, **attributes: Any) -> dict[str, Any]:
    record = logging.LogRecord("Node", logging.INFO, "/app/main.py", 7, message, arguments, None)
    vars(record).update(attributes)
    text = JsonFormatter().format(record)
    assert "\n" not in text
    return json.loads(text)  # type: ignore[no-any-return]


def test_fields():
    line = line_of("model %s is in use", "1.3", created=1_767_323_045.678)
    assert line == {
        "time": "2026-01-02T03:04:05.678Z",
        "level": "INFO",
        "logger": "Node",
        "message": "model 1.3 is in use",
        "place": "main.py:7",
    }
    assert datetime.fromisoformat(line["time"]).utcoffset() is not None


def test_exception_with_its_cause():
    try:
        raise ValueError("no frame from rtsp://a:hunter2@cam")
    except ValueError:
        line = line_of("failed\nbadly", exc_info=sys.exc_info())
    assert line["message"] == "failed\nbadly"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: no frame from rtsp://***@cam")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, None, id="null"),
        pytest.param(3, 3, id="number"),
        pytest.param("ü \ud800", "ü \ud800", id="text that no terminal can show"),
        pytest.param({"a": [1, 2]}, {"a": [1, 2]}, id="structure"),
        pytest.param(float("nan"), "nan", id="no JSON number"),
        pytest.param({1: {2}}, {"1": "{2}"}, id="no JSON value"),
        pytest.param({(1, 2): 3}, "{(1, 2): 3}", id="no JSON key"),
        pytest.param("https://user:pw@host", "https://***@host", id="login"),
        pytest.param({"password": "hunter2"}, {"password": "***"}, id="password in a structure"),
    ],
)
def test_extra_fields(value: Any, expected: Any):
    assert line_of(camera=value)["camera"] == expected


def test_an_extra_field_replaces_none_of_ours():
    assert line_of(level="mine", time="then") | {"time": ""} == line_of() | {
        "time": "",
        "level_": "mine",
        "time_": "then",
    }
