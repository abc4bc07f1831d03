"""The tables in docs/detector.md list what may be set."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

pytest.importorskip("cv2", reason="needs OpenCV (extra [onnx])")

from learning_loop_node.onnx_models.parameters import Layout, OnnxParameters
from tests.documents import DOCS, section

TEXT = section((DOCS / "detector.md").read_text(), "A model file without a program")
FIRST_CELLS = re.findall(r"^\| (`.*?`) \|", TEXT, re.MULTILINE)


def test_layouts_and_keys():
    names = [name for cell in FIRST_CELLS for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(names) == sorted([*Layout, *(field.name for field in fields(OnnxParameters))])
