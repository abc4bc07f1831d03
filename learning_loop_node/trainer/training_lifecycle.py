"""The life of a training as a whole: it is begun or gone on with, stopped or aborted, and ends."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..client.place import part_of_path
from ..data_classes import Context, Errors, Training
from ..enums import TrainerState
from ..errors import InvalidDataError, NodeError, NodeNeedsRestartError, TrainingRefusedError, UnfitTrainingError
from ..runtime import loose_tasks
from ..runtime.clock import Clock, SystemClock
from ..runtime.files import make_folder
from ..runtime.threads import io_bound
from ..settings import GLOBALS
from .hook_errors import text_of
from .hyperparameters import check_hyperparameters
from .io_helpers import EnvironmentVars
from .old_trainings import delete_old_trainings, put_old_trainings_away
from .training_slot import SLOT_OF_TRAINING, TrainingSlot, training_slot_from_env
from .training_store import ActiveTrainingIO, LastTrainingIO

if TYPE_CHECKING:
    from .trainer_node import TrainerNode
    from .training_run import TrainingRun

logger = logging.getLogger(__name__)


class TrainingLifecycle(ABC):
    """What the node calls, and what goes on inside; users derive from `TrainerLogicGeneric` or `TrainerLogic`.

    `begin_training` or `try_continue_run_if_incomplete` takes a training on and lets `_run` go through its steps;
    `stop`, `abort` and `on_shutdown` end that early, each in another way.
    """

    clock: Clock = SystemClock()
    _steps: TrainingRun

    def __init__(self, model_format: str, training_slot: TrainingSlot | None = None) -> None:
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
        self._is_over = asyncio.Event()
        self._is_over.set()
        self._taking_on = asyncio.Lock()
        self._is_to_end = False

    @abstractmethod
    def _check_training(self, training: Training) -> None:
        """See `TrainerLogicGeneric`."""

    @abstractmethod
    async def _clear_training(self) -> None:
        """Delete what the training has left, and have no training any more."""

    # --- what there is

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

    # --- what the node calls

    async def begin_training(self, organization: str, project: str, training_config: dict[str, Any]) -> None:
        """Accept a training and start it. `TrainingRefusedError` and `UnfitTrainingError` leave everything as it is."""
        async with self._taking_on:
            await self._begin(organization, project, training_config)

    async def _begin(self, organization: str, project: str, training_config: dict[str, Any]) -> None:
        if self._training is None:  # the loop hears that before the run of the training before has ended
            await self._is_over.wait()
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
        self._end_task()
        if asyncio.current_task() is not self.training_task:
            await self._is_over.wait()

    async def on_shutdown(self) -> None:
        """End what runs; the training goes on when the process is started again."""
        self.shutdown_event.set()
        self._end_task()
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
        self._let_check(training)
        if not self._environment_vars.keep_old_trainings:
            put_old_trainings_away(project_folder, self._data_folder)
        make_folder(Path(training.images_folder))
        make_folder(training.training_folder_path)
        self.errors.reset_all()
        self._take_on(training)

    def _let_check(self, training: Training) -> None:
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

    def _end_task(self) -> None:
        """Cancel what the training does, at once or as soon as it begins."""
        self._is_to_end = True
        if self.training_task is not None:
            self.training_task.cancel()

    def _begin_training_task(self) -> None:
        self._is_over.clear()
        self._is_to_end = False
        loose_tasks.start(self._run(), name="training run")

    async def _run(self) -> None:
        """Take the present training through its steps, to its end or until it is aborted."""
        self._is_over.clear()
        self._steps.forget_failures()
        self.errors.reset_all()
        if notice := await io_bound(self.active_training_io.load_notice):
            self.errors.set(*notice)
        task = self.training_task = loose_tasks.start(self._training_loop(), name="training")
        if self._is_to_end:
            task.cancel()
        try:
            await asyncio.wait([task])
            if task.cancelled() and not self.shutdown_event.is_set():
                await self._discard()
            elif not task.cancelled() and (error := task.exception()) is not None:
                asked_for = isinstance(error, NodeNeedsRestartError)
                self.node.end_process(f"the training needs a new process: {error!r}", status=0 if asked_for else 1)
        finally:
            task.cancel()
            self.training_slot.release()
            self._is_to_end = False
            self._is_over.set()
            self._tell_change()

    async def _training_loop(self) -> None:
        training = self.training
        SLOT_OF_TRAINING.set(self.training_slot)  # in this task, and in those that it starts
        await self._end_left_over()
        self._tell_change()
        if training.training_state != TrainerState.ReadyForCleanup:
            await self.training_slot.wait_for(self._slot_claim(training.context, training.training_number))
        await io_bound(delete_old_trainings, Path(training.project_folder))
        await self._steps.run()

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
