"""Detector nodes for tests, with a model in their folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from learning_loop_node.data_classes import ImageMetadata, ImagesMetadata, ModelInformation
from learning_loop_node.detector.detector_logic import DetectorLogic, DetectorLogicFactory
from learning_loop_node.detector.detector_node import DetectorNode
from learning_loop_node.settings import Settings
from tests.builders import make_box, make_model_information, make_settings
from tests.serving import served


class Boxes(DetectorLogic):
    """Answers with one clear box as large as the image; an image 13 pixels high raises."""

    def __init__(self, version: str = "1.0", confidence: float = 0.9) -> None:
        super().__init__()
        self.version, self.confidence = version, confidence

    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        if image.shape[0] == 13:
            raise ValueError("thirteen brings bad luck")
        box = make_box(
            x=0, y=0, width=image.shape[1], height=image.shape[0], confidence=self.confidence, model_name=self.version
        )
        return ImageMetadata(box_detections=[box])

    def batch_evaluate(self, images: list[np.ndarray]) -> ImagesMetadata:
        return ImagesMetadata(items=[self.evaluate(image) for image in images])


class BoxesFactory(DetectorLogicFactory):
    model_format = "mocked"

    def __init__(self, confidence: float = 0.9) -> None:
        self.confidence = confidence

    async def build(self, model_info: ModelInformation) -> Boxes:
        return Boxes(model_info.version, self.confidence)


@dataclass(frozen=True, slots=True)
class RunningNode:
    url: str
    node: DetectorNode


def put_model(data_folder: Path, version: str = "1.0", **changes: Any) -> None:
    """A model on disk that a node loads at its start, as 0.27 leaves it."""
    folder = data_folder / "models" / version
    folder.mkdir(parents=True)
    information = make_model_information(version=version, model_root_path=str(folder), **changes)
    information.save()
    (data_folder / "current_model").symlink_to(folder)


@asynccontextmanager
async def running_node(
    data_folder: Path,
    plugged: Any = None,
    *,
    has_model: bool = True,
    settings: Settings | None = None,
    **options: Any,
) -> AsyncIterator[RunningNode]:
    """A detector node that answers, by default with a model and without a loop."""
    if has_model:
        put_model(data_folder)
    node = DetectorNode(
        "test node", plugged or BoxesFactory(), settings=settings or make_settings(data_folder), **options
    )
    async with served(node) as url:
        yield RunningNode(url, node)
