"""What the loop can ask of a trainer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..api.operation import Http, Nothing, Operation, read_nothing
from ..data_classes import TrainingStatus
from ..runtime import loose_tasks

if TYPE_CHECKING:
    from .trainer_node import TrainerNode


@dataclass(frozen=True, slots=True)
class BeginTraining:
    """Where, and what: see `Training`."""

    organization: str
    project: str
    details: dict[str, Any]


def trainer_operations(node: TrainerNode) -> list[Operation[Any, Any]]:
    logic = node.trainer_logic

    async def begin(asked: BeginTraining) -> bool:
        await logic.begin_training(asked.organization, asked.project, asked.details)
        return True

    async def stop(_: Nothing) -> bool:
        loose_tasks.start(logic.stop(), name="stop training")  # the program may take a while to end
        return True

    async def abort(_: Nothing) -> bool:
        loose_tasks.start(logic.abort(), name="abort training")
        return True

    return [
        Operation(
            request=BeginTraining,
            run=begin,
            summary="Start a training; refused while there is one, or while another trainer uses the GPU",
            event="begin_training",
            read_event=BeginTraining,
        ),
        Operation(
            request=Nothing,
            run=stop,
            summary="End a training that runs, with the best model so far",
            event="stop_training",
        ),
        Operation(request=Nothing, run=abort, summary="Discard the training", event="abort_training"),
    ]


def status_operations(node: TrainerNode) -> list[Operation[Any, Any]]:
    """What anybody beside the node can ask."""

    async def status(_: Nothing) -> TrainingStatus:
        return node.trainer_logic.generate_status_for_loop(node.uuid, node.name)

    return [
        Operation(
            request=Nothing,
            run=status,
            tag="state",
            summary="State, progress and errors of the training, as the loop is told",
            http=Http(method="GET", path="/status", read=read_nothing, answer=TrainingStatus),
        )
    ]
