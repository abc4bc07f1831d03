"""What is known of a model before and after its conversion."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..data_classes import Category, ModelInformation
from ..data_classes.codec import to_dict
from ..data_classes.model_information import FILE_NAME
from ..errors import ConversionRefusedError, InvalidDataError
from .wanted import Wanted

LARGEST_BYTES = 16 * 2**20


def says_categories(folder: Path) -> bool:
    """Whether the `model.json` of a model in this folder says what it finds."""
    return bool(_read(folder / FILE_NAME).get("categories"))


def source_model(folder: Path, wanted: Wanted, categories: Sequence[Category] = ()) -> ModelInformation:
    """The model to convert; its `model.json` is made, or completed with what the loop says of it.

    `categories` are for a model that does not name its own.
    """
    data = _read(folder / FILE_NAME) | _known(wanted)
    if not data.get("categories"):
        data["categories"] = [to_dict(category) for category in categories]
    model = ModelInformation.from_dict(data)
    _write(folder / FILE_NAME, data)
    model.model_root_path = str(folder)
    return model


def complete_model_json(folder: Path, source: Path, wanted: Wanted) -> None:
    """Let the converted model say what the source said, and what the converter wrote about it."""
    made = _read(folder / FILE_NAME)
    complete = _read(source / FILE_NAME) | made | _known(wanted) | {"format": wanted.target_format}
    try:
        ModelInformation.from_dict(complete)
    except InvalidDataError as error:
        raise ConversionRefusedError(f"the {FILE_NAME} of the converted model cannot be used: {error}") from error
    _write(folder / FILE_NAME, complete)


def _known(wanted: Wanted) -> dict[str, Any]:
    return {
        "host": wanted.host,
        "organization": wanted.context.organization,
        "project": wanted.context.project,
        "version": wanted.version,
        "id": wanted.model_id,
    }


def _read(file: Path) -> dict[str, Any]:
    """Empty if there is no such file."""
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise InvalidDataError(f"{file} is larger than {LARGEST_BYTES} bytes")
        data = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise InvalidDataError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(data, dict):
        raise InvalidDataError(f"{file} must be an object")
    return data


def _write(file: Path, data: dict[str, Any]) -> None:
    file.write_text(json.dumps(data, indent=2, ensure_ascii=False), encoding="utf-8")
