"""Shows the loop what a training prints."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ..client.failures import status_of_refusal
from ..client.http import LoopHttp
from ..client.place import Place
from ..data_classes import Training
from ..errors import NodeError
from ..runtime.threads import io_bound
from .try_marks import MarkedLog

if TYPE_CHECKING:
    from .trainer_logic_generic import TrainerLogicGeneric

logger = logging.getLogger(__name__)

LONGEST_TAIL_BYTES = 60_000
TIMEOUT_S = 5.0
TRY_LATER = (401, 408, 425, 429)


class LogReport:
    """Sends the end of the log whenever it has changed. A loop that does not take it is left alone in this training."""

    def __init__(self, logic: TrainerLogicGeneric, http: LoopHttp) -> None:
        self._logic = logic
        self._http = http
        self._sent: tuple[str, int] | None = None  # the training, and the size of its log
        self._refused_for: str | None = None
        self._one_at_a_time = asyncio.Lock()

    async def send(self) -> None:
        """Send what is new. Raises a `LoopError` if that may work later."""
        async with self._one_at_a_time:
            await self._send()

    async def _send(self) -> None:
        training = self._logic._training
        if training is None or training.id == self._refused_for:
            return
        size_bytes, tail = await io_bound(_read, training.training_folder_path)
        if size_bytes == 0 or self._sent == (training.id, size_bytes):
            return
        try:
            path = Place(self._http, training.context).path(f"/trainings/{training.training_number}/log")
            await self._http.json("POST", path, json={"text": tail, "size_bytes": size_bytes}, timeout_s=TIMEOUT_S)
            self._sent = (training.id, size_bytes)
        except NodeError as error:
            self._note(error, training)

    def _note(self, error: NodeError, training: Training) -> None:
        status = status_of_refusal(error)
        if status is None or status >= 500 or status in TRY_LATER:
            raise error
        logger.info("the loop does not take the log of this training: %s", error)
        self._refused_for = training.id


def _read(training_folder: Path) -> tuple[int, str]:
    return MarkedLog(training_folder).tail(LONGEST_TAIL_BYTES)
