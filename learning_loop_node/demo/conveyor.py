"""Brings the photographs to the node: each camera one after the other, all cameras at once, over both transports."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import IntEnum, auto

from ..client.detector import Transport
from ..data_classes import ImageMetadata
from ..errors import NodeError
from ..runtime.clock import Clock, SystemClock
from .photographs import Photograph
from .sighting import Sighting

Send = Callable[[Photograph], Awaitable[ImageMetadata]]

PACE_S = 0.7
"""Between two photographs of a camera while the model is switched, so that some come before, during and after."""


class Phase(IntEnum):
    """What happens meanwhile at the loop."""

    FIRST_MODEL = auto()
    SWITCH = auto()
    LOOP_AWAY = auto()
    LOOP_BACK = auto()


SHARES = {Phase.FIRST_MODEL: 0.25, Phase.SWITCH: 0.4, Phase.LOOP_AWAY: 0.15, Phase.LOOP_BACK: 0.2}
"""Which part of the photographs belongs to each phase."""


class Conveyor:
    """Sends every photograph once, alternately over REST and Socket.IO, when its phase has begun.

    Photographs of one camera are sent in their order, each when the one before was answered, as a camera does.
    """

    def __init__(
        self,
        photographs: Sequence[Photograph],
        senders: Mapping[Transport, Send],
        *,
        on_answer: Callable[[Sighting], None],
        clock: Clock | None = None,
    ) -> None:
        self.sightings: list[Sighting] = []
        """In the order of the answers."""
        self.new_model_answers = asyncio.Event()
        """Set when another model than that of the first answer has answered."""
        self._versions: set[str] = set()
        self._senders = senders
        self._on_answer = on_answer
        self._clock = clock or SystemClock()
        self._begun = {phase: asyncio.Event() for phase in Phase}
        self._phases = phases_of(len(photographs))
        self._left = {phase: self._phases.count(phase) for phase in Phase}
        self._finished = {phase: asyncio.Event() for phase in Phase}
        self._cameras: dict[str, list[tuple[Phase, Transport, Photograph]]] = {}
        transports = list(Transport)
        for number, (photograph, phase) in enumerate(zip(photographs, self._phases, strict=True)):
            belt = self._cameras.setdefault(photograph.camera, [])
            belt.append((phase, transports[number % len(transports)], photograph))
        self.phase_of = {photograph.name: phase for photograph, phase in zip(photographs, self._phases, strict=True)}
        for phase, left in self._left.items():
            if not left:
                self._finished[phase].set()

    async def run(self) -> None:
        """Send everything; returns when the last photograph was answered."""
        await asyncio.gather(*(self._run_camera(belt) for belt in self._cameras.values()))

    def begin(self, phase: Phase) -> None:
        """Let the photographs of this phase pass."""
        self._begun[phase].set()

    async def finish(self, phase: Phase) -> None:
        """Let them pass and wait until all of them were answered."""
        self.begin(phase)
        await self._finished[phase].wait()

    async def _run_camera(self, belt: Sequence[tuple[Phase, Transport, Photograph]]) -> None:
        for phase, transport, photograph in belt:
            await self._begun[phase].wait()
            sighting = await self._send(photograph, transport)
            self._take_note(sighting)
            self._left[phase] -= 1
            if not self._left[phase]:
                self._finished[phase].set()
            if phase is Phase.SWITCH and not self.new_model_answers.is_set():
                await self._clock.sleep(PACE_S)

    async def _send(self, photograph: Photograph, transport: Transport) -> Sighting:
        try:
            answer = await self._senders[transport](photograph)
        except NodeError as error:
            return Sighting(photograph=photograph, transport=transport, error=str(error))
        return Sighting(photograph=photograph, transport=transport, answer=answer)

    def _take_note(self, sighting: Sighting) -> None:
        self.sightings.append(sighting)
        if sighting.model_version is not None:
            self._versions.add(sighting.model_version)
            if len(self._versions) > 1:
                self.new_model_answers.set()
        self._on_answer(sighting)


def phases_of(count: int) -> list[Phase]:
    """The phase of each of this many photographs, in their order; the first phase always has one."""
    phases: list[Phase] = []
    for number in range(count):
        share, passed = (number + 0.5) / count, 0.0
        for phase in Phase:
            passed += SHARES[phase]
            if share < passed or phase is Phase.LOOP_BACK:
                phases.append(phase)
                break
    if phases:
        phases[0] = Phase.FIRST_MODEL
    return phases
