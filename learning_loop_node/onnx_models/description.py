"""What lies beside an ONNX file, and says what the file does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data_classes import Category
from ..data_classes.codec import from_dict, from_json
from ..data_classes.model_information import FILE_NAME
from ..errors import InvalidDataError, ModelRefusedError
from .parameters import KEY, OnnxParameters

MODEL_FILE = "model.onnx"
LARGEST_JSON_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A model as its `model.json` has it. A folder that a trainer works in may have none, which is an empty one."""

    categories: Sequence[Category] = ()
    parameters: OnnxParameters = field(default_factory=OnnxParameters)
    version: str = ""
    resolution: int | None = None
    conf_threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    categories: list[Category] | None = None
    version: str | None = None
    resolution: int | None = None
    conf_threshold: float | None = None


def model_file(place: Path) -> Path:
    """The ONNX file that is meant by a file or a folder; `ModelRefusedError` if it is not clear which one."""
    if not place.is_dir():
        return place
    files = sorted(place.glob("*.onnx"))
    if place / MODEL_FILE in files:
        return place / MODEL_FILE
    if len(files) != 1:
        there = ", ".join(file.name for file in files) or "none"
        raise ModelRefusedError(f"a model of this format has one file {MODEL_FILE}; of *.onnx there is: {there}")
    return files[0]


def describe(folder: Path) -> Description:
    """What `model.json` in a folder says; `ModelRefusedError` names what cannot be used."""
    file = folder / FILE_NAME
    try:
        if file.stat().st_size > LARGEST_JSON_BYTES:
            raise ModelRefusedError(f"{FILE_NAME} of the model is larger than {LARGEST_JSON_BYTES} bytes")
        data: Any = from_json(file.read_bytes())
        content = from_dict(_Content, data)
    except FileNotFoundError:
        return Description()
    except OSError as error:
        raise ModelRefusedError(f"{FILE_NAME} of the model cannot be read: {error.strerror}") from error
    except InvalidDataError as error:
        text = str(error).replace(f"{_Content.__name__}.", "")
        raise ModelRefusedError(f"{FILE_NAME} of the model cannot be used: {text}") from error
    assert isinstance(data, Mapping)
    return Description(
        categories=content.categories or [],
        parameters=OnnxParameters.from_json(data.get(KEY)),
        version=content.version or "",
        resolution=content.resolution,
        conf_threshold=content.conf_threshold,
    )
