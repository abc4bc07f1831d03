"""Times our detector of ONNX models and bare ONNX Runtime, in turns, both with decoding; prints seconds per image.

Arguments: the folder of a model for images of one size, images at once, how often.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg

from learning_loop_node.data_classes import ModelInformation
from learning_loop_node.detector.backends.onnx import OnnxDetector
from learning_loop_node.images import decode
from learning_loop_node.onnx_models.session import open_session
from learning_loop_node.settings import OnnxSettings

SIZE = (480, 640)


def jpegs(count: int) -> list[bytes]:
    """Soft noise, which costs what photographs do."""
    rng = np.random.default_rng(0)
    images = [cv2.GaussianBlur(rng.integers(0, 256, (*SIZE, 3), np.uint8), (9, 9), 0) for _ in range(count)]
    return [simplejpeg.encode_jpeg(image, quality=90) for image in images]


def measure(folder: Path, batch: int, count: int) -> dict[str, list[float]]:
    information = ModelInformation.load_from_disk(str(folder))
    assert information is not None
    detector = OnnxDetector(information, OnnxSettings(max_batch_size=batch))
    session = open_session(folder / "model.onnx")
    side = session.get_inputs()[0].shape[2]
    images = jpegs(batch)

    def ours() -> Any:
        return detector.batch_evaluate([decode(image) for image in images])

    def bare() -> Any:
        pixels = [simplejpeg.decode_jpeg(image) for image in images]
        return session.run(None, {"images": cv2.dnn.blobFromImages(pixels, 1 / 255, (side, side))})

    found: dict[str, list[float]] = {"ours": [], "bare": []}
    ways: list[tuple[str, Callable[[], Any]]] = [("ours", ours), ("bare", bare)]
    for turn in range(count + 1):
        for name, way in ways:
            start = time.perf_counter()
            way()
            if turn:
                found[name].append((time.perf_counter() - start) / batch)
        ways.reverse()
    return found


if __name__ == "__main__":
    json.dump(measure(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])), sys.stdout)
