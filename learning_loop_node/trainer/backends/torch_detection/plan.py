"""What the program is told to train, in a file in the training's folder, and what it leaves there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ....data_classes import Category
from ....data_classes.codec import from_dict, from_json, to_json
from ....enums import CategoryType
from ....runtime.files import replace_file

PLAN_FILE = "plan.json"
CHECKPOINT = "checkpoint.pt"
"""The name of a model in our own format, as base models come and as results are uploaded."""

TRAINED_TYPES = (CategoryType.Box, CategoryType.Point)


@dataclass(slots=True, kw_only=True)
class Plan:
    """`images` are the loop's records; those of the set `val`, or `test` where there are none, choose the best epoch.

    `base_model` is the checkpoint to begin with, if there is one.
    """

    variant: str
    categories: list[Category]
    hyperparameters: dict[str, Any]
    images: list[dict[str, Any]]
    images_folder: str
    base_model: str | None = None

    def save(self, folder: Path) -> None:
        replace_file(folder / PLAN_FILE, to_json(self))

    @staticmethod
    def load(folder: Path) -> Plan:
        return from_dict(Plan, from_json((folder / PLAN_FILE).read_bytes()))


@dataclass(frozen=True, slots=True)
class ResultFolder:
    """What a training leaves, in a folder of its own, so that a base model's files stay what they are."""

    folder: Path
    name: str = field(default="result")

    @property
    def path(self) -> Path:
        return self.folder / self.name

    @property
    def last(self) -> Path:
        """Everything that is needed to go on after the last complete epoch."""
        return self.path / "last.pt"

    @property
    def best(self) -> Path:
        """The best model so far, in our own format."""
        return self.path / CHECKPOINT

    @property
    def onnx(self) -> Path:
        return self.path / "model.onnx"

    @property
    def metrics(self) -> Path:
        """The figures of all epochs and of the best one."""
        return self.path / "metrics.json"

    @property
    def progress(self) -> Path:
        return self.path / "progress.json"

    def is_exported(self) -> bool:
        """Whether the ONNX file is that of the best model."""
        return self.onnx.is_file() and self.onnx.stat().st_mtime_ns >= self.best.stat().st_mtime_ns

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def trained(categories: Sequence[Category]) -> list[Category]:
    """Those of them that this trainer can find."""
    return [category for category in categories if category.type in TRAINED_TYPES]


def read_json(file: Path) -> Mapping[str, Any] | None:
    """A file that the program has written; None if there is none yet."""
    try:
        content = from_json(file.read_bytes())
    except FileNotFoundError:
        return None
    return content if isinstance(content, Mapping) else None
