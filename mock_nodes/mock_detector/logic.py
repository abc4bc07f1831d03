"""A detector without a neural network: finds the brightest spot of an image."""

from __future__ import annotations

import numpy as np

from learning_loop_node import DetectorLogic, DetectorLogicFactory
from learning_loop_node.data_classes import (
    BoxDetection,
    Category,
    ClassificationDetection,
    ImageMetadata,
    ModelInformation,
    Point,
    PointDetection,
    SegmentationDetection,
    Shape,
)


class BrightestSpot(DetectorLogic):
    """Marks the brightest spot once for each category of the model, in the way that the category is marked."""

    def __init__(self, model_info: ModelInformation) -> None:
        self.model_info = model_info
        self.categories = model_info.categories
        self.version = model_info.version

    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        brightness = image.reshape(*image.shape[:2], -1).mean(axis=2)
        y, x = (int(index) for index in np.unravel_index(brightness.argmax(), brightness.shape))
        confidence = float(np.ptp(brightness)) / 255  # the clearer the spot stands out, the surer
        found = ImageMetadata()
        for category in self.categories:
            self._mark(found, category, x, y, confidence)
        return found

    def _mark(self, found: ImageMetadata, category: Category, x: int, y: int, confidence: float) -> None:
        model, name, key = self.version, category.name, category.id
        match category.type:
            case "point":
                found.point_detections.append(
                    PointDetection(
                        category_name=name, category_id=key, model_name=model, confidence=confidence, x=x, y=y
                    )
                )
            case "segmentation":
                corners = [(x - 9, y - 9), (x + 9, y - 9), (x + 9, y + 9), (x - 9, y + 9)]
                shape = Shape(points=[Point(x=max(0, left), y=max(0, top)) for left, top in corners])
                found.segmentation_detections.append(
                    SegmentationDetection(
                        category_name=name, category_id=key, model_name=model, confidence=confidence, shape=shape
                    )
                )
            case "classification":
                found.classification_detections.append(
                    ClassificationDetection(
                        category_name=name, category_id=key, model_name=model, confidence=confidence
                    )
                )
            case _:
                found.box_detections.append(
                    BoxDetection(
                        category_name=name,
                        category_id=key,
                        model_name=model,
                        confidence=confidence,
                        x=max(0, x - 9),
                        y=max(0, y - 9),
                        width=18,
                        height=18,
                    )
                )


class BrightestSpotFactory(DetectorLogicFactory):
    """Loads models of the format `mocked`, of which only `model.json` counts."""

    model_format = "mocked"

    async def build(self, model_info: ModelInformation) -> BrightestSpot:
        return BrightestSpot(model_info)
