"""Quantises a model with images of its loop, and measures both versions side by side."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ....client.http import LoopHttp
from ....client.loop import LoopClient
from ....data_classes import Category, Context, ModelInformation
from ....data_classes.codec import to_json
from ....data_classes.model_information import FILE_NAME
from ....errors import ConversionRefusedError
from ....evaluation.average_precision import average_precisions
from ....evaluation.labels import Found, squares_for_points
from ....onnx_models.description import model_file
from ....onnx_models.model import OnnxModel
from ....onnx_models.parameters import Layout
from ....settings import LoopSettings, load_settings
from ...converter_logic import ConverterLogic
from .images import Pixels, TestImage, calibration_images, test_images
from .quantize import quantize

logger = logging.getLogger(__name__)

LEAST_CONFIDENCE = 0.001
FEWEST_CALIBRATION_IMAGES = 8
TIMED_IMAGES = 20
MODEL_FILE = "model.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What quantisation has cost and saved; None is what cannot be said, such as an average precision without truth.

    Times are medians for one image with all that belongs to it, on the machine of the converter.
    """

    calibration_images: int
    test_images: int
    source_map50: float | None
    map50: float | None
    source_milliseconds: float
    milliseconds: float
    source_bytes: int
    bytes: int

    def __str__(self) -> str:
        accuracy = (
            f"mAP50 {self.source_map50:.3f} -> {self.map50:.3f} on {self.test_images} test images"
            if self.source_map50 is not None and self.map50 is not None
            else "accuracy unknown, as no complete image is in the set test"
        )
        return (
            f"{accuracy}; {self.source_milliseconds:.1f} -> {self.milliseconds:.1f} ms per image; "
            f"{self.source_bytes / 1e6:.1f} -> {self.bytes / 1e6:.1f} MB"
        )


class OnnxToInt8(ConverterLogic):
    """From the format `onnx` to `onnx_int8`. What it costs and saves stands under `quantization` in `model.json`.

    `most_loss` is how much mAP50 on the test images may fall; a model that loses more is refused. `loop` says where the
    images are; without it, the environment does.
    """

    source_format = "onnx"
    target_format = "onnx_int8"
    version = "1"

    def __init__(
        self,
        *,
        most_calibration: int = 64,
        most_test: int = 200,
        most_loss: float = 0.05,
        loop: LoopSettings | None = None,
    ) -> None:
        super().__init__()
        self.loop = loop
        self.most_calibration = most_calibration
        self.most_test = most_test
        self.most_loss = most_loss

    async def convert(self, model: ModelInformation, folder: Path) -> list[Path]:
        root = Path(str(model.model_root_path))
        source, target = model_file(root), folder / MODEL_FILE
        categories = model.categories
        floats = OnnxModel.open(root, categories)
        if floats.layout is Layout.CLASSIFIER:
            raise ConversionRefusedError("models that classify whole images cannot be quantised here")
        async with LoopHttp(self.loop or load_settings().loop) as http:
            loop = LoopClient(http, Context(organization=model.organization, project=model.project))
            known = await calibration_images(loop, self.most_calibration, FEWEST_CALIBRATION_IMAGES)
            tests = await test_images(loop, self.most_test, categories)
        if len(known) < FEWEST_CALIBRATION_IMAGES:
            raise ConversionRefusedError(
                f"the project has {len(known)} images; at least {FEWEST_CALIBRATION_IMAGES} are needed to see which "
                "values the model meets"
            )
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="quantising-") as work:
            quantize(source, target, _feeds(floats, known), work_folder=Path(work))
        (folder / FILE_NAME).write_bytes((root / FILE_NAME).read_bytes())  # the reader wants to know the same of both
        bytes_ = OnnxModel.open(folder, categories)
        report = compared(floats, bytes_, known, tests, categories, (source.stat().st_size, target.stat().st_size))
        print(report)  # noqa: T201 - what a conversion prints is its log
        self._refuse_loss(report)
        (folder / FILE_NAME).write_bytes(to_json({"quantization": asdict(report)}))
        return [target, folder / FILE_NAME]

    def _refuse_loss(self, report: Report) -> None:
        if report.map50 is None or report.source_map50 is None:
            return
        if report.map50 < report.source_map50 - self.most_loss:
            raise ConversionRefusedError(f"the quantised model is worse by more than {self.most_loss}: {report}")


def compared(
    floats: OnnxModel,
    bytes_: OnnxModel,
    known: Sequence[Pixels],
    tests: Sequence[TestImage],
    categories: Sequence[Category],
    sizes: tuple[int, int],
) -> Report:
    """What both models find in the test images, and how long they take for an image, in turns."""
    accuracy = [_map50(model, tests, categories) for model in (floats, bytes_)]
    times: tuple[list[float], list[float]] = ([], [])
    for pixels in known[:TIMED_IMAGES]:
        for model, row in zip((floats, bytes_), times, strict=True):
            begun = time.perf_counter()
            model.predict([pixels])
            row.append((time.perf_counter() - begun) * 1000)
    return Report(
        calibration_images=len(known),
        test_images=len(tests),
        source_map50=accuracy[0],
        map50=accuracy[1],
        source_milliseconds=round(median(times[0]), 2),
        milliseconds=round(median(times[1]), 2),
        source_bytes=sizes[0],
        bytes=sizes[1],
    )


def _map50(model: OnnxModel, tests: Sequence[TestImage], categories: Sequence[Category]) -> float | None:
    found = []
    for image in tests:
        [one] = model.predict([image.pixels], LEAST_CONFIDENCE)
        boxes = squares_for_points(one.boxes_xyxy, one.classes, categories)
        found.append(Found(boxes_xyxy=boxes, classes=one.classes, scores=np.asarray(one.scores, np.float64)))
    value = average_precisions([image.truth for image in tests], found, len(categories)).map50 if tests else np.nan
    return None if np.isnan(value) else round(float(value), 4)


def _feeds(model: OnnxModel, images: Sequence[Pixels]) -> Iterator[dict[str, Any]]:
    """What the model gets for each of them."""
    for pixels in images:
        yield model.feeds_of([pixels])
