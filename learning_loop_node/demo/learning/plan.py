"""How large the demo is, and with which dice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SIZE = {"resolution": 256, "patience": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningPlan:
    """One turn of the wheel. Numbers are images; the same seed gives the same images.

    `first` are labelled before the first training, `test` are those on which trainings and the loop compare models,
    `held_out` never go to the loop: only the demo knows them, and only on them models are judged in the end. The
    detector meets `met` images, of which at most `budget` are labelled. The parameters are those of both trainings.
    """

    seed: int = 1
    first: int = 160
    test: int = 60
    held_out: int = 150
    met: int = 480
    budget: int = 240
    difficulty: float = 0.5
    variant: str = "nano"
    first_parameters: dict[str, Any] = field(default_factory=lambda: SIZE | {"epochs": 30})
    second_parameters: dict[str, Any] = field(default_factory=lambda: SIZE | {"epochs": 12})
