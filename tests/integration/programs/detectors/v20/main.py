"""A detector in the style of 0.20: a frozen factory builds a logic for each model, in a thread."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvicorn

from learning_loop_node import DetectorLogic, DetectorLogicFactory, DetectorNode
from learning_loop_node.data_classes import BoxDetection, ImageMetadata, ImagesMetadata, ModelInformation


class Brightest(DetectorLogic):
    def __init__(self, model_info: ModelInformation) -> None:
        assert (Path(model_info.model_root_path or "") / "file_1.txt").exists()
        self.category = model_info.categories[0].name
        self.version = model_info.version

    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        y, x = divmod(int(image.sum(axis=2).argmax()), image.shape[1])
        box = BoxDetection(
            category_name=self.category, x=x, y=y, width=4, height=4, model_name=self.version, confidence=0.45
        )
        return ImageMetadata(box_detections=[box], tags=["seen"])

    def batch_evaluate(self, images: list[np.ndarray]) -> ImagesMetadata:
        raise NotImplementedError


@dataclass(frozen=True)
class BrightestFactory(DetectorLogicFactory):
    name: str = "mocked"

    @property
    def model_format(self) -> str:  # type: ignore[override]  # an attribute with ours, a property with theirs
        return self.name

    async def build(self, model_info: ModelInformation) -> Brightest:
        return await asyncio.to_thread(Brightest, model_info)


node = DetectorNode(name="brightest", detector_factory=BrightestFactory())

if __name__ == "__main__":
    uvicorn.run("main:node", host="127.0.0.1", port=int(os.environ.get("PORT", "80")), lifespan="on")
