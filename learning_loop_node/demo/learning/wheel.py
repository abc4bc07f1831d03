"""One turn of the wheel: train, deploy, meet new images, keep the doubtful ones, label them, train again."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...client.annotations import GEOMETRY, NewAnnotation
from ...client.deployment import DeployRule
from ...client.detector import DetectorClient
from ...client.http import LoopHttp
from ...client.images import ImageChange, ImageRecord, NewImage
from ...client.loop import LoopClient
from ...client.trainings import NewTraining, TrainingEntry, TrainingMetric
from ...data_classes import Context
from ...enums import Autoupload, TrainingState
from ...errors import ChildFailedError
from ...runtime.clock import Clock, SystemClock
from ...runtime.threads import io_bound
from ...trainer.backends.torch_detection.logic import ARCHITECTURE, require_libraries
from ..stage import Stage, check_running
from .choice import choose
from .plan import LearningPlan
from .score import Score, score_model
from .world import Shot, World

CONTEXT = Context(organization="demo", project="scenes")
MODEL_FORMAT = "onnx"

LOOK_EVERY_S = 0.3
TRAINER_S = 60.0
SWITCH_S = 60.0
DRAIN_S = 120.0
AT_ONCE = 4
"""So many images the detector is sent at a time."""

LABELLED_AT_ONCE = 500
"""So many annotations one request makes; a loop takes a thousand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Who wants to know: `on_step` gets what begins now, `on_progress` how far it is (0 to 1), `on_note` a result."""

    on_step: Callable[[str], None] = lambda _: None
    on_progress: Callable[[float | None], None] = lambda _: None
    on_note: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A training, the model that came out of it, and what that is worth on the images that were held out."""

    training: TrainingEntry
    metrics: Sequence[TrainingMetric]
    version: str
    labelled: int
    seconds: float
    score: Score
    decision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What came of one turn.

    `met` images were sent to the detector, `kept` of them arrived at the loop, and `chosen` of these were labelled.
    `deployed` is the model that the loop wants to run in the end, `answered` the one that answers.
    """

    plan: LearningPlan
    lessons: tuple[Lesson, Lesson]
    met: int
    kept: int
    chosen: int
    causes: dict[str, int]
    deployed: str
    answered: str
    seconds: float

    @property
    def is_better(self) -> bool:
        """Whether the second model is better than the first on the images that were held out."""
        first, second = self.lessons
        return second.score.map50 > first.score.map50


class Wheel:
    """Turns once. The programs run as long as the block of `open_wheel` is open."""

    def __init__(self, stage: Stage, loop: LoopClient, world: World, audience: Audience, clock: Clock) -> None:
        self.stage = stage
        self.trainer = stage.add_node(
            "the trainer", "learning_loop_node.trainer.backends.torch_detection", ready_path="/healthz"
        )
        self.detector = stage.add_node("the detector", "learning_loop_node", ["detector"])
        self.world = world
        self._loop = loop
        self._audience = audience
        self._clock = clock
        self._chosen: list[ImageRecord] = []

    async def turn(self, plan: LearningPlan) -> Turn:
        """Everything that the demo shows, up to what both models are worth."""
        begun, say = self._clock.now(), self._audience.on_step
        say("starting the loop")
        await self.stage.start(self.stage.loop)
        await self._loop.projects.create(CONTEXT, self.world.categories)
        await self._loop.deployment.set_rule(DeployRule(automatic=True))
        say("starting trainer and detector")
        await self.detector.start()
        await self.stage.start(self.trainer)
        say(f"drawing and labelling {plan.first} images to begin with, and {plan.test} to test with")
        await self._add_labelled(await io_bound(lambda: self.world.first), "train")
        await self._add_labelled(await io_bound(lambda: self.world.test), "test")
        first = await self._learn(plan, plan.first_parameters, labelled=plan.first, base=None)
        if await self._deployed() != first.version:
            raise ChildFailedError(f"the loop does not want model {first.version} to be used: {first.decision}")
        await self._until_detector_runs(first.version)
        kept = await self._meet(first.version)
        self._chosen = chosen = choose(kept, plan.budget)
        say(f"labelling {len(chosen)} of the {len(kept)} images that the detector kept")
        await self._label(chosen)
        second = await self._learn(plan, plan.second_parameters, labelled=plan.first + len(chosen), base=first.version)
        deployed = await self._deployed()
        await self._until_detector_runs(deployed)
        return Turn(
            plan=plan,
            lessons=(first, second),
            met=plan.met,
            kept=len(kept),
            chosen=len(chosen),
            causes=_causes_of(kept),
            deployed=deployed,
            answered=await self._answering_version(),
            seconds=self._clock.now() - begun,
        )

    async def learn_by_chance(self, turn: Turn) -> Lesson:
        """The second training of a turn once more, with as many images that chance has chosen among those met.

        What it comes to beside the second model is what choosing was worth.
        """
        plan = turn.plan
        self._audience.on_step(f"labelling {turn.chosen} images by chance instead")
        await self._put_away_chosen()
        places = np.random.default_rng(plan.seed).permutation(len(self.world.met))[: turn.chosen]
        await self._add_labelled([self.world.met[place] for place in places.tolist()], "train")
        return await self._learn(
            plan, plan.second_parameters, labelled=plan.first + turn.chosen, base=turn.lessons[0].version
        )

    async def learn_without_new(self, turn: Turn) -> Lesson:
        """The second training of a turn once more, without new images, and with as many steps.

        What it comes to beside the second model is what the new images were worth.
        """
        plan = turn.plan
        await self._put_away_chosen()
        epochs = round(plan.second_parameters["epochs"] * (plan.first + turn.chosen) / plan.first)
        parameters = plan.second_parameters | {"epochs": epochs}
        return await self._learn(plan, parameters, labelled=plan.first, base=turn.lessons[0].version)

    async def _put_away_chosen(self) -> None:
        """Let the chosen images not be trained with."""
        records = await self._loop.images.get_many([record.id for record in self._chosen])
        await self._loop.images.change(
            [ImageChange(id=record.id, version=record.version or 0, state="review") for record in records]
        )

    # --- trainings

    async def _learn(
        self, plan: LearningPlan, parameters: dict[str, Any], *, labelled: int, base: str | None
    ) -> Lesson:
        begun = self._clock.now()
        entry = await self._loop.trainings.start(
            NewTraining(
                model_variant=plan.variant,
                architecture=ARCHITECTURE,
                base_model=base,
                hyperparameters={"seed": plan.seed, **parameters},
            )
        )
        model = f"going on from model {base}" if base is not None else "from nothing"
        self._audience.on_step(f"training {entry.number} with {labelled} labelled images, {model}")
        ended = await self._trained(entry.number)
        if ended.state != TrainingState.Finished or ended.model is None or ended.model.version is None:
            log = await self._loop.trainings.log(entry.number)
            raise ChildFailedError(f"training {entry.number} {ended.state}: {ended.error}\n{log.text[-4000:]}")
        version, seconds = ended.model.version, self._clock.now() - begun
        self._audience.on_step(f"judging model {version} on {plan.held_out} images that the loop has never seen")
        held_out = await io_bound(lambda: self.world.held_out)
        score = await self._score(ended.model.id, held_out)
        decision = (await self._loop.models.get(version)).deployment_decision or ""
        self._audience.on_note(
            f"model {version}: {labelled} labelled images, {seconds:.0f} s, "
            f"held-out mAP50 {score.map50:.3f}; {decision}"
        )
        return Lesson(
            training=ended,
            metrics=await self._loop.trainings.metrics(entry.number),
            version=version,
            labelled=labelled,
            seconds=seconds,
            score=score,
            decision=decision,
        )

    async def _trained(self, number: int) -> TrainingEntry:
        while True:
            check_running(*self.stage.programs)
            entry = await self._loop.trainings.get(number)
            self._audience.on_progress(entry.progress)
            if entry.ended is not None:
                return entry
            await self._clock.sleep(LOOK_EVERY_S)

    async def _score(self, model_id: str, shots: Sequence[Shot]) -> Score:
        archive = self.stage.folder / f"{model_id}.zip"
        await self._loop.models.download(model_id, MODEL_FORMAT, archive)
        return await io_bound(score_model, archive, shots, self.world.categories)

    # --- images

    async def _add_labelled(self, shots: Sequence[Shot], image_set: str) -> None:
        await self._loop.images.upload(
            NewImage(
                content=shot.jpeg,
                metadata={"source": shot.name, "state": "complete", "set": image_set}
                | {f"{kind}_annotations": entries for kind, entries in shot.labels().items()},
            )
            for shot in shots
        )

    async def _meet(self, version: str) -> list[ImageRecord]:
        """Let the detector look at new images; those that it kept, as they arrived at the loop."""
        shots = await io_bound(lambda: self.world.met)
        self._audience.on_step(f"model {version} meets {len(shots)} new images")
        few, done = asyncio.Semaphore(AT_ONCE), 0

        async with DetectorClient(self.detector.url) as node:

            async def show(shot: Shot) -> None:
                nonlocal done
                async with few:
                    await node.detect(
                        shot.jpeg, camera_id=shot.camera, source=shot.name, autoupload=Autoupload.FILTERED
                    )
                done += 1
                self._audience.on_progress(done / len(shots))

            await asyncio.gather(*map(show, shots))
            self._audience.on_step("waiting until what was kept is at the loop")
            await self._until(node.status, _is_drained, DRAIN_S, "the outbox did not become empty")
        names = {shot.name for shot in shots}
        return [record for record in await self._loop.images.list() if record.source in names]

    async def _label(self, records: Sequence[ImageRecord]) -> None:
        """What a human would do: annotate what is there, and say that nothing is missing."""
        shots = {shot.name: shot for shot in self.world.met}
        await self._loop.images.change(
            [ImageChange(id=record.id, version=record.version or 0, set="train") for record in records]
        )
        annotations = [
            NewAnnotation(
                image_id=record.id,
                category_id=label["category_id"],
                geometry={name: label[name] for name in GEOMETRY if name in label},
            )
            for record in records
            for labels in shots[record.source or ""].labels().values()
            for label in labels
        ]
        for begin in range(0, len(annotations), LABELLED_AT_ONCE):
            await self._loop.annotations.apply(create=annotations[begin : begin + LABELLED_AT_ONCE])
        labelled = await self._loop.images.get_many([record.id for record in records])
        await self._loop.images.change(
            [ImageChange(id=record.id, version=record.version or 0, state="complete") for record in labelled]
        )

    # --- the detector

    async def _until_detector_runs(self, version: str) -> None:
        self._audience.on_step(f"waiting until the detector runs model {version}")
        await self.stage.until_ready(self.detector)
        async with DetectorClient(self.detector.url) as node:
            await self._until(
                node.status,
                lambda status: bool(status["model_version"] == version),
                SWITCH_S,
                f"the detector did not switch to model {version}",
            )

    async def _deployed(self) -> str:
        """The model that the loop wants to be used; empty if there is none."""
        target = await self._loop.deployment.target()
        return target.version if target is not None else ""

    async def _answering_version(self) -> str:
        """The model that answers now, by its own word."""
        async with DetectorClient(self.detector.url) as node:
            for shot in self.world.held_out:
                answer = await node.detect(shot.jpeg, autoupload=Autoupload.DISABLED)
                names = [box.model_name for box in answer.box_detections]
                names += [point.model_name for point in answer.point_detections]
                if names:
                    return names[0]
        return ""

    async def _until(
        self,
        look: Callable[[], Awaitable[dict[str, Any]]],
        is_done: Callable[[dict[str, Any]], bool],
        limit_s: float,
        complaint: str,
    ) -> None:
        deadline = self._clock.now() + limit_s
        while not is_done(status := await look()):
            check_running(*self.stage.programs)
            if self._clock.now() > deadline:
                raise ChildFailedError(
                    f"{complaint} within {limit_s:.0f} s; it says {status}, its log ends with\n"
                    + self.detector.log_tail()
                )
            await self._clock.sleep(LOOK_EVERY_S)


def _is_drained(status: dict[str, Any]) -> bool:
    waiting = (status["detection"]["waiting"], status["relevance"]["waiting"], status["outbox"]["items"])
    return waiting == (0, 0, 0)


def _causes_of(records: Sequence[ImageRecord]) -> dict[str, int]:
    """How many images were kept for which cause."""
    causes: dict[str, int] = {}
    for record in records:
        for tag in record.tags:
            causes[tag] = causes.get(tag, 0) + 1
    return causes


@asynccontextmanager
async def open_wheel(plan: LearningPlan, audience: Audience, clock: Clock | None = None) -> AsyncIterator[Wheel]:
    """A stage in a temporary folder, which is removed when the block is left, as are the programs.

    `MissingExtraError` at once if something is not installed that the programs need.
    """
    require_libraries()
    clock = clock or SystemClock()
    with tempfile.TemporaryDirectory(prefix="learning-loop-demo-", ignore_cleanup_errors=True) as folder:
        async with Stage(Path(folder), CONTEXT, clock) as stage, LoopHttp(stage.loop_settings) as http:
            yield Wheel(stage, LoopClient(http), World(plan), audience, clock)
