"""Whether everything adds up: what was sent, what was kept, and what arrived at the loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..client.detector import Transport
from ..detector.relevance.filter import RelevanceFilter
from ..settings import DetectorSettings
from .sighting import TRANSPORT_NAMES, Judgement, Sighting

MANY = 8
"""With fewer photographs, not every phase of the demo has one, nor is there one of every kind."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An image as it lies at the loop. `sha256` is that of the bytes which the loop hands out."""

    id: str
    source: str | None
    key: str | None
    sha256: str
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the demo saw. `counts` is what the node answers to `GET /status` in the end, `stored` all the loop has.

    `is_shipped`: the photographs are the demo's own, so that a confident, an uncertain and an empty one must be there.
    """

    sightings: Sequence[Sighting]
    stored: Sequence[Stored]
    kept: int
    waiting: int
    dropped: int
    quarantined: int
    versions: tuple[str, str]
    failed_during_switch: int
    sent_during_switch: int
    sent_while_loop_was_away: int
    loop_exit_status: int | None
    is_shipped: bool


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold, in words and with the numbers."""

    claim: str
    numbers: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks together, and notes on what is worth knowing but neither right nor wrong."""

    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def adds_up(self) -> bool:
        return all(check.holds for check in self.checks)


def judge(facts: Facts) -> Verdict:
    """Compare what the demo sent with what the node says and what the loop has."""
    checks = [*_detection_checks(facts), *_storage_checks(facts), *_variety_checks(facts)]
    return Verdict(checks, _notes_on_models(facts))


def expected_causes(sightings: Sequence[Sighting]) -> dict[str, list[str]]:
    """The photographs that should have been kept, by name, with the causes; worked out from the answers alone.

    Sightings of one camera must be in the order in which they were answered.
    """
    relevance = RelevanceFilter(settings=DetectorSettings())
    expected: dict[str, list[str]] = {}
    for sighting in sightings:
        if sighting.answer is None:
            continue
        causes = relevance.causes(sighting.answer, sighting.photograph.camera)
        if causes:
            expected[sighting.photograph.name] = causes
    return expected


def _detection_checks(facts: Facts) -> list[Check]:
    sent, detected = len(facts.sightings), sum(sighting.answer is not None for sighting in facts.sightings)
    by_transport = Counter(sighting.transport for sighting in facts.sightings)
    by_version = Counter(sighting.model_version for sighting in facts.sightings if sighting.answer is not None)
    return [
        Check("every photograph sent was answered", f"{sent} sent = {detected} detected", sent == detected > 0),
        Check(
            "half of them over REST, half over Socket.IO",
            " + ".join(f"{by_transport[transport]} {name}" for transport, name in TRANSPORT_NAMES.items()),
            abs(by_transport[Transport.REST] - by_transport[Transport.SOCKETIO]) <= 1,
        ),
        Check(
            "both models answered, and nobody else",
            ", ".join(f"{count} by {version}" for version, count in sorted(by_version.items(), key=str)),
            set(by_version) == set(facts.versions) if sent >= MANY else set(by_version) <= set(facts.versions),
        ),
        Check(
            "no request failed while the model was switched",
            f"{facts.failed_during_switch} of {facts.sent_during_switch} failed",
            facts.failed_during_switch == 0,
        ),
    ]


def _storage_checks(facts: Facts) -> list[Check]:
    expected = expected_causes(facts.sightings)
    names = Counter(image.source for image in facts.stored)
    keys = {image.key for image in facts.stored if image.key}
    photographs = {sighting.photograph.name: sighting.photograph for sighting in facts.sightings}
    is_same = [
        image.source in photographs and image.sha256 == photographs[image.source].sha256 for image in facts.stored
    ]
    has_causes = [sorted(image.causes) == sorted(expected.get(image.source or "", [])) for image in facts.stored]
    return [
        Check(
            "kept are those that the relevance rules name, worked out again from the answers",
            f"{facts.kept} kept = {len(expected)} expected",
            facts.kept == len(expected) and all(has_causes),
        ),
        Check(
            "kept is what lies at the loop, each exactly once",
            f"{facts.kept} kept = {len(facts.stored)} at the loop = {len(names)} photographs = {len(keys)} keys",
            facts.kept == len(facts.stored) == len(names) == len(keys) and set(names) == set(expected),
        ),
        Check(
            "the loop hands them out byte for byte as they were sent",
            f"{sum(is_same)} of {len(is_same)} equal",
            all(is_same),
        ),
        Check(
            "nothing waits in the outbox, nothing was dropped or put into quarantine",
            f"{facts.waiting} waiting, {facts.dropped} dropped, {facts.quarantined} in quarantine",
            facts.waiting == facts.dropped == facts.quarantined == 0,
        ),
        Check(
            "detection went on while the loop was away",
            f"{facts.sent_while_loop_was_away} answered meanwhile",
            facts.sent_while_loop_was_away > 0 or len(facts.sightings) < MANY,
        ),
        Check(
            "the loop ended in order when it was told to",
            f"exit status {facts.loop_exit_status}",
            facts.loop_exit_status == 0,
        ),
    ]


def _variety_checks(facts: Facts) -> list[Check]:
    if not facts.is_shipped or len(facts.sightings) < MANY:
        return []
    confident = sum(Judgement.CONFIDENT in sighting.judgements for sighting in facts.sightings)
    uncertain = sum(Judgement.UNCERTAIN in sighting.judgements for sighting in facts.sightings)
    empty = sum(sighting.is_empty for sighting in facts.sightings)
    return [
        Check(
            "some photographs are confident, some uncertain, some empty",
            f"{confident} confident, {uncertain} uncertain, {empty} empty (one may count twice)",
            min(confident, uncertain, empty) > 0,
        )
    ]


def _notes_on_models(facts: Facts) -> list[str]:
    """How many faces each model missed; nothing about photographs whose faces nobody knows."""
    notes = []
    for version in facts.versions:
        of_model = [sighting for sighting in facts.sightings if sighting.model_version == version]
        known = sum(len(sighting.photograph.faces or ()) for sighting in of_model)
        if known:
            missed = sum(len(sighting.missed) for sighting in of_model)
            notes.append(f"model {version} missed {missed} of {known} known faces")
    return notes
