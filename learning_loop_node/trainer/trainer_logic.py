"""What somebody implements whose trainings are programs."""

from __future__ import annotations

import asyncio
import logging
import re
from abc import abstractmethod

from ..data_classes import Detections, ModelInformation
from ..runtime import loose_tasks
from .executor import Executor
from .steps.detect import detect_in_portions
from .steps.download_model import has_base_model
from .steps.train import train_by_command
from .trainer_logic_generic import TrainerLogicGeneric
from .training_slot import TrainingSlot

logger = logging.getLogger(__name__)

LOG_LINES = 50
OUT_OF_MEMORY = "graphics card is out of memory"
NO_GPU = "graphics card not found"
KNOWN_MESSAGES = (
    (re.compile(r"CUDA out of memory|CUDA error: out of memory|torch\.(cuda\.)?OutOfMemoryError"), OUT_OF_MEMORY),
    (re.compile(r"CUDA error: (invalid device ordinal|no CUDA-capable device)|No CUDA GPUs are available"), NO_GPU),
)

ABORT_GRACE_S = 3.0


class TrainerLogic(TrainerLogicGeneric):
    """Derive from this if a training is a program: start it with `self._executor = Executor(folder)`. Called in order:

    1. `_check_training(training)`, when the loop offers a training.
    2. `_can_resume()`; then `_resume()` if so, else `_start_training_from_base_model()` if the training has one, else
       `_start_training_from_scratch()`. Each of them returns when the program runs.
    3. While it runs, every few seconds: `training_progress`, `_get_executor_error_from_log()` and
       `_get_new_best_training_state()`, whose result is followed by `_on_metrics_published(state)`.
    4. `_get_latest_model_files()` and `_get_model_metadata()`, when the program has ended.
    5. `_detect(model_information, images, model_folder)` with some images at a time, when the loop has the model.
    6. `_clear_training_data(folder)`.

    A program that fails is started again, with `_resume()` where that is possible.
    """

    def __init__(self, model_format: str, training_slot: TrainingSlot | None = None) -> None:
        super().__init__(model_format, training_slot)
        self.inference_batch_size = self._environment_vars.inference_batch_size
        self.start_training_task: asyncio.Task[None] | None = None
        self._executor: Executor | None = None
        self._detection_progress: float | None = None
        self._stop_requested = False

    # --- what a subclass implements

    @abstractmethod
    async def _start_training_from_base_model(self) -> None:
        """Start the program with the files of the base model in the training's folder (`base_model.json` is there)."""

    @abstractmethod
    async def _start_training_from_scratch(self) -> None:
        """Start the program with `training.model_variant`."""

    @abstractmethod
    def _can_resume(self) -> bool:
        """Whether the training's folder has what an earlier start has left to go on from."""

    @abstractmethod
    async def _resume(self) -> None:
        """Start the program so that it goes on."""

    @abstractmethod
    async def _detect(
        self, model_information: ModelInformation, images: list[str], model_folder: str
    ) -> list[Detections]:
        """What the model in this folder finds in these files; `image_id` is the name of the file without `.jpg`.

        Return `Detections` for each of them, empty ones where nothing is found.
        """

    def _get_executor_error_from_log(self) -> str | None:
        """What is wrong, if the log says so; the program is stopped then and started again. May be overridden."""
        text = "".join(self.executor.get_own_log_by_lines(tail=LOG_LINES))
        return next((meaning for pattern, meaning in KNOWN_MESSAGES if pattern.search(text)), None)

    # --- what a subclass uses

    @property
    def executor(self) -> Executor:
        """The program; `AssertionError` before the first start."""
        if self._executor is None:
            raise AssertionError("there is no program; set self._executor when the training is started")
        return self._executor

    @property
    def detection_progress(self) -> float | None:
        return self._detection_progress

    # --- inside; programs call and override these, too

    async def _train(self) -> None:
        await train_by_command(self)

    async def _do_detections(self) -> None:
        await detect_in_portions(self)

    async def _start_training(self) -> None:
        """Start the program in the way that fits."""
        if self._can_resume():
            logger.info("training %s is resumed", self.training.training_number)
            await self._resume()
        elif has_base_model(self.training.base_model_uuid):
            await self._start_training_from_base_model()
        else:
            await self._start_training_from_scratch()

    async def _begin_command(self) -> None:
        """Start the program unless a stop comes first."""
        self.start_training_task = loose_tasks.start(self._start_training(), name="start of the training")
        try:
            await asyncio.wait([self.start_training_task])
        finally:
            self.start_training_task.cancel()
            await asyncio.gather(self.start_training_task, return_exceptions=True)
        if not (self.start_training_task.cancelled() and self._stop_requested):
            self.start_training_task.result()

    async def _stop_running_training(self) -> None:
        self._stop_requested = True
        if self.start_training_task is not None:
            self.start_training_task.cancel()
        if self._executor is not None:
            logger.info("the program of training %s is asked to end", self.training.training_number)
            await self._executor.stop_and_wait()

    async def _clear_training(self) -> None:
        self._stop_requested = False
        if self._executor is not None:
            await self._executor.stop_and_wait(ABORT_GRACE_S)
        await self._end_left_over()
        await super()._clear_training()

    async def _end_left_over(self) -> None:
        await Executor(self.training.training_folder).end_left_over()
        if self._executor is not None and not self._executor.is_running():
            self._executor = None  # that of an earlier training
