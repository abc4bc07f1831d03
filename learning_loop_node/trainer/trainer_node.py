"""The node that runs trainings: its name and its constructor; the trainings come with a later version."""

from __future__ import annotations

from typing import Any, NoReturn

from ..errors import RefusedError


class TrainerNode:
    """Programs that name this class can be imported; constructing it says what to do instead."""

    def __init__(
        self, name: str, trainer_logic: Any, uuid: str | None = None, use_backdoor_controls: bool = False
    ) -> NoReturn:
        raise RefusedError(
            f"the trainer node {name!r} cannot be made: trainings come with a later version. "
            "Run trainers with learning-loop-node 0.27; detectors run with this version."
        )
