"""`learning-loop train`: start a training, and watch it to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .asked import Asked, about_a_project
from .training_options import (
    OPTIONS,
    Architecture,
    BaseModel,
    Category,
    Description,
    Hyperparameters,
    Param,
    Trainer,
    Variant,
    Wait,
    category_ids,
    connected_trainers,
    hyperparameters_of,
    id_of_trainer,
    only_variant,
)

if TYPE_CHECKING:
    from ..client.loop import LoopClient


@about_a_project(**OPTIONS)
def train(
    asked: Asked,
    variant: Variant = None,
    base_model: BaseModel = None,
    param: Param = None,
    hyperparameters: Hyperparameters = None,
    category: Category = None,
    architecture: Architecture = None,
    trainer: Trainer = None,
    description: Description = None,
    wait: Wait = True,
) -> None:
    """Train a model on the complete images of a project, and show how it goes.

    The next idle trainer that fits takes the training; until there is one, it waits. Ctrl-C ends the watching only. The
    new model comes with its detections, so that `models show` and `models compare` say what it is worth.
    """
    values = hyperparameters_of(hyperparameters, param)

    async def run(loop: LoopClient) -> None:
        from ..client.trainings import NewTraining
        from .training_watch import follow

        host = asked.settings.host
        trainers = await connected_trainers(loop) if variant is None or trainer is not None else []
        wanted = id_of_trainer(trainers, trainer, host) if trainer else None
        new = NewTraining(
            model_variant=variant or only_variant(trainers, wanted, architecture, host),
            hyperparameters=values,
            architecture=architecture,
            trainer=wanted,
            base_model=base_model,
            category_ids=await category_ids(loop, category) if category else None,
            description=description,
        )
        await follow(asked, loop, await loop.trainings.start(new), wait=wait)

    asked.run(run)
