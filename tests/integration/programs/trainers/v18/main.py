"""A trainer in the style of 0.18: a training in a process, watched through its files."""

import json
import os
import sys
from pathlib import Path

import uvicorn

from learning_loop_node import GLOBALS, TrainerNode
from learning_loop_node.data_classes import (
    BoxDetection,
    Detections,
    ModelInformation,
    PretrainedModel,
    TrainingStateData,
)
from learning_loop_node.trainer.executor import Executor
from learning_loop_node.trainer.trainer_logic import TrainerLogic

PROGRAM = Path(__file__).parents[1] / "train.py"


class CountingTrainer(TrainerLogic):
    def __init__(self) -> None:
        super().__init__("mocked")
        self.published = 0

    # --- what the training tells

    def _epochs(self) -> int:
        file = Path(self.training.training_folder) / "epochs.txt"
        return len(file.read_text().splitlines()) if file.exists() else 0

    @property
    def training_progress(self) -> float:
        return self._epochs() / int(self.hyperparameters["epochs"])

    @property
    def model_architecture(self) -> str:
        return "counting"

    @property
    def provided_pretrained_models(self) -> list[PretrainedModel]:
        return [PretrainedModel(name="small", label="Small", description="counts to ten")]

    def _get_new_best_training_state(self) -> TrainingStateData | None:
        epoch = self._epochs()
        if epoch <= self.published:
            return None
        counts = {category.id: {"tp": epoch, "fp": 1, "fn": 2} for category in self.training.categories}
        return TrainingStateData(confusion_matrix=counts, meta_information={"epoch": epoch}, epoch=epoch)

    def _on_metrics_published(self, training_state_data: TrainingStateData) -> None:
        self.published = training_state_data.epoch or 0

    # --- the process

    async def _start(self) -> None:
        folder, parameters = self.training.training_folder, self.hyperparameters
        self.published = 0
        self._executor = Executor(folder)
        await self.executor.start(
            f"{sys.executable} {PROGRAM} {folder} {parameters['epochs']} {parameters['seconds_per_epoch']}"
        )

    async def _start_training_from_scratch(self) -> None:
        await self._start()

    async def _start_training_from_base_model(self) -> None:
        assert (Path(self.training.training_folder) / "base_model.json").exists()
        await self._start()

    def _can_resume(self) -> bool:
        return self._epochs() > 0

    async def _resume(self) -> None:
        await self._start()

    def _get_executor_error_from_log(self) -> str | None:
        return None

    # --- the model

    async def _get_latest_model_files(self) -> dict[str, list[str]]:
        weights = Path(self.training.training_folder) / "weights.bin"
        copy = weights.with_name("exported.bin")
        copy.write_bytes(weights.read_bytes())
        return {"mocked": [str(weights)], "mocked_export": [str(copy)]}

    async def _detect(
        self, model_information: ModelInformation, images: list[str], model_folder: str
    ) -> list[Detections]:
        assert (Path(model_folder) / "weights.bin").read_bytes().startswith(b"weights of epoch")
        category = model_information.categories[0]
        return [
            Detections(
                box_detections=[
                    BoxDetection(
                        category_name=category.name,
                        category_id=category.id,
                        x=1,
                        y=2,
                        width=30,
                        height=40,
                        model_name=model_information.version,
                        confidence=0.9,
                    )
                ],
                image_id=Path(image).stem,
            )
            for image in images
        ]

    async def _clear_training_data(self, training_folder: str) -> None:
        (Path(training_folder) / "cleared.json").write_text(json.dumps(True))


GLOBALS.data_folder = os.environ["DATA_FOLDER"]
node = TrainerNode(name=os.environ["NODE_NAME"], trainer_logic=CountingTrainer())

if __name__ == "__main__":
    uvicorn.run("main:node", host="127.0.0.1", port=int(os.environ.get("PORT", "80")), lifespan="on")
