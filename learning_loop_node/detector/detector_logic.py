"""What a user implements to bring a model into a detector node."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from ..data_classes import ImageMetadata, ImagesMetadata, ModelInformation


class DetectorLogic(ABC):
    """Finds things in images. Derive from it, or write any class with the same methods.

    Built by a `DetectorLogicFactory`, one object belongs to one model:

    1. `evaluate(image)` is called for each image, never two at a time, always in the same thread.
    2. `batch_evaluate(images)` instead, for several images at once: those of a client's `batch_detect` and, if
       `max_batch_size` is above 1, images of equal shape that waited while the last call ran.

    Without a factory (`DetectorNode(name, detector=logic)`) one object serves model after model: `model_info` is set,
    then `init()` is called, before the first image and again after each change of the model.

        class Faces(DetectorLogic):
            def evaluate(self, image):
                boxes = self.network(image)
                return ImageMetadata(box_detections=[...])
    """

    model_info: ModelInformation | None = None
    """The model to load; set before `init()`. Its `model_root_path` is the folder with the model's files."""

    model_format: str = ""
    """The format of model that this logic reads, for objects that are used without a factory."""

    max_batch_size: int = 1
    """The largest number of images that `batch_evaluate` should get unless a client sent more in one request."""

    def __init__(self, model_format: str = "") -> None:
        self.model_format = model_format

    # Not abstract: only an object that serves model after model needs it.
    def init(self) -> None:  # noqa: B027
        """Load the model that `model_info` describes. What it raises keeps the previous model in service."""

    @abstractmethod
    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        """What is in one image: `(H, W, 3)` uint8 RGB, upright; raw arrays of Socket.IO clients as they were sent."""

    def batch_evaluate(self, images: list[np.ndarray]) -> ImagesMetadata:
        """What is in several images, in their order. One by one, unless overridden."""
        return ImagesMetadata(items=[self.evaluate(image) for image in images])


class DetectorLogicFactory(ABC):
    """Makes a `DetectorLogic` for a model. Derive from it, or write any class with the same members.

    `max_batch_size`, where a factory has it, stands in for that of the logics it builds.
    """

    model_format: str
    """The format of model that the loop should send, for example `onnx`."""

    @abstractmethod
    async def build(self, model_info: ModelInformation) -> DetectorLogic:
        """Load a model while the previous one keeps serving.

        Runs on the event loop, so loading that takes long belongs into a thread (`await asyncio.to_thread(...)`). What
        it raises keeps the previous model in service.
        """
