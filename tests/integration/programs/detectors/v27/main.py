"""A detector in the style of 0.27, with its helpers and its way to start."""

from pathlib import Path

import numpy as np

from learning_loop_node import DetectorLogic, DetectorNode
from learning_loop_node.data_classes import ImageMetadata, ImagesMetadata, ModelInformation
from learning_loop_node.detector.categories import category_by_index
from learning_loop_node.detector.postprocess import Prediction, to_image_metadata
from learning_loop_node.helpers.entrypoint import node_parser, run_node


class Brightest(DetectorLogic):
    def __init__(self, model_info: ModelInformation) -> None:
        assert (Path(model_info.model_root_path or "") / "file_1.txt").exists()
        assert category_by_index(model_info, 0).name
        self.model = model_info

    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        height, width = image.shape[:2]
        y, x = divmod(int(image.sum(axis=2).argmax()), width)
        spot = Prediction(
            x=min(x, width - 4), y=min(y, height - 4), width=4, height=4, category_index=0, confidence=0.45
        )
        found = to_image_metadata([spot], self.model, height, width)
        found.tags.append("seen")
        return found

    def batch_evaluate(self, images: list[np.ndarray]) -> ImagesMetadata:
        return ImagesMetadata(items=[self.evaluate(image) for image in images])


class BrightestFactory:
    model_format = "mocked"

    async def build(self, model_info: ModelInformation) -> Brightest:
        return Brightest(model_info)


node = DetectorNode(name="brightest", detector_factory=BrightestFactory())

if __name__ == "__main__":
    run_node("main:node", node_parser(description="finds the brightest spot").parse_args())
