"""A training: what it should do, how it stands, what it reports."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from .categories import Category
from .context import Context


@dataclass(kw_only=True, slots=True)
class PretrainedModel:
    """A variant that a trainer can start from."""

    name: str
    label: str
    description: str


@dataclass(kw_only=True, slots=True)
class Training:
    """Everything a trainer knows about one training; it survives a restart as JSON."""

    id: str
    context: Context

    project_folder: str
    images_folder: str
    training_folder: str

    categories: list[Category]
    hyperparameters: dict[str, Any]
    training_number: int
    training_state: str
    model_variant: str

    start_time: float = field(default_factory=time.time)
    base_model_uuid: str | None = None
    image_data: list[dict[str, Any]] | None = None
    skipped_image_count: int | None = None
    model_uuid_for_detecting: str | None = None

    @property
    def training_folder_path(self) -> Path:
        return Path(self.training_folder)

    @classmethod
    def generate_training(cls, project_folder: str, context: Context, data: dict[str, Any]) -> Training:
        """A new training from what the loop sends with `begin_training`; `ValueError` names what is wrong."""
        for key, kind in (
            ("hyperparameters", dict),
            ("categories", list),
            ("training_number", int),
            ("model_variant", str),
        ):
            if not isinstance(data.get(key), kind):
                raise ValueError(f"{key} missing or not a {kind.__name__}")
        training_id = str(uuid4())
        folder = Path(project_folder)
        return cls(
            id=training_id,
            context=context,
            project_folder=project_folder,
            images_folder=str(folder / "images"),
            training_folder=str(folder / "trainings" / training_id),
            categories=Category.from_list(data["categories"]),
            hyperparameters=data["hyperparameters"],
            training_number=data["training_number"],
            training_state="initialized",
            model_variant=data["model_variant"],
            base_model_uuid=data.get("base_model_uuid"),
        )

    def image_ids(self) -> list[str]:
        return [image["id"] for image in self._images()]

    def train_images(self) -> list[dict[str, Any]]:
        return self._images_of("train")

    def val_images(self) -> list[dict[str, Any]]:
        """The validation images, the test images where there are none."""
        return self._images_of("val") or self.test_images()

    def test_images(self) -> list[dict[str, Any]]:
        return self._images_of("test")

    def train_image_count(self) -> int:
        return len(self.train_images())

    def test_image_count(self) -> int:
        return len(self.test_images())

    def _images(self) -> list[dict[str, Any]]:
        if self.image_data is None:
            raise ValueError("image_data is not set: the images of this training were not fetched yet")
        return self.image_data

    def _images_of(self, set_name: str) -> list[dict[str, Any]]:
        return [image for image in self._images() if image["set"] == set_name]


@dataclass(kw_only=True, slots=True)
class TrainingOut:
    """What a trainer tells the loop about a training's best model so far."""

    trainer_id: str
    trainer_name: str | None = None
    confusion_matrix: dict[str, Any] | None = None
    train_image_count: int | None = None
    test_image_count: int | None = None
    hyperparameters: dict[str, Any] | None = None
    best_epoch: int | None = None


@dataclass(kw_only=True, slots=True)
class TrainingStateData:
    """A new best model: its confusion counts by category id (`{tp, fp, fn}`) and what belongs to it."""

    confusion_matrix: dict[str, Any] = field(default_factory=dict)
    meta_information: dict[str, Any] = field(default_factory=dict)
    epoch: int | None = None


@dataclass(kw_only=True, slots=True)
class TrainingStatus:
    """What a trainer tells the loop every few seconds; `uptime` in seconds, `progress` between 0 and 1."""

    id: str
    name: str
    state: str | None
    uptime: float | None
    errors: dict[str, Any] | None
    progress: float | None
    pretrained_models: list[PretrainedModel] = field(default_factory=list)
    architecture: str | None = None
    context: Context | None = None

    def short_str(self) -> str:
        progress = "" if self.progress is None else f" {self.progress:.0%}"
        return f"{self.state}{progress} errors: {self.errors or 'none'}"


class TrainingError(Exception):
    """A training failed."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"TrainingError: {cause}")
        self.cause = cause
