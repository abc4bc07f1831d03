"""The two models of the demo: OpenCV's cascades for faces and eyes, used in a coarse way and in a fine one.

`python -m learning_loop_node.demo.models FOLDER` writes them there as `1.0.zip` and `1.1.zip`, to be pushed to a loop.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zipfile import ZIP_DEFLATED, ZipFile

from ..data_classes.codec import to_json
from ..data_classes.model_information import FILE_NAME
from ..detector.backends.cascade import (
    PARAMETERS_FILE,
    CascadeFactory,
    CascadeParameters,
    CascadesFile,
    shipped_cascade,
)

MODEL_FORMAT = CascadeFactory.model_format

FACES = "haarcascade_frontalface_default.xml"
EYES = "haarcascade_eye.xml"

CATEGORIES: list[dict[str, Any]] = [
    {"id": str(uuid5(NAMESPACE_URL, "learning-loop-node/demo/face")), "name": "face", "type": "box"},
    {"id": str(uuid5(NAMESPACE_URL, "learning-loop-node/demo/eye")), "name": "eye", "type": "box"},
]


@dataclass(frozen=True, slots=True)
class DemoModel:
    """One version of the demo's model; `summary` says what is different to see."""

    version: str
    summary: str
    cascades: list[CascadeParameters] = field(default_factory=list)


COARSE = DemoModel(
    "1.0",
    "near faces, large steps",
    [CascadeParameters(category="face", file=FACES, scale_factor=1.3, min_neighbors=1, min_size=64)],
)

FINE = DemoModel(
    "1.1",
    "far faces and eyes, too",
    [
        CascadeParameters(category="face", file=FACES, scale_factor=1.1, min_neighbors=3, min_size=32),
        CascadeParameters(
            category="eye",
            file=EYES,
            scale_factor=1.1,
            min_neighbors=4,
            min_size=14,
            midpoint=1.0,
            slope=1.0,
            min_confidence=0.3,
            inside="face",
        ),
    ],
)


def pack(model: DemoModel) -> bytes:
    """The model as the zip that is pushed to the loop."""
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as archive:
        archive.writestr(FILE_NAME, to_json({"categories": CATEGORIES}))
        archive.writestr(PARAMETERS_FILE, to_json(CascadesFile(cascades=model.cascades)))
        for name in sorted({cascade.file for cascade in model.cascades}):
            archive.write(shipped_cascade(name), name)
    return buffer.getvalue()


def write_models(folder: Path) -> None:
    """Write each model as `<version>.zip`."""
    folder.mkdir(parents=True, exist_ok=True)
    for model in (COARSE, FINE):
        (folder / f"{model.version}.zip").write_bytes(pack(model))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the models of the demo as 1.0.zip and 1.1.zip.")
    parser.add_argument("folder", type=Path)
    write_models(parser.parse_args().folder)
