"""What the trainer node knows about these trainings; the program that does the work is `training.py`."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ....data_classes import Detections, ModelInformation, PretrainedModel, Training, TrainingStateData
from ....errors import ChildFailedError, CriticalError, InvalidImageError, MissingExtraError, UnfitTrainingError
from ....images import decode
from ....runtime.threads import io_bound
from ...executor import Executor
from ...trainer_logic import TrainerLogic
from ...training_slot import TrainingSlot
from .hyperparameters import read_hyperparameters
from .plan import CHECKPOINT, TRAINED_TYPES, Plan, ResultFolder, read_json, trained

logger = logging.getLogger(__name__)

ARCHITECTURE = "torch_detection"
MODEL_FORMAT = "torch_detection"
"""Of the checkpoint that other trainings can go on from; `onnx` is what detectors take."""

LIBRARIES = ("torch", "onnx", "onnxscript", "onnxruntime", "cv2", "faster_coco_eval")
PROGRAM = f"{__package__}.training"
EXPORT = f"{__package__}.export"
ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "OMP_WAIT_POLICY": "PASSIVE"}
"""The second lets a GPU compute the same twice.

The third lets threads that wait for each other sleep: where another program has one of the processors, they would
otherwise burn most of the time (measured: seven times as slow, with two processors and another training beside it).
"""

LAYOUT = "yolov8"
IOU_THRESHOLD = 0.6
TAIL_LINES = 15

VARIANTS = (
    PretrainedModel(name="nano", label="Nano", description="1.2 million parameters; trains on a CPU in minutes"),
    PretrainedModel(name="small", label="Small", description="4 million parameters"),
    PretrainedModel(name="medium", label="Medium", description="12 million parameters; wants a GPU"),
)


def require_libraries() -> None:
    """`MissingExtraError` names the libraries that are not installed."""
    if missing := [name for name in LIBRARIES if find_spec(name) is None]:
        raise MissingExtraError(f"this trainer needs {', '.join(missing)}: pip install 'learning-loop-node[torch]'")


class TorchDetectionLogic(TrainerLogic):
    """Trains small detectors of boxes and points, from scratch or from an earlier model of its own.

    Its hyperparameters are those of `Hyperparameters`. `MissingExtraError` if its libraries are not installed.
    """

    model_architecture = ARCHITECTURE
    provided_pretrained_models = list(VARIANTS)

    def __init__(self, training_slot: TrainingSlot | None = None) -> None:
        require_libraries()
        super().__init__(MODEL_FORMAT, training_slot)
        self._published_epoch = 0
        self._detector: tuple[str, Any] | None = None

    @property
    def training_progress(self) -> float | None:
        said = read_json(self._result.progress)
        return float(said["progress"]) if said else 0.0

    def _check_training(self, training: Training) -> None:
        read_hyperparameters(training.hyperparameters)
        known = [variant.name for variant in VARIANTS]
        if training.model_variant not in known:
            raise UnfitTrainingError(
                f"there is no model variant {training.model_variant!r}; there are {', '.join(known)}"
            )
        if not trained(training.categories):
            raise UnfitTrainingError(
                f"this trainer learns categories of the types {' and '.join(TRAINED_TYPES)}, and the project has none"
            )

    async def _start_training_from_scratch(self) -> None:
        await self._start(base_model=None)

    async def _start_training_from_base_model(self) -> None:
        file = self.training.training_folder_path / CHECKPOINT
        if not await io_bound(file.is_file):
            raise CriticalError(f"the base model has no {CHECKPOINT}; only models of this trainer can be gone on from")
        await self._start(base_model=str(file))

    def _can_resume(self) -> bool:
        return self._result.last.exists()

    async def _resume(self) -> None:
        await self._run_program()

    async def _start(self, base_model: str | None) -> None:
        training = self.training
        plan = Plan(
            variant=training.model_variant,
            categories=training.categories,
            hyperparameters=training.hyperparameters,
            images=training.image_data or [],
            images_folder=training.images_folder,
            base_model=base_model,
        )
        await io_bound(plan.save, training.training_folder_path)
        await self._run_program()

    async def _run_program(self) -> None:
        self._published_epoch = 0
        self._executor = Executor(self.training.training_folder)
        await self._executor.start(_command(PROGRAM, self.training.training_folder_path), self._environment)

    def _get_new_best_training_state(self) -> TrainingStateData | None:
        best = self._best
        if best is None or best["epoch"] == self._published_epoch:
            return None
        figures = {name: best[name] for name in ("map50", "map50_95", "f1", "conf_threshold")}
        return TrainingStateData(confusion_matrix=best["counts"], meta_information=figures, epoch=best["epoch"])

    def _on_metrics_published(self, training_state_data: TrainingStateData) -> None:
        self._published_epoch = training_state_data.epoch or 0

    async def _get_latest_model_files(self) -> dict[str, list[str]]:
        result = self._result
        if not await io_bound(result.best.is_file):
            return {}
        if not await io_bound(result.is_exported):  # the program was stopped before its end
            await self._export()
        return {"onnx": [str(result.onnx)], MODEL_FORMAT: [str(result.best), str(result.onnx)]}

    async def _export(self) -> None:
        folder = self.training.training_folder_path
        executor = Executor(str(self._result.path))
        await executor.start(_command(EXPORT, folder), self._environment)
        try:
            status = await executor.wait()
        finally:
            await executor.stop_and_wait()
        if status:
            tail = "".join(await io_bound(executor.get_log_by_lines, TAIL_LINES))
            raise ChildFailedError(f"the model cannot be exported to ONNX (status {status}); it said last:\n{tail}")

    def _get_model_metadata(self) -> dict[str, Any]:
        best = self._best
        if best is None:
            return {}
        return {
            "categories": trained(self.training.categories),
            "conf_threshold": best["conf_threshold"],
            "resolution": max(best["size"].values()),
            "model_size": self.training.model_variant,
            "onnx": {"layout": LAYOUT, "iou_threshold": IOU_THRESHOLD},
            "validation": {name: best[name] for name in ("epoch", "map50", "map50_95", "f1")},
        }

    async def _detect(
        self, model_information: ModelInformation, images: list[str], model_folder: str
    ) -> list[Detections]:
        return await io_bound(self._detect_now, model_information, images, model_folder)

    def _detect_now(self, information: ModelInformation, images: Sequence[str], folder: str) -> list[Detections]:
        from ....onnx_models.model import OnnxModel  # OpenCV and ONNX Runtime, when they are needed

        if self._detector is None or self._detector[0] != folder:
            self._detector = folder, OnnxModel.open(folder, information.categories, version=information.version)
        detector: OnnxModel = self._detector[1]
        result = []
        for image in map(Path, images):
            try:
                [found] = detector.run([decode(image.read_bytes())])
            except InvalidImageError as error:
                logger.warning("nothing is detected in %s: %s", image.name, error)
                continue
            result.append(
                Detections(
                    image_id=image.stem,
                    box_detections=found.box_detections,
                    point_detections=found.point_detections,
                )
            )
        return result

    async def _clear_training_data(self, training_folder: str) -> None:
        self._detector = None
        await io_bound(ResultFolder(Path(training_folder)).remove)

    @property
    def _environment(self) -> dict[str, str]:
        """Of both programs; what PyTorch's exporter leaves goes with the result."""
        return ENVIRONMENT | {"TORCHINDUCTOR_CACHE_DIR": str(self._result.path / "cache")}

    @property
    def _result(self) -> ResultFolder:
        return ResultFolder(self.training.training_folder_path)

    @property
    def _best(self) -> dict[str, Any] | None:
        said = read_json(self._result.metrics)
        return said["best"] if said else None


def _command(module: str, folder: Path) -> str:
    return shlex.join([sys.executable, "-m", module, str(folder)])
