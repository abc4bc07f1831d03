"""Detects with models in ONNX files (extra `[onnx]`), whoever trained them.

A model of the format `onnx` is a folder with `model.onnx` and `model.json`, whose key `onnx` may say how the file is
read, where the file does not say it by itself; `learning_loop_node.onnx_models.parameters` has the keys.
"""

from __future__ import annotations

import asyncio

import numpy as np

from ...data_classes import ImageMetadata, ImagesMetadata, ModelInformation
from ...errors import ModelRefusedError
from ...onnx_models.model import OnnxModel
from ...settings import OnnxSettings, load_settings
from ..detector_logic import DetectorLogic, DetectorLogicFactory

MODEL_FORMAT = "onnx"


class OnnxDetector(DetectorLogic):
    """Finds what an ONNX model was trained for. `ModelRefusedError` if the model's files cannot be used.

    `model` is the same one, where it is open already.
    """

    def __init__(
        self,
        model_info: ModelInformation,
        settings: OnnxSettings | None = None,
        model_format: str = MODEL_FORMAT,
        *,
        model: OnnxModel | None = None,
    ) -> None:
        super().__init__(model_format)
        if not model_info.model_root_path:
            raise ModelRefusedError("the model has no folder (model_root_path is not set)")
        settings = settings or load_settings().onnx
        self.model_info = model_info
        self.model = model or OnnxModel.open(
            model_info.model_root_path,
            model_info.categories,
            version=model_info.version,
            providers=settings.provider_names,
            threads=settings.threads or None,
            conf_threshold=model_info.conf_threshold if settings.conf_threshold is None else settings.conf_threshold,
            iou_threshold=settings.iou_threshold,
            max_batch_size=settings.max_batch_size or None,
        )
        self.max_batch_size = self.model.max_batch_size

    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        [metadata] = self.model.run([image])
        return metadata

    def batch_evaluate(self, images: list[np.ndarray]) -> ImagesMetadata:
        return ImagesMetadata(items=self.model.run(images))


class OnnxFactory(DetectorLogicFactory):
    """Loads models of the format `onnx`, or of another one that has the same files.

    Without `settings` they are those of the environment. A model is loaded and tried out in a thread, unless it is the
    `ready` one.
    """

    def __init__(
        self,
        settings: OnnxSettings | None = None,
        *,
        model_format: str = MODEL_FORMAT,
        ready: OnnxDetector | None = None,
    ) -> None:
        self.model_format = model_format
        self._settings = settings or load_settings().onnx
        self._ready = ready

    async def build(self, model_info: ModelInformation) -> DetectorLogic:
        ready, self._ready = self._ready, None
        if ready is not None and ready.model_info == model_info:
            return ready
        return await asyncio.to_thread(OnnxDetector, model_info, self._settings, self.model_format)
