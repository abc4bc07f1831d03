"""A detector that does not return from its first image; run by `test_detector_process.py`."""

from __future__ import annotations

import threading

import numpy as np

from learning_loop_node import DetectorLogic, DetectorLogicFactory, DetectorNode
from learning_loop_node.data_classes import ImageMetadata, ModelInformation


class Hanging(DetectorLogic):
    def evaluate(self, _image: np.ndarray) -> ImageMetadata:
        threading.Event().wait()
        raise AssertionError("nobody sets that event")


class HangingFactory(DetectorLogicFactory):
    model_format = "mocked"

    async def build(self, _model_info: ModelInformation) -> Hanging:
        return Hanging()


node = DetectorNode(name="hanging", detector_factory=HangingFactory())
