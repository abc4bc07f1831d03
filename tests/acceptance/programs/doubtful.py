"""A detector that is never sure, and sees something new in every image; run by `test_detector_process.py`.

python -m uvicorn tests.acceptance.programs.doubtful:node | python -m tests.acceptance.programs.doubtful --port 0
"""

from __future__ import annotations

from itertools import count

import numpy as np

from learning_loop_node import DetectorLogicFactory, DetectorNode
from learning_loop_node.data_classes import ImageMetadata, ModelInformation
from learning_loop_node.helpers.entrypoint import node_parser, run_node
from tests.nodes import Boxes


class Doubtful(Boxes):
    def __init__(self, version: str) -> None:
        super().__init__(version, confidence=0.45)
        self.places = count(step=1000)

    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        metadata = super().evaluate(image)
        metadata.box_detections[0].x = next(self.places)
        return metadata


class DoubtfulFactory(DetectorLogicFactory):
    model_format = "mocked"

    async def build(self, model_info: ModelInformation) -> Doubtful:
        return Doubtful(model_info.version)


node = DetectorNode(name="doubtful", detector_factory=DoubtfulFactory())

if __name__ == "__main__":
    run_node(f"{__spec__.name}:node", node_parser(description=__doc__ or "").parse_args())
