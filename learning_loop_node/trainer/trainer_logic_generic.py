"""What somebody implements whose trainings run in any way: hooks only; the steps are in `steps/`."""

from __future__ import annotations

import logging
import math
from abc import abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any

from ..data_classes import Context, PretrainedModel, Training, TrainingStateData, TrainingStatus
from ..enums import TrainerState
from ..errors import CriticalError
from ..runtime.trouble import Trouble
from .hook_results import checked_progress
from .steps.clean_up import clear_training
from .steps.download_model import download_base_model
from .steps.prepare import prepare
from .steps.sync_metrics import sync_metrics
from .steps.upload_model import upload_model, upload_model_files, write_model_json
from .training_lifecycle import TrainingLifecycle
from .training_run import TrainingRun
from .training_slot import TrainingSlot

logger = logging.getLogger(__name__)

PROGRESS = "progress"
"""The key of the error that says why the progress of the present step is not known."""


class TrainerLogicGeneric(TrainingLifecycle):
    """Derive from this, or from `TrainerLogic` if your trainings are programs. Called in this order:

    1. `_check_training(training)`, when the loop offers a training.
    2. `_train()`, when images and base model are there; meanwhile `training_progress`, every few seconds.
    3. `_get_new_best_training_state()`, when the training has ended, and whenever you call `_sync_training()` in
       between; when the loop has its result, `_on_metrics_published(state)`.
    4. `_get_latest_model_files()` and `_get_model_metadata()`.
    5. `_do_detections()`, when the loop has the model; meanwhile `detection_progress`.
    6. `_clear_training_data(folder)`, when everything is done, or the training was aborted or cannot go on.

    What a hook raises is shown at the loop, and the step is tried again after 5, 10, 20 … 300 s, unless it is a
    `CriticalError`, which ends the training, with the best model so far if there is one; so does a hook that returns
    something of another type. A step that was interrupted, by whatever, is repeated from its beginning.
    """

    def __init__(self, model_format: str, training_slot: TrainingSlot | None = None) -> None:
        """`model_format` is the format in which base models come, and in which the new model detects."""
        super().__init__(model_format, training_slot)
        self._steps = TrainingRun(self)
        self._progress_trouble = Trouble(self.clock)
        self._metrics_trouble = Trouble(self.clock)

    # --- what a subclass implements

    @property
    @abstractmethod
    def training_progress(self) -> float | None:
        """How far `_train` is, between 0 and 1; None if nobody knows."""

    @property
    @abstractmethod
    def detection_progress(self) -> float | None:
        """How far `_do_detections` is, between 0 and 1; None if nobody knows."""

    @property
    @abstractmethod
    def model_architecture(self) -> str | None:
        """What kind of models this trainer makes; the loop offers it trainings for this kind."""

    @property
    @abstractmethod
    def provided_pretrained_models(self) -> list[PretrainedModel]:
        """The variants to choose from; `training.model_variant` is the name of the chosen one."""

    @abstractmethod
    async def _train(self) -> None:
        """Train until the training is complete. It is cancelled by an abort and when the process ends."""

    @abstractmethod
    async def _do_detections(self) -> None:
        """Let the new model (`training.model_uuid_for_detecting`) detect; `active_training_io.save_detections` them."""

    @abstractmethod
    def _get_new_best_training_state(self) -> TrainingStateData | None:
        """The metrics of the best model so far, None if the loop has them already. Must not take long."""

    @abstractmethod
    def _on_metrics_published(self, training_state_data: TrainingStateData) -> None:
        """The loop has these metrics; the model that belongs to them is the one to upload later."""

    @abstractmethod
    async def _get_latest_model_files(self) -> dict[str, list[str]]:
        """The files of the best model for each format. (A list means our own format.) Without `model.json`."""

    @abstractmethod
    async def _clear_training_data(self, training_folder: str) -> None:
        """Delete what is large in the training's folder; it is deleted as a whole when the next training begins."""

    def _check_training(self, training: Training) -> None:
        """Raise `UnfitTrainingError` to refuse a training, before anything is done for it. May be overridden."""

    def _get_model_metadata(self) -> dict[str, Any]:
        """What `model.json` should say besides the categories, such as `conf_threshold`. May be overridden."""
        return {}

    # --- what a subclass uses, besides `training` and what else `TrainingLifecycle` has

    @property
    def hyperparameters(self) -> dict[str, Any]:
        return self.training.hyperparameters

    @property
    def hyperparameters_for_state_sync(self) -> dict[str, Any] | None:
        """What the loop is told of the hyperparameters. May be overridden."""
        return self._training.hyperparameters if self._training else None

    @property
    def general_progress(self) -> float | None:
        """How far the present step is, between 0 and 1; None where that is not known."""
        if self._training is None:
            return None
        progress: float | None = None
        try:
            match self._training.training_state:
                case TrainerState.DataDownloading:
                    progress = self.node.data_exchanger.progress
                case TrainerState.TrainingRunning:
                    progress = checked_progress(self.training_progress, "training_progress")
                case TrainerState.Detecting:
                    progress = checked_progress(self.detection_progress, "detection_progress")
            self.errors.reset(PROGRESS)
            return None if progress is None or not math.isfinite(progress) else float(progress)
        except Exception as error:  # of the user: no reason to tell the loop nothing at all
            if isinstance(error, CriticalError):  # not what is only raised as long as there is nothing to look at
                self.errors.set(PROGRESS, str(error))
            if self._progress_trouble.is_news(repr(error)):
                logger.exception("the progress is not known")
        return None

    def generate_status_for_loop(self, trainer_uuid: str, trainer_name: str) -> TrainingStatus:
        return TrainingStatus(
            id=trainer_uuid,
            name=trainer_name,
            state=self.state,
            uptime=self.training_uptime,
            progress=self.general_progress,  # before the errors, of which it may be one
            errors=dict(self.errors.errors) if self._training else {},
            pretrained_models=self.provided_pretrained_models,
            architecture=self.model_architecture,
            context=self.training_context,
        )

    # --- its steps; programs call and override these, too

    async def _perform_state(
        self,
        error_key: str,
        state_during: TrainerState,
        state_after: TrainerState,
        action: Callable[[], Coroutine[Any, Any, Any]],
        reset_early: bool = False,
    ) -> None:
        """Do one step of the training, once; see `TrainingRun.perform`."""
        await self._steps.perform(error_key, state_during, state_after, action, reset_early)

    async def _prepare(self) -> None:
        await prepare(self)

    async def _download_model(self) -> None:
        await download_base_model(self)

    async def _sync_training(self) -> None:
        await sync_metrics(self)

    async def _upload_model(self) -> None:
        await upload_model(self)

    async def _upload_model_return_new_model_uuid(self, context: Context) -> str:
        return await upload_model_files(self, context)

    def _dump_model_json(self) -> str:
        """Write the `model.json` that is uploaded; its path."""
        return write_model_json(self)

    async def _clear_training(self) -> None:
        """Delete what the training has left, and have no training any more."""
        await clear_training(self)
