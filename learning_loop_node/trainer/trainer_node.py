"""The trainer node: wiring, nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from functools import cached_property
from typing import Any

from ..api.operation import Operation
from ..client.connection import ConnectionState
from ..data_classes.codec import to_dict
from ..enums import TrainerState
from ..errors import DeadlineError, LoopRefusedError, NodeError
from ..node.node import Node
from ..runtime.periodic import Periodic
from ..runtime.services import Service
from ..runtime.trouble import Trouble
from ..settings import Settings
from .folder_lock import only_process
from .io_helpers import EnvironmentVars
from .log_report import LogReport
from .maintenance import maintenance_operations
from .operations import status_operations, trainer_operations
from .trainer_logic_generic import TrainerLogicGeneric
from .training_slot import FileTrainingSlot
from .training_store import LastTrainingIO

STATUS_INTERVAL_S = 5.0
STATUS_TIMEOUT_S = 30.0


class TrainerNode(Node):
    """Runs the trainings that the loop sends, one at a time, and goes on with one that was interrupted.

    Give it a `TrainerLogic`, or a `TrainerLogicGeneric`. The loop is told every 5 seconds, and at each change, how the
    training stands; a loop that is away does not keep a training from running.
    """

    def __init__(
        self,
        name: str,
        trainer_logic: TrainerLogicGeneric,
        uuid: str | None = None,
        use_backdoor_controls: bool = False,
        *,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(name, uuid=uuid, node_type="trainer", settings=settings)
        self.trainer_logic = trainer_logic
        trainer_logic._node = self
        if settings is not None:
            trainer_logic._environment_vars = EnvironmentVars(settings.trainer)
            if hasattr(trainer_logic, "inference_batch_size"):
                trainer_logic.inference_batch_size = settings.trainer.inference_batch_size
            if settings.trainer.training_slot_lock is not None:
                trainer_logic.training_slot = FileTrainingSlot(settings.trainer.training_slot_lock)
        self.is_heard = False
        """Whether the loop took the last status."""
        self._status_trouble = Trouble(trainer_logic.clock)
        self._status_report = Periodic(
            "status report",
            self.send_status,
            interval_s=STATUS_INTERVAL_S,
            longest_s=STATUS_INTERVAL_S,
            clock=trainer_logic.clock,
        )
        self._log = LogReport(trainer_logic, self.loop_http)
        self._log_report = Periodic(
            "log report", self._send_log, interval_s=STATUS_INTERVAL_S, longest_s=60, clock=trainer_logic.clock
        )
        self._idle_since: float | None = None
        self._add(status_operations(self))
        if use_backdoor_controls or self.settings.node.use_backdoor_controls:
            self._add(maintenance_operations(self))

    @cached_property
    def last_training_io(self) -> LastTrainingIO:
        """The file that carries a training over a restart."""
        return LastTrainingIO(self.uuid, self.settings.node.data_folder)

    def loop_operations(self) -> Iterable[Operation[Any, Any]]:
        return [*super().loop_operations(), *trainer_operations(self)]

    def services(self) -> Iterable[Service]:
        return (*super().services(), self._status_report, self._log_report)

    async def on_repeat(self) -> None:
        """Go on with a training of before, if there is one, or end the process if there was none for too long."""
        await self.trainer_logic.try_continue_run_if_incomplete()
        self.check_idle_timeout()

    async def send_status(self) -> None:
        """Tell the loop how the trainer is; if it does not take that, connect anew."""
        logic = self.trainer_logic
        status = logic.generate_status_for_loop(self.uuid, self.name)
        self.log_status_on_change(str(status.state), status.short_str())
        if self.is_muted or not self.connection.is_connected:
            self.is_heard = False
            return
        try:
            await self.connection.call_checked("update_trainer", to_dict(status), timeout_s=STATUS_TIMEOUT_S)
            self.is_heard = True
            self._status_trouble.ends()
        except NodeError as error:
            self.is_heard = False
            if self._status_trouble.is_news(str(error)):
                self.log.warning("the loop does not take the status: %s", error)
            if isinstance(error, LoopRefusedError | DeadlineError):
                self.connection.give_up()

    def status_changed(self) -> None:
        """Let the loop be told soon."""
        self._status_report.wake()

    def check_idle_timeout(self) -> None:
        """End the process if it has had nothing to do for `TRAINER_IDLE_TIMEOUT_SEC`."""
        limit_s, now = self.settings.trainer.idle_timeout_s, self.trainer_logic.clock.now()
        if not limit_s or self.trainer_logic.state not in (TrainerState.Idle, TrainerState.Blocked):
            self._idle_since = None
            return
        if self._idle_since is None:
            self._idle_since = now
        if now - self._idle_since >= limit_s:
            self.end_process(f"no training for {limit_s:g} s")

    def end_process(self, reason: str, *, status: int = 0) -> None:
        """End the process in order."""
        self.log.info("the process ends: %s", reason)
        self.termination.end(status)

    async def send_rest_of_log(self) -> None:
        """What a training has printed since the last report, before it is over."""
        with suppress(NodeError):
            await self._send_log()

    # --- inside

    async def _open(self, stack: AsyncExitStack) -> None:
        stack.enter_context(only_process(self.settings.node.data_folder, self.name, self.uuid))
        await super()._open(stack)
        logic = self.trainer_logic
        if logic.shutdown_event.is_set():  # this is not the first start of this object
            logic.shutdown_event.clear()
            logic._training = None
        self._idle_since = None

    async def _before_close(self) -> None:
        await self.trainer_logic.on_shutdown()
        await super()._before_close()

    def _on_connection_change(self, state: ConnectionState) -> None:
        super()._on_connection_change(state)
        if state is ConnectionState.CONNECTED:
            self.status_changed()

    async def _send_log(self) -> None:
        if self.connection.is_connected:
            await self._log.send()
