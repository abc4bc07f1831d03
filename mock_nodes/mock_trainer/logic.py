"""A trainer without a neural network, whose trainings take seconds and can be told to fail."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from learning_loop_node.data_classes import (
    BoxDetection,
    Category,
    ClassificationDetection,
    Detections,
    ErrorConfiguration,
    ModelInformation,
    Point,
    PointDetection,
    PretrainedModel,
    SegmentationDetection,
    Shape,
    Training,
    TrainingStateData,
)
from learning_loop_node.errors import UnfitTrainingError
from learning_loop_node.trainer.executor import Executor
from learning_loop_node.trainer.trainer_logic import TrainerLogic

PROGRAM = Path(__file__).with_name("training.py")
STATE_FILE = "epoch.json"
"""Where the program says how far it is."""

IN_THE_PROGRAM = ("crash", "killed", "out_of_memory", "no_gpu", "disk_full", "hang", "no_model")
IN_THE_TRAINER = ("begin", "start", "metrics", "missing_file", "detect", "clear")
FAILURES = (*IN_THE_PROGRAM, *IN_THE_TRAINER)
"""What the hyperparameter `fail` may be."""


class MockTrainer(TrainerLogic):
    """Told what to do by hyperparameters, or by the operations for tests (`provide_new_model`, `error_configuration`).

    `epochs` (3) and `seconds` (1) for each of them; `fail`, one of `FAILURES`; `fail_at`, the epoch in which the
    program fails (2); `fail_times`, how often it does before it works (always).
    """

    def __init__(self) -> None:
        super().__init__("mocked")
        self.error_configuration = ErrorConfiguration()
        self.provide_new_model = True
        self.current_iteration = 0
        self._published_epoch = 0

    @property
    def training_progress(self) -> float | None:
        return self._epoch / self._epochs

    @property
    def model_architecture(self) -> str | None:
        return "mocked"

    @property
    def provided_pretrained_models(self) -> list[PretrainedModel]:
        return [
            PretrainedModel(name="small", label="Small", description="seconds of pretending"),
            PretrainedModel(name="medium", label="Medium", description="the same"),
            PretrainedModel(name="large", label="Large", description="the same"),
        ]

    def _check_training(self, training: Training) -> None:
        how = training.hyperparameters.get("fail", "")
        if how and how not in FAILURES:
            raise UnfitTrainingError(f"the hyperparameter fail must be one of {', '.join(FAILURES)}, not {how!r}")
        if how == "begin":
            raise UnfitTrainingError("this training is refused, as it was told to be")

    async def _start_training_from_base_model(self) -> None:
        await self._start()

    async def _start_training_from_scratch(self) -> None:
        await self._start()

    def _can_resume(self) -> bool:
        return self._epoch > 0

    async def _resume(self) -> None:
        await self._start()

    async def _start(self) -> None:
        if self.error_configuration.begin_training or self._fail == "start":
            raise RuntimeError("the training does not start, as it was told to")
        self._published_epoch = self.current_iteration = 0
        given = self.hyperparameters
        how = "crash" if self.error_configuration.crash_training else self._fail
        arguments = [
            *(sys.executable, "-u", str(PROGRAM), self.training.training_folder),
            *("--epochs", str(self._epochs), "--seconds", str(given.get("seconds", 1))),
            *("--fail", how if how in IN_THE_PROGRAM else ""),
            *("--at", str(given.get("fail_at", 2)), "--times", str(given.get("fail_times", -1))),
        ]
        self._executor = Executor(self.training.training_folder)
        await self._executor.start(arguments)

    def _get_new_best_training_state(self) -> TrainingStateData | None:
        if self.error_configuration.get_new_model or self._fail == "metrics":
            raise RuntimeError("there are no metrics, as it was told")
        epoch = max(self._epoch, self.current_iteration)
        if not self.provide_new_model or epoch <= self._published_epoch:
            return None
        found = round(100 * epoch / (epoch + 2))
        counts = {"tp": found, "fp": 100 - found, "fn": 100 - found}
        return TrainingStateData(
            confusion_matrix={category.id: dict(counts) for category in self.training.categories}, epoch=epoch
        )

    def _on_metrics_published(self, training_state_data: TrainingStateData) -> None:
        self._published_epoch = training_state_data.epoch or 0

    async def _get_latest_model_files(self) -> dict[str, list[str]]:
        if self.error_configuration.save_model:
            raise RuntimeError("the model is not saved, as it was told")
        name = self._state.get("model")
        if not name:
            return {}
        weights = self.training.training_folder_path / name
        if self._fail == "missing_file":
            weights.unlink(missing_ok=True)
        notes = weights.with_suffix(".txt")
        notes.write_text(f"made of {len(self.training.image_data or ())} images\n")
        return {"mocked": [str(weights), str(notes)], "mocked_2": [str(weights)]}

    async def _detect(
        self, model_information: ModelInformation, images: list[str], model_folder: str
    ) -> list[Detections]:
        if self._fail == "detect":
            raise RuntimeError("the model does not detect, as it was told")
        return [_found(Path(image).stem, model_information) for image in images]

    async def _clear_training_data(self, training_folder: str) -> None:
        if self._fail == "clear":
            raise RuntimeError("the data is not cleared, as it was told")
        for file in Path(training_folder).glob("model_*"):  # noqa: ASYNC240 (a few)
            file.unlink()

    @property
    def _state(self) -> dict[str, Any]:
        file = self.training.training_folder_path / STATE_FILE
        return json.loads(file.read_text()) if file.exists() else {}

    @property
    def _epoch(self) -> int:
        return int(self._state.get("epoch", 0))

    @property
    def _epochs(self) -> int:
        return int(self.hyperparameters.get("epochs", 3))

    @property
    def _fail(self) -> str:
        return str(self.hyperparameters.get("fail", ""))


def _found(image_id: str, model_information: ModelInformation) -> Detections:
    """One detection for each category, in the way that the category is marked."""
    found = Detections(image_id=image_id)
    for category in model_information.categories:
        said = _what(category, model_information.version)
        match category.type:
            case "point":
                found.point_detections.append(PointDetection(x=8, y=8, **said))
            case "segmentation":
                corners = [Point(x=4, y=4), Point(x=20, y=4), Point(x=12, y=16)]
                found.segmentation_detections.append(SegmentationDetection(shape=Shape(points=corners), **said))
            case "classification":
                found.classification_detections.append(ClassificationDetection(**said))
            case _:
                found.box_detections.append(BoxDetection(x=4, y=4, width=16, height=12, **said))
    return found


def _what(category: Category, version: str) -> dict[str, Any]:
    return {"category_name": category.name, "category_id": category.id, "model_name": version, "confidence": 0.8}
