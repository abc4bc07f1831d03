from __future__ import annotations

import asyncio
from collections import Counter

import pytest

pytest.importorskip("skimage", reason="needs scikit-image (extra [demo])")

from learning_loop_node.client.detector import Transport
from learning_loop_node.data_classes import ImageMetadata
from learning_loop_node.demo.conveyor import Conveyor, Phase, phases_of
from learning_loop_node.demo.photographs import Photograph
from learning_loop_node.errors import DetectionFailedError
from tests.builders import make_metadata
from tests.clock import ManualClock


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        pytest.param(0, [0, 0, 0, 0], id="none"),
        pytest.param(1, [1, 0, 0, 0], id="one"),
        pytest.param(8, [2, 3, 1, 2], id="few"),
        pytest.param(72, [18, 29, 11, 14], id="all"),
    ],
)
def test_phases(count: int, expected: list[int]):
    phases = phases_of(count)
    assert phases == sorted(phases)
    assert [phases.count(phase) for phase in Phase] == expected


async def test_every_photograph_is_sent_once_and_in_the_order_of_its_camera():
    conveyor, node = make()
    await run(conveyor)
    assert sorted(node.seen) == sorted(photograph.name for photograph in PHOTOGRAPHS)
    for camera in "abc":
        of_camera = [name for name in node.seen if name.startswith(camera)]
        assert of_camera == sorted(of_camera)
    assert Counter(sighting.transport for sighting in conveyor.sightings) == dict.fromkeys(Transport, 12)


async def test_a_phase_waits_until_it_is_begun():
    conveyor, node = make()
    async with asyncio.TaskGroup() as group:
        group.create_task(conveyor.run())
        await conveyor.finish(Phase.FIRST_MODEL)
        assert len(node.seen) == conveyor_count(conveyor, Phase.FIRST_MODEL)
        await conveyor.finish(Phase.SWITCH)
        await conveyor.finish(Phase.LOOP_AWAY)
        await conveyor.finish(Phase.LOOP_BACK)
    assert len(node.seen) == 24


async def test_photographs_are_sent_slowly_until_the_new_model_answers():
    clock = ManualClock()
    conveyor, node = make(clock)
    node.switch_after = 10
    await run(conveyor)
    assert conveyor.new_model_answers.is_set()
    assert 0 < len(clock.waits) < conveyor_count(conveyor, Phase.SWITCH)


async def test_a_failed_request_is_noted():
    conveyor, node = make()
    node.fails_on = "b3"
    await run(conveyor)
    [failed] = [sighting for sighting in conveyor.sightings if sighting.error]
    assert failed.photograph.name == "b3"
    assert failed.answer is None
    assert len(conveyor.sightings) == 24


async def run(conveyor: Conveyor) -> None:
    for phase in Phase:
        conveyor.begin(phase)
    await conveyor.run()


PHOTOGRAPHS = [Photograph(f"{camera}{number}", camera, b"", None) for number in range(8) for camera in "abc"]


class Node:
    """Answers with a model version that changes at some time."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.switch_after = 1000
        self.fails_on: str | None = None

    async def detect(self, photograph: Photograph) -> ImageMetadata:
        await asyncio.sleep(0)
        self.seen.append(photograph.name)
        if photograph.name == self.fails_on:
            raise DetectionFailedError
        return make_metadata(tags=["model-1.0" if len(self.seen) <= self.switch_after else "model-1.1"])


def make(clock: ManualClock | None = None) -> tuple[Conveyor, Node]:
    node = Node()
    senders = dict.fromkeys(Transport, node.detect)
    return Conveyor(PHOTOGRAPHS, senders, on_answer=lambda _: None, clock=clock or ManualClock()), node


def conveyor_count(conveyor: Conveyor, phase: Phase) -> int:
    return list(conveyor.phase_of.values()).count(phase)
