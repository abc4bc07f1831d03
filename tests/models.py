"""Models for tests: as a folder on disk, and as the zip that a loop hands out."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from learning_loop_node.data_classes import ModelInformation
from learning_loop_node.data_classes.codec import to_dict
from tests.builders import make_model_information


def model_json(information: ModelInformation | None = None, **changes: Any) -> dict[str, Any]:
    """What `model.json` says; a change to None removes the key."""
    data = to_dict(information or make_model_information()) | changes
    data.pop("model_root_path", None)
    return {key: value for key, value in data.items() if value is not None}


def write_model(folder: Path, information: ModelInformation | None = None, weights: str = "weights") -> Path:
    """A complete model in this folder."""
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps(model_json(information)))
    (folder / "weights.bin").write_text(weights)
    return folder


def model_zip(information: ModelInformation | None = None, *, prefix: str = "", **changes: Any) -> bytes:
    """A zip as a loop hands it out; with `prefix` (`model/`), in a folder."""
    return zip_of(
        {f"{prefix}model.json": json.dumps(model_json(information, **changes)), f"{prefix}weights.bin": "weights"}
    )


def zip_of(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
