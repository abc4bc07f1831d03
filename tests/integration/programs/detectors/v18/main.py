"""A detector in the style of 0.18: one object that serves model after model."""

import os

import numpy as np
import uvicorn

from learning_loop_node import GLOBALS, DetectorLogic, DetectorNode
from learning_loop_node.data_classes import BoxDetection, ImageMetadata, ImagesMetadata


class Brightest(DetectorLogic):
    def __init__(self) -> None:
        super().__init__("mocked")
        self.version = ""
        self.category = ""

    def init(self) -> None:
        assert self.model_info is not None
        assert os.path.exists(f"{self.model_info.model_root_path}/file_1.txt")  # noqa: PTH110
        self.version = self.model_info.version
        self.category = self.model_info.categories[0].name

    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        if self.model_info is None:
            return ImageMetadata()
        y, x = divmod(int(image.sum(axis=2).argmax()), image.shape[1])
        box = BoxDetection(
            category_name=self.category, x=x, y=y, width=4, height=4, model_name=self.version, confidence=0.45
        )
        return ImageMetadata(box_detections=[box], tags=["seen"])

    def batch_evaluate(self, images: list[np.ndarray]) -> ImagesMetadata:
        return ImagesMetadata(items=[self.evaluate(image) for image in images])


GLOBALS.data_folder = os.environ["DATA_FOLDER"]
node = DetectorNode(name="brightest", detector=Brightest())

if __name__ == "__main__":
    uvicorn.run("main:node", host="127.0.0.1", port=int(os.environ.get("PORT", "80")), lifespan="on")
