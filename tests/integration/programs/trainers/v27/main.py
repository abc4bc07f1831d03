"""A trainer in the style of 0.27: what can be left out is left out, and the model says its threshold."""

import os
import sys
from pathlib import Path
from typing import Any

from learning_loop_node import TrainerNode
from learning_loop_node.data_classes import (
    Detections,
    ModelInformation,
    PretrainedModel,
    TrainingStateData,
)
from learning_loop_node.detector.postprocess import Prediction, to_detections
from learning_loop_node.helpers.entrypoint import node_parser, run_node
from learning_loop_node.trainer.executor import Executor
from learning_loop_node.trainer.metrics import confusion_matrix_from_counts, macro_f1
from learning_loop_node.trainer.trainer_logic import TrainerLogic

PROGRAM = Path(__file__).parents[1] / "train.py"


class CountingTrainer(TrainerLogic):
    def __init__(self) -> None:
        super().__init__("mocked")
        self.published = 0

    @property
    def epoch(self) -> int:
        file = self.training.training_folder_path / "epochs.txt"
        return len(file.read_text().splitlines()) if file.exists() else 0

    @property
    def training_progress(self) -> float:
        return self.epoch / int(self.hyperparameters["epochs"])

    @property
    def model_architecture(self) -> str:
        return "counting"

    @property
    def provided_pretrained_models(self) -> list[PretrainedModel]:
        return [PretrainedModel(name="small", label="Small", description="counts to ten")]

    def _get_new_best_training_state(self) -> TrainingStateData | None:
        if self.epoch <= self.published:
            return None
        ids = [category.id for category in self.training.categories]
        counts: dict[str, Any] = {id_: {"tp": self.epoch, "fp": 1, "fn": 2} for id_ in ids}
        return TrainingStateData(confusion_matrix=counts, meta_information={"f1": macro_f1(counts)}, epoch=self.epoch)

    def _on_metrics_published(self, training_state_data: TrainingStateData) -> None:
        self.published = training_state_data.epoch or 0

    def _get_model_metadata(self) -> dict[str, Any]:
        return {"conf_threshold": 0.25}

    async def _start_training_from_scratch(self) -> None:
        folder, parameters = self.training.training_folder, self.hyperparameters
        self.published = 0
        self._executor = Executor(folder)
        await self.executor.start(
            f"{sys.executable} {PROGRAM} {folder} {parameters['epochs']} {parameters['seconds_per_epoch']}"
        )

    async def _start_training_from_base_model(self) -> None:
        await self._start_training_from_scratch()

    def _can_resume(self) -> bool:
        return self.epoch > 0

    async def _resume(self) -> None:
        await self._start_training_from_scratch()

    async def _get_latest_model_files(self) -> dict[str, list[str]]:
        weights = self.training.training_folder_path / "weights.bin"
        copy = weights.with_name("exported.bin")
        copy.write_bytes(weights.read_bytes())
        return {"mocked": [str(weights)], "mocked_export": [str(copy)]}

    async def _detect(
        self, model_information: ModelInformation, images: list[str], model_folder: str
    ) -> list[Detections]:
        assert confusion_matrix_from_counts is not None
        box = Prediction(x=1, y=2, width=30, height=40, category_index=0, confidence=0.9)
        return [to_detections([box], model_information, 480, 640, image_id=Path(image).stem) for image in images]

    async def _clear_training_data(self, training_folder: str) -> None:
        (Path(training_folder) / "cleared.json").write_text("true")


node = TrainerNode(name=os.environ["NODE_NAME"], trainer_logic=CountingTrainer())

if __name__ == "__main__":
    run_node("main:node", node_parser(description="counts epochs").parse_args())
