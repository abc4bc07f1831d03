"""Detects with OpenCV's cascades, trained detectors that come with OpenCV (extra `[demo]`).

A model of the format `opencv_cascade` is a folder with `model.json`, the cascades (`*.xml`) and `cascades.json`, which
says how to use them:

    {"cascades": [
      {"category": "face", "file": "haarcascade_frontalface_default.xml", "scale_factor": 1.1, "min_size": 30},
      {"category": "eye", "file": "haarcascade_eye.xml", "inside": "face"}
    ]}
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...data_classes import BoxDetection, Category, ImageMetadata, ModelInformation
from ...data_classes.categories import category_by_name
from ...data_classes.codec import from_dict, from_json
from ...errors import InvalidDataError, InvalidImageError, MissingExtraError, ModelRefusedError
from ..detector_logic import DetectorLogic, DetectorLogicFactory

try:
    import cv2
except ImportError as error:
    raise MissingExtraError(
        "the cascade detector needs OpenCV: pip install '.[demo]' in a checkout (opencv-python-headless)"
    ) from error

PARAMETERS_FILE = "cascades.json"
VERSION_TAG = "model-"


@dataclass(frozen=True, kw_only=True, slots=True)
class CascadeParameters:
    """How one cascade is used. Sizes are pixels of the image.

    The cascade looks at windows that grow by `scale_factor`, beginning with `min_size`; a find counts if more than
    `min_neighbors` windows agree. With `inside`, it looks only into the boxes found for that category, listed before.
    The confidence is `1 / (1 + exp((midpoint - weight) / slope))`, where `weight` is what the last stage of the cascade
    says: it grows with the weight, and is 0.5 at `midpoint`. Finds below `min_confidence` are left out.
    """

    category: str
    file: str
    scale_factor: float = 1.1
    min_neighbors: int = 3
    min_size: int = 24
    midpoint: float = 4.0
    slope: float = 1.5
    min_confidence: float = 0.1
    inside: str | None = None

    def __post_init__(self) -> None:
        rules = {
            "scale_factor must be above 1": self.scale_factor > 1,
            "min_neighbors must be at least 0": self.min_neighbors >= 0,
            "min_size must be at least 1": self.min_size >= 1,
            "slope must be above 0": self.slope > 0,
            "file must be a plain file name": Path(self.file).name == self.file,
        }
        broken = [rule for rule, is_kept in rules.items() if not is_kept]
        if broken:
            raise ValueError(f"cascade of {self.category!r}: {'; '.join(broken)}")

    def confidence(self, weight: float) -> float:
        """Between 0 and 1."""
        return 1 / (1 + math.exp(min((self.midpoint - weight) / self.slope, 700)))


@dataclass(frozen=True, kw_only=True, slots=True)
class CascadesFile:
    """What `cascades.json` says."""

    cascades: list[CascadeParameters] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Find:
    x: int
    y: int
    width: int
    height: int
    confidence: float


class CascadeDetector(DetectorLogic):
    """Finds with cascades what they were trained for. `ModelRefusedError` if the model's files cannot be used.

    Every answer gets the `tags`.
    """

    def __init__(self, model_info: ModelInformation, tags: Sequence[str] = ()) -> None:
        super().__init__("opencv_cascade")
        if not model_info.model_root_path:
            raise ModelRefusedError("the model has no folder (model_root_path is not set)")
        self.model_info = model_info
        self._version = model_info.version
        self._tags = list(tags)
        self._steps = [
            (parameters, _category(model_info, parameters), _load(Path(model_info.model_root_path) / parameters.file))
            for parameters in _read_parameters(Path(model_info.model_root_path) / PARAMETERS_FILE)
        ]

    def evaluate(self, image: np.ndarray) -> ImageMetadata:
        grey = _grey(image)
        whole = _Find(0, 0, grey.shape[1], grey.shape[0], 1.0)
        finds: dict[str, list[_Find]] = {}
        boxes: list[BoxDetection] = []
        for parameters, category, cascade in self._steps:
            regions = [whole] if parameters.inside is None else finds.get(parameters.inside, [])
            found = [find for region in regions for find in _search(cascade, parameters, grey, region)]
            finds.setdefault(category.name, []).extend(found)
            boxes.extend(
                BoxDetection(
                    category_name=category.name,
                    category_id=category.id,
                    x=find.x,
                    y=find.y,
                    width=find.width,
                    height=find.height,
                    model_name=self._version,
                    confidence=round(find.confidence, 4),
                )
                for find in found
            )
        boxes.sort(key=lambda box: box.confidence, reverse=True)
        return ImageMetadata(box_detections=boxes, tags=list(self._tags))


class CascadeFactory(DetectorLogicFactory):
    """Loads models of the format `opencv_cascade`.

    With `tags_version`, every answer has the tag `model-<version>`, so that an empty one names its model, too.
    """

    model_format = "opencv_cascade"

    def __init__(self, *, tags_version: bool = False) -> None:
        self.tags_version = tags_version

    async def build(self, model_info: ModelInformation) -> DetectorLogic:
        tags = [VERSION_TAG + model_info.version] if self.tags_version else []
        return await asyncio.to_thread(CascadeDetector, model_info, tags)


def shipped_cascade(name: str) -> Path:
    """A cascade that comes with OpenCV, by its file name; `ModelRefusedError` if this version has none."""
    file = Path(cv2.__file__).parent / "data" / name
    if not file.is_file():
        raise ModelRefusedError(f"OpenCV {cv2.__version__} comes without the cascade {name}")
    return file


def _read_parameters(file: Path) -> list[CascadeParameters]:
    try:
        content = from_dict(CascadesFile, from_json(file.read_bytes()))
    except (OSError, InvalidDataError) as error:
        raise ModelRefusedError(f"{PARAMETERS_FILE} of the model cannot be used: {error}") from error
    if not content.cascades:
        raise ModelRefusedError(f"{PARAMETERS_FILE} of the model lists no cascades")
    return content.cascades


def _category(model_info: ModelInformation, parameters: CascadeParameters) -> Category:
    try:
        return category_by_name(model_info, parameters.category)
    except ValueError as error:
        raise ModelRefusedError(f"{PARAMETERS_FILE} and model.json do not fit: {error}") from error


def _load(file: Path) -> Any:
    if not file.is_file():
        raise ModelRefusedError(f"the model lacks the file {file.name}")
    cascade = cv2.CascadeClassifier()
    try:
        is_loaded = cascade.load(str(file))
    except cv2.error as error:
        raise ModelRefusedError(f"{file.name} is no cascade that OpenCV can read: {error.err}") from error
    if not is_loaded or cascade.empty():
        raise ModelRefusedError(f"{file.name} is no cascade that OpenCV can read")
    return cascade


def _grey(image: np.ndarray) -> np.ndarray:
    """The brightness of each pixel, of grey, RGB and RGBA images."""
    if image.dtype != np.uint8:
        raise InvalidImageError(f"the cascade detector needs uint8 pixels, not {image.dtype}")
    channels = 1 if image.ndim == 2 else image.shape[-1]
    if image.ndim not in (2, 3) or channels not in (1, 3, 4) or image.size == 0:
        raise InvalidImageError(f"the cascade detector needs a grey, RGB or RGBA image, not shape {image.shape}")
    if channels == 1:
        return np.ascontiguousarray(image.reshape(image.shape[:2]))
    code = cv2.COLOR_RGB2GRAY if channels == 3 else cv2.COLOR_RGBA2GRAY
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), code))


def _search(cascade: Any, parameters: CascadeParameters, grey: np.ndarray, region: _Find) -> Iterator[_Find]:
    """What a cascade finds in a part of the image, in coordinates of the whole image."""
    part = np.ascontiguousarray(grey[region.y : region.y + region.height, region.x : region.x + region.width])
    if min(part.shape, default=0) < parameters.min_size:
        return
    boxes, _, weights = cascade.detectMultiScale3(
        part,
        scaleFactor=parameters.scale_factor,
        minNeighbors=parameters.min_neighbors,
        minSize=(parameters.min_size, parameters.min_size),
        outputRejectLevels=True,
    )
    for (x, y, width, height), weight in zip(boxes, np.ravel(weights), strict=True):
        confidence = parameters.confidence(float(weight))
        if confidence >= parameters.min_confidence:
            yield _Find(region.x + int(x), region.y + int(y), int(width), int(height), confidence)
