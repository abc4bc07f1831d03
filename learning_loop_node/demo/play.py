"""The demo from beginning to end: a loop, a detector node, three cameras, a new model, a loop that goes away."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..client.detector import DetectorClient, Transport
from ..client.http import LoopHttp
from ..client.loop import LoopClient
from ..data_classes import Category, Context
from ..detector.backends.cascade import VERSION_TAG
from ..enums import Autoupload
from ..errors import ChildFailedError, NodeError
from ..runtime.clock import Clock, SystemClock
from ..runtime.threads import io_bound
from .conveyor import Conveyor, Phase, Send
from .models import CATEGORIES, COARSE, FINE, MODEL_FORMAT, DemoModel, pack
from .photographs import Photograph
from .sighting import Sighting
from .stage import Stage, check_running
from .verdict import Facts, Stored, Verdict, judge

CONTEXT = Context(organization="demo", project="faces")

SWITCH_S = 60.0
DRAIN_S = 90.0
LOOK_EVERY_S = 0.2
DOWNLOADS_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who wants to know how it goes: `on_step` gets what begins now, `on_answer` each photograph that was answered."""

    on_step: Callable[[str], None] = lambda _: None
    on_answer: Callable[[Sighting], None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What came of it. `sightings` are in the order in which the photographs were given."""

    sightings: list[Sighting] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)


class Play:
    """One performance. The programs run as long as the block of `open_play` is open."""

    def __init__(self, stage: Stage, loop: LoopClient, audience: Audience, clock: Clock) -> None:
        self.stage = stage
        self.node = stage.add_node("the detector node", "learning_loop_node.demo.photo_detector")
        self._loop = loop
        self._audience = audience
        self._clock = clock
        self._loop_exit_status: int | None = None

    async def perform(self, photographs: Sequence[Photograph], *, is_shipped: bool) -> Ending:
        """Everything that the demo shows, up to the verdict."""
        say = self._audience.on_step
        say("starting the loop")
        await self.stage.start(self.stage.loop)
        await self._loop.projects.create(CONTEXT, Category.from_list(CATEGORIES))
        await self._deploy(COARSE)
        say("starting the detector node")
        await self.stage.start(self.node)
        url = self.node.url
        async with DetectorClient(url) as rest, DetectorClient(url, transport=Transport.SOCKETIO) as events:
            conveyor = await self._send(photographs, {Transport.REST: rest, Transport.SOCKETIO: events})
            say("waiting until the outbox is empty")
            status = await self._drained(rest)
        say("comparing what was sent with what the loop has")
        stored = await self._stored()
        return self._end(photographs, conveyor, status, stored, is_shipped)

    async def _send(self, photographs: Sequence[Photograph], clients: Mapping[Transport, DetectorClient]) -> Conveyor:
        """Send the photographs while the model is switched and while the loop is stopped and started again."""

        def sender(client: DetectorClient) -> Send:
            return lambda photograph: client.detect(
                photograph.jpeg, camera_id=photograph.camera, source=photograph.name, autoupload=Autoupload.FILTERED
            )

        senders = {transport: sender(client) for transport, client in clients.items()}
        conveyor = Conveyor(photographs, senders, on_answer=self._audience.on_answer, clock=self._clock)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(conveyor.run())
                group.create_task(self._direct(conveyor, clients[Transport.REST]))
        except* NodeError as failures:
            raise failures.exceptions[0] from None
        return conveyor

    async def _direct(self, conveyor: Conveyor, node: DetectorClient) -> None:
        say, stage = self._audience.on_step, self.stage
        say(f"detecting with model {COARSE.version}")
        await conveyor.finish(Phase.FIRST_MODEL)
        say(f"deploying model {FINE.version} while images keep flowing")
        conveyor.begin(Phase.SWITCH)
        await self._deploy(FINE)
        await conveyor.finish(Phase.SWITCH)
        await self._until_node_runs(node, FINE.version)
        say("stopping the loop while images keep flowing")
        self._loop_exit_status = await stage.loop.stop()
        await conveyor.finish(Phase.LOOP_AWAY)
        say("starting the loop again")
        await stage.loop.start()
        await conveyor.finish(Phase.LOOP_BACK)
        await stage.until_ready(stage.loop)

    async def _deploy(self, model: DemoModel) -> None:
        archive = self.stage.folder / f"model-{model.version}.zip"
        await io_bound(archive.write_bytes, await io_bound(pack, model))
        pushed = await self._loop.models.push([archive], MODEL_FORMAT, version=model.version)
        await self._loop.deployment.set(model_uuid=pushed.id)

    async def _until_node_runs(self, node: DetectorClient, version: str) -> None:
        def runs_it(status: Mapping[str, Any]) -> bool:
            return bool(status["model_version"] == version)

        await self._until(node, runs_it, SWITCH_S, f"the node did not switch to model {version}")

    async def _drained(self, node: DetectorClient) -> dict[str, Any]:
        """The node's counts when nothing is on its way any more."""

        def is_done(status: Mapping[str, Any]) -> bool:
            waiting = (status["detection"]["waiting"], status["relevance"]["waiting"], status["outbox"]["items"])
            return waiting == (0, 0, 0)

        return await self._until(node, is_done, DRAIN_S, "the outbox did not become empty")

    async def _until(
        self,
        node: DetectorClient,
        is_done: Callable[[Mapping[str, Any]], bool],
        limit_s: float,
        complaint: str,
    ) -> dict[str, Any]:
        deadline = self._clock.now() + limit_s
        while True:
            check_running(*self.stage.programs)
            status = await node.status()
            if is_done(status):
                return status
            if self._clock.now() > deadline:
                raise ChildFailedError(
                    f"{complaint} within {limit_s:.0f} s; it says {status}, its log ends with\n" + self.node.log_tail()
                )
            await self._clock.sleep(LOOK_EVERY_S)

    async def _stored(self) -> list[Stored]:
        """Everything that lies at the loop, with the hash of what it hands out."""
        few_at_once = asyncio.Semaphore(DOWNLOADS_AT_ONCE)

        async def hash_of(image_id: str) -> str:
            async with few_at_once:
                return hashlib.sha256(await self._loop.images.content(image_id)).hexdigest()

        records = await self._loop.images.list()
        hashes = await asyncio.gather(*(hash_of(record.id) for record in records))
        return [
            Stored(
                id=record.id,
                source=record.source,
                key=record.idempotency_key,
                sha256=sha256,
                causes=tuple(tag for tag in record.tags if not tag.startswith(VERSION_TAG)),
            )
            for record, sha256 in zip(records, hashes, strict=True)
        ]

    def _end(
        self,
        photographs: Sequence[Photograph],
        conveyor: Conveyor,
        status: Mapping[str, Any],
        stored: Sequence[Stored],
        is_shipped: bool,
    ) -> Ending:
        causes = {image.source: image.causes for image in stored}
        for sighting in conveyor.sightings:
            sighting.causes = causes.get(sighting.photograph.name)
        of_phase = {
            phase: [sighting for sighting in conveyor.sightings if conveyor.phase_of[sighting.photograph.name] is phase]
            for phase in Phase
        }
        outbox = status["outbox"]
        facts = Facts(
            sightings=conveyor.sightings,
            stored=stored,
            kept=status["relevance"]["kept"],
            waiting=outbox["items"],
            dropped=sum(outbox["dropped"].values()) + sum(status["relevance"]["dropped"].values()),
            quarantined=outbox["quarantine_items"],
            versions=(COARSE.version, FINE.version),
            sent_during_switch=len(of_phase[Phase.SWITCH]),
            failed_during_switch=sum(sighting.error is not None for sighting in of_phase[Phase.SWITCH]),
            sent_while_loop_was_away=len(of_phase[Phase.LOOP_AWAY]),
            loop_exit_status=self._loop_exit_status,
            is_shipped=is_shipped,
        )
        order = {photograph.name: number for number, photograph in enumerate(photographs)}
        in_order = sorted(conveyor.sightings, key=lambda sighting: order[sighting.photograph.name])
        return Ending(sightings=in_order, verdict=judge(facts))


@asynccontextmanager
async def open_play(audience: Audience, clock: Clock | None = None) -> AsyncIterator[Play]:
    """A stage in a temporary folder, which is removed when the block is left, as are the programs."""
    clock = clock or SystemClock()
    with tempfile.TemporaryDirectory(prefix="learning-loop-demo-", ignore_cleanup_errors=True) as folder:
        async with Stage(Path(folder), CONTEXT, clock) as stage, LoopHttp(stage.loop_settings) as http:
            yield Play(stage, LoopClient(http), audience, clock)
