"""What somebody implements whose trainings run in any way: hooks only; the steps are in `steps/`."""

from __future__ import annotations

import asyncio
import logging
import math
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..client.place import part_of_path
from ..data_classes import Context, Errors, PretrainedModel, Training, TrainingStateData, TrainingStatus
from ..data_classes.codec import from_json
from ..enums import TrainerState
from ..errors import InvalidDataError, NodeError, NodeNeedsRestartError, TrainingRefusedError, UnfitTrainingError
from ..runtime import loose_tasks
from ..runtime.clock import Clock, SystemClock
from ..runtime.files import make_folder
from ..runtime.threads import io_bound
from ..runtime.trouble import Trouble
from ..settings import GLOBALS
from .hook_errors import text_of
from .hyperparameters import check_hyperparameters
from .io_helpers import EnvironmentVars
from .steps.clean_up import clear_training
from .steps.download_model import download_base_model
from .steps.prepare import prepare
from .steps.sync_metrics import sync_metrics
from .steps.upload_model import upload_model, upload_model_files, write_model_json
from .training_run import TrainingRun
from .training_slot import TrainingSlot, training_slot_from_env
from .training_store import ActiveTrainingIO, LastTrainingIO

if TYPE_CHECKING:
    from .trainer_node import TrainerNode

logger = logging.getLogger(__name__)

OLD_TRAININGS = ".old_trainings-"
"""Folders with this prefix are being deleted."""


