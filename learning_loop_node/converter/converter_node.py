"""The converter node: wiring, nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from typing import Any

from ..enums import NodeState
from ..errors import LoopUnreachableError, SettingError
from ..node.node import Node
from ..runtime.isolated import pickled
from ..runtime.periodic import Periodic
from ..runtime.services import Service
from ..settings import Settings
from .changes_at_loop import ChangesAtLoop
from .conversions import CLAIM_EVERY_S, Conversions
from .converter_logic import ConverterLogic
from .metrics import converter_metrics
from .models_at_loop import ModelsAtLoop
from .operations import converter_operations
from .work_store import WorkStore

STATUS_EVERY_S = 10.0
STATUS_TIMEOUT_S = 10.0


class ConverterNode(Node):
    """Gives the models of a loop that have one format another one, as its `ConverterLogic` does it.

    It looks at all projects that its login may see or, where `LOOP_ORGANIZATION` or `LOOP_PROJECT` are set, at these
    only. Adding a format to a model takes the role maintainer. `DATA_FOLDER` remembers what it is at.
    """

    def __init__(
        self,
        name: str,
        converter_logic: ConverterLogic | Any,
        uuid: str | None = None,
        *,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(name, uuid=uuid, node_type="converter", settings=settings)
        self.converter_logic = converter_logic
        source, target = converter_logic.source_format, converter_logic.target_format
        if not source or not target or source == target:
            raise SettingError(
                f"{type(converter_logic).__name__} converts from {source!r} to {target!r}; give it two different "
                "formats: super().__init__(source_format, target_format)"
            )
        self.conversions = Conversions(
            logic=converter_logic,
            models=ModelsAtLoop(self.loop_http, source, target),
            store=WorkStore(self.settings.node.data_folder, source, target),
            settings=self.settings.converter,
            node_id=lambda: self.uuid,
            node_name=name,
            is_muted=lambda: self.is_muted,
            on_change=lambda: self._status_report.wake(),
        )
        self._status_report = Periodic(
            "status report", self._send_status, interval_s=STATUS_EVERY_S, longest_s=6 * STATUS_EVERY_S
        )
        self._add(converter_operations(self))
        self.metrics.add(converter_metrics(self))

    def get_status(self) -> dict[str, Any]:
        """What it converts, what it is at, and what failed, for people and for scripts."""
        conversions, logic = self.conversions, self.converter_logic
        current = conversions.current
        return {
            "source_format": logic.source_format,
            "target_format": logic.target_format,
            "converter": conversions.converter,
            "state": self._state.value,
            "current": str(current) if current else None,
            "converted": conversions.converted_count,
            "failed": conversions.failed_count,
            "failures": conversions.failures,
            "problem": conversions.problem,
        }

    def set_skip_repeat_loop(self, value: bool) -> None:
        super().set_skip_repeat_loop(value)
        self.conversions.wake()

    def readiness(self) -> dict[str, str]:
        """A loop without Socket.IO is good enough."""
        return {"loop": self.conversions.problem} if self.conversions.problem else {}

    # --- inside

    def services(self) -> Iterable[Service]:
        return (
            *super().services(),
            self.conversions,
            Periodic("claims", self.conversions.keep_claim, interval_s=CLAIM_EVERY_S, longest_s=CLAIM_EVERY_S),
            ChangesAtLoop(self.loop_http, self.conversions.wake, lambda: self.is_muted),
            self._status_report,
        )

    async def _open(self, stack: AsyncExitStack) -> None:
        pickled(self.converter_logic)  # better now than with the first model

    @property
    def _state(self) -> NodeState:
        return NodeState.Running if self.conversions.current else NodeState.Idle

    async def _send_status(self) -> None:
        if not self.connection.is_connected:
            return
        problem = self.conversions.problem
        status = {
            "id": self.uuid,
            "name": self.name,
            "state": self._state.value,
            "uptime": self.uptime_s,
            "source_format": self.converter_logic.source_format,
            "target_format": self.converter_logic.target_format,
            "errors": self.conversions.failures | ({"loop": problem} if problem else {}),
        }
        with suppress(LoopUnreachableError):  # it was lost meanwhile; its service makes a new one
            await self.connection.call_checked("update_converter", status, timeout_s=STATUS_TIMEOUT_S)
