"""Tells the loop how good the best model is so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...data_classes import TrainingOut
from ...data_classes.codec import to_dict

if TYPE_CHECKING:
    from ..trainer_logic_generic import TrainerLogicGeneric

TIMEOUT_S = 60.0


async def sync_metrics(logic: TrainerLogicGeneric) -> None:
    """Does nothing if there is no better model than the loop knows of."""
    state = logic._get_new_best_training_state()
    if state is None:
        return
    training, node = logic.training, logic.node
    sets = None if training.image_data is None else [image.get("set") for image in training.image_data]
    out = TrainingOut(
        trainer_id=node.uuid,
        trainer_name=node.name,
        confusion_matrix=state.confusion_matrix,
        train_image_count=None if sets is None else sets.count("train") + sets.count("val"),
        test_image_count=None if sets is None else sets.count("test"),
        hyperparameters=logic.hyperparameters_for_state_sync,
        best_epoch=state.epoch,
    )
    context = training.context
    await node.connection.call_checked(
        "update_training", context.organization, context.project, to_dict(out), timeout_s=TIMEOUT_S
    )
    logic._on_metrics_published(state)