class TrainerLogicGeneric(ABC):
    """Derive from this, or from `TrainerLogic` if your trainings are programs. Called in this order:

    1. `_check_training(training)`, when the loop offers a training.
    2. `_train()`, when images and base model are there; meanwhile `training_progress`, every few seconds.
    3. `_get_new_best_training_state()`, when the training has ended, and whenever you call `_sync_training()` in
       between; when the loop has its result, `_on_metrics_published(state)`.
    4. `_get_latest_model_files()` and `_get_model_metadata()`.
    5. `_do_detections()`, when the loop has the model; meanwhile `detection_progress`.
    6. `_clear_training_data(folder)`, when everything is done, or the training was aborted or cannot go on.

    What a hook raises is shown at the loop, and the step is tried again after 5, 10, 20 … 300 s, unless it is a
    `CriticalError`, which ends the training. A step that was interrupted, by whatever, is repeated from its beginning.
    """

    clock: Clock = SystemClock()

    def __init__(self, model_format: str, training_slot: TrainingSlot | None = None) -> None:
        """`model_format` is the format in which base models come, and in which the new model detects."""
        self.model_format = model_format
        self.errors = Errors()
        self.training_slot = training_slot or training_slot_from_env()
        self.training_task: asyncio.Task[None] | None = None
        self.shutdown_event = asyncio.Event()
        self._environment_vars = EnvironmentVars()
        self._node: TrainerNode | None = None
        self._last_training_io: LastTrainingIO | None = None
        self._training: Training | None = None
        self._active_training_io: ActiveTrainingIO | None = None
        self._steps = TrainingRun(self)
        self._is_over = asyncio.Event()
        self._is_over.set()
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

    def _check_training(self, training: Training) -> None:  # noqa: B027 (most have nothing to refuse)
        """Raise `UnfitTrainingError` to refuse a training, before anything is done for it. May be overridden."""

    def _get_model_metadata(self) -> dict[str, Any]:
        """What `model.json` should say besides the categories, such as `conf_threshold`. May be overridden."""
        return {}

    # --- what a subclass uses

    @property
    def node(self) -> TrainerNode:
        if self._node is None:
            raise AssertionError("there is no node; give the logic to a TrainerNode first")
        return self._node

    @property
    def last_training_io(self) -> LastTrainingIO:
        if self._last_training_io is None:
            if self._node is None:
                raise AssertionError("there is no node; give the logic to a TrainerNode first")
            self._last_training_io = self._node.last_training_io
        return self._last_training_io

    @property
    def active_training_io(self) -> ActiveTrainingIO:
        if self._active_training_io is None:
            raise AssertionError("there is no training; begin one first")
        return self._active_training_io

    @property
    def training(self) -> Training:
        """The present training; `AssertionError` if there is none."""
        if self._training is None:
            raise AssertionError("there is no training; begin one first")
        return self._training

    @property
    def hyperparameters(self) -> dict[str, Any]:
        return self.training.hyperparameters

    @property
    def hyperparameters_for_state_sync(self) -> dict[str, Any] | None:
        """What the loop is told of the hyperparameters. May be overridden."""
        return self._training.hyperparameters if self._training else None

    @property
    def training_context(self) -> Context | None:
        return self._training.context if self._training else None

    @property
    def training_active(self) -> bool:
        return self._training is not None

    @property
    def training_uptime(self) -> float | None:
        """Seconds since the training began."""
        return time.time() - self._training.start_time if self._training else None

    @property
    def state(self) -> str:
        """As the loop is told; see `TrainerState`."""
        if self._training is None:
            return (TrainerState.Blocked if self.training_slot.taken_by_sibling else TrainerState.Idle).value
        state = TrainerState(self._training.training_state)
        if not self.training_slot.held and state is not TrainerState.ReadyForCleanup:
            return TrainerState.WaitingForSlot.value
        return state.value

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
                    progress = self.training_progress
                case TrainerState.Detecting:
                    progress = self.detection_progress
            return None if progress is None or not math.isfinite(progress) else float(progress)
        except Exception as error:  # of the user: no reason to tell the loop nothing at all
            if self._progress_trouble.is_news(repr(error)):
                logger.exception("the progress is not known")
        return None

    def generate_status_for_loop(self, trainer_uuid: str, trainer_name: str) -> TrainingStatus:
        return TrainingStatus(
            id=trainer_uuid,
            name=trainer_name,
            state=self.state,
            uptime=self.training_uptime,
            errors=dict(self.errors.errors) if self._training else {},
            progress=self.general_progress,
            pretrained_models=self.provided_pretrained_models,
            architecture=self.model_architecture,
            context=self.training_context,
        )

    # --- what the node calls

    async def begin_training(self, organization: str, project: str, training_config: dict[str, Any]) -> None:
        """Accept a training and start it. `TrainingRefusedError` and `UnfitTrainingError` leave everything as it is."""
        if self._training is not None:
            number, context = self._training.training_number, self._training.context
            raise TrainingRefusedError(
                f"this trainer is busy with training {number} of {context.organization}/{context.project}"
            )
        if await io_bound(self.last_training_io.exists):
            raise TrainingRefusedError("this trainer has a training of before to go on with")
        context = Context(organization=part_of_path(organization), project=part_of_path(project))
        if not isinstance(training_config, dict):
            raise UnfitTrainingError("the details of a training must be an object")
        self.training_slot.claim(self._slot_claim(context, training_config.get("training_number")))
        try:
            self._init_new_training(context, training_config)
            await io_bound(self.last_training_io.save, self.training)
        except BaseException:
            self._forget_training()
            raise
        logger.info("training %s of %s/%s begins", self.training.training_number, organization, project)
        self._begin_training_task()

    async def try_continue_run_if_incomplete(self) -> bool:
        """Go on with the training that was under way when the process ended; whether there is one."""
        if self._training is not None or not await io_bound(self.last_training_io.exists):
            return False
        try:
            self._init_from_last_training()
        except (InvalidDataError, OSError) as error:
            aside = self.last_training_io.keep_aside()
            logger.error("the training of before cannot be read and is given up (see %s): %s", aside, error)
            return False
        training = self.training
        logger.info("training %s goes on at %s", training.training_number, training.training_state)
        self._begin_training_task()
        return True

    async def stop(self) -> None:
        """Finish with what there is: a training that runs ends, and its best model is uploaded. No other is touched."""
        if self._training is None or self._training.training_state != TrainerState.TrainingRunning:
            logger.info("nothing is stopped: no training runs (%s)", self.state)
            return
        await self._stop_running_training()

    async def abort(self) -> None:
        """Discard the training, whatever it does at the moment. When this returns, there is none."""
        if self._training is None:
            logger.info("nothing is aborted: there is no training")
            return
        logger.info("training %s is aborted in the state %s", self._training.training_number, self.state)
        if self._is_over.is_set():  # it was loaded, but does not run
            await self._discard()
            return
        if self.training_task is not None:
            self.training_task.cancel()
        if asyncio.current_task() is not self.training_task:
            await self._is_over.wait()

    async def on_shutdown(self) -> None:
        """End what runs; the training goes on when the process is started again."""
        self.shutdown_event.set()
        if self.training_task is not None:
            self.training_task.cancel()
        await self._is_over.wait()

    # --- inside; programs call and override these, too

    async def _stop_running_training(self) -> None:
        """End a training that runs, keeping its model. May be overridden; unless it is, a stop is an abort."""
        await self.abort()

    def _init_new_training(self, context: Context, training_config: dict[str, Any]) -> None:
        """Make a training of what the loop sent, and its folders."""
        project_folder = self._data_folder / context.organization / context.project
        try:
            training = Training.generate_training(str(project_folder), context, training_config)
        except ValueError as error:
            raise UnfitTrainingError(str(error)) from error
        check_hyperparameters(training.hyperparameters)
        self._check(training)
        if not self._environment_vars.keep_old_trainings:
            self._put_old_trainings_away(project_folder)
        make_folder(Path(training.images_folder))
        make_folder(training.training_folder_path)
        self.errors.reset_all()
        self._take_on(training)

    def _check(self, training: Training) -> None:
        """Ask the logic whether it takes a training; what it raises otherwise is a refusal, too."""
        try:
            self._check_training(training)
        except NodeError:
            raise
        except Exception as error:
            logger.exception("training %s is refused, since it cannot be checked", training.training_number)
            raise UnfitTrainingError(f"{text_of(error, self)}; the log of the trainer has more") from error

    def _init_from_last_training(self) -> None:
        """Load the training that was under way."""
        self._take_on(self.last_training_io.load())

    def _begin_training_task(self) -> None:
        self._is_over.clear()
        loose_tasks.start(self._run(), name="training run")

    async def _run(self) -> None:
        """Take the present training through its steps, to its end or until it is aborted."""
        self._is_over.clear()
        self._steps.forget_failures()
        self.errors.reset_all()
        if notice := await io_bound(self.active_training_io.load_notice):
            self.errors.set(*notice)
        self.training_task = loose_tasks.start(self._training_loop(), name="training")
        try:
            await asyncio.wait([self.training_task])
            if self.training_task.cancelled() and not self.shutdown_event.is_set():
                await self._discard()
            elif not self.training_task.cancelled() and (error := self.training_task.exception()) is not None:
                asked_for = isinstance(error, NodeNeedsRestartError)
                self.node.end_process(f"the training needs a new process: {error!r}", status=0 if asked_for else 1)
        finally:
            self.training_task.cancel()
            self.training_slot.release()
            self._is_over.set()
            self._tell_change()

    async def _training_loop(self) -> None:
        training = self.training
        await self._end_left_over()
        self._tell_change()
        if training.training_state != TrainerState.ReadyForCleanup:
            await self.training_slot.wait_for(self._slot_claim(training.context, training.training_number))
        await io_bound(_delete_old_trainings, Path(training.project_folder))
        await self._steps.run()

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

    async def _end_left_over(self) -> None:  # noqa: B027 (only programs can be left over)
        """End what a training before a crash has left running."""

    async def _discard(self) -> None:
        """Let the training have no result."""
        if self._training is not None:
            self._training.training_state = TrainerState.ReadyForCleanup
            try:
                self.last_training_io.save(self._training)
            except NodeError as error:  # it is deleted next
                logger.warning("%s", error)
            await self._clear_training()

    def _slot_claim(self, context: Context, training_number: Any) -> str:
        """What others who want to train are told."""
        return f"node {self.node.uuid}, training #{training_number} of {context.organization}/{context.project}"

    def _may_restart(self) -> None:
        """End the process, if that is wanted after each training."""
        if self._environment_vars.restart_after_training:
            self.node.end_process("RESTART_AFTER_TRAINING is set")

    def _take_on(self, training: Training) -> None:
        communicator = self.node.loop_communicator
        self._active_training_io = ActiveTrainingIO(training.training_folder, communicator, training.context)
        self.node.data_exchanger.set_context(training.context)
        self._training = training

    def _forget_training(self) -> None:
        self._training = None
        self.training_slot.release()

    def _tell_change(self) -> None:
        if self._node is not None:
            self._node.status_changed()

    @property
    def _data_folder(self) -> Path:
        return self._node.settings.node.data_folder if self._node is not None else Path(GLOBALS.data_folder)

    def _put_old_trainings_away(self, project_folder: Path) -> None:
        """Let earlier trainings be deleted, but not those that another trainer in this data folder works on."""
        used = set()
        for file in self._data_folder.glob("last_training__*.json"):
            try:
                used.add(from_json(file.read_bytes())["id"])
            except (InvalidDataError, OSError, KeyError, TypeError):
                continue
        folders = project_folder / "trainings"
        old = [entry for entry in folders.iterdir() if entry.name not in used] if folders.is_dir() else []
        if old:
            aside = project_folder / f"{OLD_TRAININGS}{uuid4().hex}"
            aside.mkdir()
            for entry in old:
                entry.rename(aside / entry.name)


def _delete_old_trainings(project_folder: Path) -> None:
    for folder in project_folder.glob(f"{OLD_TRAININGS}*"):
        shutil.rmtree(folder, onerror=partial(_log_leftover, folder))


def _log_leftover(folder: Path, _function: object, path: str, _info: object) -> None:
    logger.warning("%s of an earlier training in %s cannot be deleted", path, folder)
