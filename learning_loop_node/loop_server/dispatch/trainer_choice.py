"""Which of the connected trainers may take a training, and why the others do not: the only place that decides it."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from ...enums import TrainerState
from ..access.rights import Right
from ..nodes import ConnectedNode, NodeKind

if TYPE_CHECKING:
    from ..storage.tables import ProjectRow, TrainingRow

FREE = (TrainerState.Idle, TrainerState.Blocked)
"""States of a trainer that has no training."""

TRAINERS = (NodeKind.TRAINER, NodeKind.LEGACY)
"""A node of 0.3.2 that says how it is as a trainer is one."""

MOST_NAMED = 5
"""So many trainers are named in a sentence."""


class Lack(IntEnum):
    """What keeps a trainer from a training; the last ones pass by themselves."""

    LOGIN = 1
    NAME = 2
    LEGACY = 3
    ARCHITECTURE = 4
    VARIANT = 5
    TIME = 6


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a trainer does not take a training; `text` is a sentence for people."""

    lack: Lack
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A trainer that is connected, and what the loop knows of its present work.

    `occupation` says what a trainer is busy with that the loop has given something to do; `pause_s` is how long it is
    not asked again, since it has refused this training.
    """

    node: ConnectedNode
    occupation: str | None = None
    pause_s: float = 0.0

    @property
    def name(self) -> str:
        return self.node.name or self.node.id or "without a name"


def may_train(node: ConnectedNode, project: ProjectRow) -> bool:
    """Whether the login of a trainer is good for what it does in a project: it adds a model."""
    return node.caller.may(Right.MANAGE, project.organization, project.name)


def obstacle(candidate: Candidate, training: TrainingRow, project: ProjectRow) -> Obstacle | None:
    """Why a trainer does not take a training now, None if it does."""
    node, name = candidate.node, f"trainer {candidate.name}"
    if not may_train(node, project):
        return Obstacle(Lack.LOGIN, f"the login of {name} may not manage this project")
    if training.wanted_trainer not in (None, node.id):
        return Obstacle(Lack.NAME, f"{name} is another than the one that is wanted")
    if node.kind is NodeKind.LEGACY and (training.wanted_trainer is None or training.base_model_id is None):
        # it knows neither architecture nor variants, and always goes on from a model
        return Obstacle(
            Lack.LEGACY, f"{name} is one of 0.3.2, which is given a training that names it and a base model"
        )
    architecture = node.status.get("architecture")
    if training.architecture not in (None, architecture):
        told = f"has the architecture {architecture!r}" if architecture else "names no architecture"
        return Obstacle(Lack.ARCHITECTURE, f"{name} {told}, not {training.architecture!r}")
    variants = variants_of(node)  # one of 0.3.2 names none, as others that take what they are given
    if variants and training.model_variant not in variants:
        offered = ", ".join(variants)
        return Obstacle(Lack.VARIANT, f"{name} does not offer the variant {training.model_variant!r}, but {offered}")
    return _lack_of_time(candidate)


def why_waiting(candidates: Sequence[Candidate], training: TrainingRow, project: ProjectRow) -> str:
    """Why a training that is queued is with none of the trainers that are connected, in one sentence for people.

    Trainers whose login is not good for the project are not named: who looks at it need not know of them.
    """
    if not candidates:
        return "no trainer is connected"
    trusted = [candidate for candidate in candidates if may_train(candidate.node, project)]
    if training.wanted_trainer is not None:
        return _why_not_with(training.wanted_trainer, candidates, trusted, training, project)
    if not trusted:
        return "no connected trainer's login may manage this project"
    found = [(candidate, obstacle(candidate, training, project)) for candidate in trusted]
    for candidate, present in found:
        if present is None:
            return f"trainer {candidate.name} is idle, and is asked next"
    for_now = [present.text for _, present in found if present is not None and present.lack is Lack.TIME]
    if for_now:
        return _enumerated(for_now)
    modern = [candidate for candidate, present in found if present is not None and present.lack is not Lack.LEGACY]
    if not modern:
        return found[0][1].text if found[0][1] is not None else ""
    near = [candidate for candidate, present in found if present is not None and present.lack is Lack.VARIANT]
    if training.architecture is not None and not near:
        return (
            f"no trainer that is connected has the architecture {training.architecture!r}; there are: "
            + _enumerated(
                [f"{one.name} ({one.node.status.get('architecture') or 'without one'})" for one in modern], ", "
            )
        )
    of_it = f" of the architecture {training.architecture!r}" if training.architecture is not None else ""
    return (
        f"no trainer{of_it} that is connected offers the variant {training.model_variant!r}; there are: "
        + _enumerated([f"{one.name} ({', '.join(variants_of(one.node))})" for one in near], ", ")
    )


def variants_of(node: ConnectedNode) -> Collection[str]:
    """The models with which a trainer can begin; none if it does not say."""
    return [entry["name"] for entry in node.status.get("pretrained_models") or []]


def _lack_of_time(candidate: Candidate) -> Obstacle | None:
    node, name = candidate.node, f"trainer {candidate.name}"
    if candidate.occupation is not None:
        return Obstacle(Lack.TIME, f"{name} is busy with {candidate.occupation}")
    if node.state == TrainerState.Blocked:
        return Obstacle(Lack.TIME, f"{name} is blocked: another process has its GPU")
    if node.state != TrainerState.Idle:
        return Obstacle(Lack.TIME, f"{name} is not idle but {node.state or 'silent'}")
    if candidate.pause_s > 0:
        return Obstacle(Lack.TIME, f"{name} refused it; it is asked again in {math.ceil(candidate.pause_s)} s")
    return None


def _why_not_with(
    wanted: str,
    candidates: Sequence[Candidate],
    trusted: Sequence[Candidate],
    training: TrainingRow,
    project: ProjectRow,
) -> str:
    """The same, where a certain trainer is wanted."""
    asked = next((one for one in trusted if one.node.id == wanted), None)
    if asked is not None:
        present = obstacle(asked, training, project)
        return present.text if present is not None else f"trainer {asked.name} is idle, and is asked next"
    if any(one.node.id == wanted for one in candidates):
        return f"the login of trainer {wanted} may not manage this project"
    others = f"; there are: {_enumerated([f'{one.name} ({one.node.id})' for one in trusted], ', ')}" if trusted else ""
    return f"trainer {wanted}, which it is for, is not connected{others}"


def _enumerated(texts: Sequence[str], separator: str = "; ") -> str:
    more = len(texts) - MOST_NAMED
    return separator.join(texts[:MOST_NAMED]) + (f"{separator}and {more} more" if more > 0 else "")
