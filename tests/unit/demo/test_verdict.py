from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("skimage", reason="needs scikit-image (extra [demo])")

from learning_loop_node.client.detector import Transport
from learning_loop_node.demo.photographs import Box, Photograph
from learning_loop_node.demo.sighting import Sighting
from learning_loop_node.demo.verdict import MANY, Facts, Stored, expected_causes, judge
from tests.builders import jpeg, make_box, make_metadata

FACE = Box(0, 0, 100, 100)


def test_everything_adds_up():
    assert [check.claim for check in judge(good()).checks if not check.holds] == []


def lost(facts: Facts) -> Facts:
    return replace(facts, stored=facts.stored[1:])


def twice(facts: Facts) -> Facts:
    return replace(facts, stored=[*facts.stored, replace(facts.stored[0], id="other")])


def twice_under_another_key(facts: Facts) -> Facts:
    return replace(facts, stored=[*facts.stored, replace(facts.stored[0], id="other", key="other")])


def foreign(facts: Facts) -> Facts:
    return replace(facts, stored=[replace(facts.stored[0], source="somebody else's"), *facts.stored[1:]])


def changed(facts: Facts) -> Facts:
    return replace(facts, stored=[replace(facts.stored[0], sha256="0" * 64), *facts.stored[1:]])


def other_cause(facts: Facts) -> Facts:
    return replace(facts, stored=[replace(facts.stored[0], causes=("crowded",)), *facts.stored[1:]])


def unanswered(facts: Facts) -> Facts:
    facts.sightings[0].answer = None
    return facts


def one_model(facts: Facts) -> Facts:
    for sighting in facts.sightings:
        assert sighting.answer is not None
        sighting.answer.tags = ["model-1.0"]
    return facts


def one_transport(facts: Facts) -> Facts:
    for sighting in facts.sightings:
        sighting.transport = Transport.REST
    return facts


def none_empty(facts: Facts) -> Facts:
    for sighting in facts.sightings:
        if sighting.is_empty and sighting.answer is not None:
            sighting.answer.box_detections = [make_box()]
    return facts


@pytest.mark.parametrize(
    ("spoil", "claim"),
    [
        pytest.param(lost, "exactly once", id="an image is missing at the loop"),
        pytest.param(twice, "exactly once", id="an image lies there twice"),
        pytest.param(twice_under_another_key, "exactly once", id="twice under different keys"),
        pytest.param(foreign, "exactly once", id="an image of somebody else"),
        pytest.param(changed, "byte for byte", id="other content"),
        pytest.param(other_cause, "relevance rules", id="other cause"),
        pytest.param(unanswered, "was answered", id="no answer"),
        pytest.param(one_model, "both models", id="the model was never switched"),
        pytest.param(one_transport, "half of them", id="one transport only"),
        pytest.param(none_empty, "some empty", id="no empty photograph"),
        pytest.param(lambda facts: replace(facts, waiting=1), "nothing waits", id="outbox not empty"),
        pytest.param(lambda facts: replace(facts, dropped=1), "nothing waits", id="dropped"),
        pytest.param(lambda facts: replace(facts, quarantined=1), "nothing waits", id="quarantined"),
        pytest.param(lambda facts: replace(facts, failed_during_switch=1), "was switched", id="failed in the switch"),
        pytest.param(lambda facts: replace(facts, sent_while_loop_was_away=0), "was away", id="silence"),
        pytest.param(lambda facts: replace(facts, loop_exit_status=-9), "ended in order", id="the loop was killed"),
    ],
)
def test_what_does_not_add_up(spoil, claim):
    verdict = judge(spoil(good()))
    assert not verdict.adds_up
    assert any(claim in check.claim for check in verdict.checks if not check.holds)


def test_own_pictures_need_not_be_of_every_kind():
    assert judge(replace(none_empty(good()), is_shipped=False)).adds_up


def test_missed_faces_are_counted_per_model():
    """The photograph without a box is of the first model, as are three with one."""
    assert judge(good()).notes == ["model 1.0 missed 1 of 4 known faces", "model 1.1 missed 0 of 4 known faces"]


def test_nothing_is_said_of_faces_that_nobody_knows():
    sightings = [
        replace(sighting, photograph=replace(sighting.photograph, faces=None)) for sighting in good().sightings
    ]
    assert judge(replace(good(), sightings=sightings)).notes == []


def test_nothing_sent_is_no_success():
    assert not judge(replace(good(), sightings=[], stored=[], kept=0, is_shipped=False)).adds_up


def test_expected_causes_know_what_a_camera_has_seen():
    sightings = [sighting(number, confidence=0.5, camera=camera) for number, camera in enumerate("aab")]
    assert expected_causes(sightings) == {"0": ["uncertain"], "2": ["uncertain"]}


def good() -> Facts:
    """Two cameras, confident ones, two uncertain ones that were kept, an empty one."""
    confidences = [0.9, 0.5, None, 0.9, 0.5, 0.9, 0.9, 0.9]
    assert len(confidences) == MANY
    sightings = [
        sighting(number, confidence=confidence, version="1.0" if number < 4 else "1.1", camera=f"camera-{number}")
        for number, confidence in enumerate(confidences)
    ]
    return Facts(
        sightings=sightings,
        stored=[stored(sightings[1]), stored(sightings[4])],
        kept=2,
        waiting=0,
        dropped=0,
        quarantined=0,
        versions=("1.0", "1.1"),
        failed_during_switch=0,
        sent_during_switch=3,
        sent_while_loop_was_away=2,
        loop_exit_status=0,
        is_shipped=True,
    )


def sighting(number: int, *, confidence: float | None, version: str = "1.0", camera: str = "camera") -> Sighting:
    boxes = [] if confidence is None else [make_box(confidence=confidence, width=80, height=80)]
    return Sighting(
        photograph=Photograph(str(number), camera, jpeg(seed=number), (FACE,)),
        transport=list(Transport)[number % 2],
        answer=make_metadata(box_detections=boxes, tags=[f"model-{version}"]),
    )


def stored(kept: Sighting) -> Stored:
    name = kept.photograph.name
    return Stored(f"id-{name}", name, f"key-{name}", kept.photograph.sha256, ("uncertain",))
