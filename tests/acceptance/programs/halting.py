"""A trainer that halts where `HALT_AT` says, so that it can be killed there; run by `test_trainer_killed.py`.

`running:before` is a state and whether its work is still to be done or is done but not noted yet. Having come there,
the trainer writes the file `halted` into its data folder and waits for ever.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from learning_loop_node import GLOBALS, TrainerNode
from learning_loop_node.enums import TrainerState
from learning_loop_node.helpers.entrypoint import node_parser, run_node
from tests.integration.programs.trainers.v27.main import CountingTrainer


class Halting(CountingTrainer):
    async def _perform_state(
        self,
        error_key: str,
        state_during: TrainerState,
        state_after: TrainerState,
        action: Callable[[], Coroutine[Any, Any, Any]],
        reset_early: bool = False,
    ) -> None:
        async def halting() -> None:
            await halt(f"{state_during.value}:before")
            await action()
            await halt(f"{state_during.value}:after")

        await super()._perform_state(error_key, state_during, state_after, halting, reset_early)


async def halt(place: str) -> None:
    if os.environ.get("HALT_AT") == place:
        Path(GLOBALS.data_folder, "halted").touch()  # noqa: ASYNC240
        await asyncio.Event().wait()


node = TrainerNode(name=os.environ["NODE_NAME"], trainer_logic=Halting())

if __name__ == "__main__":
    run_node(f"{__spec__.name}:node", node_parser(description=__doc__ or "").parse_args())
