"""Answers as large as they come reach our own client, over both transports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from learning_loop_node.client.detector import DetectorClient, Transport
from learning_loop_node.data_classes import ImageMetadata
from learning_loop_node.detector.detector_logic import DetectorLogic
from tests.builders import jpeg, make_box
from tests.nodes import running_node

BOXES = 40_000
"""Some 7 MB of JSON."""


class Many(DetectorLogic):
    """Finds the same box again and again."""

    def __init__(self) -> None:
        super().__init__("mocked")

    def init(self) -> None:
        pass

    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        return ImageMetadata(box_detections=[make_box()] * BOXES)


@pytest.mark.parametrize("transport", list(Transport))
async def test_a_large_answer_arrives(transport: Transport, tmp_path: Path):
    async with (
        running_node(tmp_path, Many()) as running,
        DetectorClient(running.url, transport=transport, timeout_s=20) as detector,
    ):
        found = await detector.detect(jpeg(), autoupload="disabled")
        assert len(found.box_detections) == BOXES
