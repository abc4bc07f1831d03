"""Tells the loop how good the best model is so far."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...data_classes import TrainingOut
from ...data_classes.codec import to_dict
from ..hook_results import checked_state

if TYPE_CHECKING:
    from ..trainer_logic_generic import TrainerLogicGeneric

logger = logging.getLogger(__name__)

TIMEOUT_S = 60.0
COUNTS = "counts"
"""Error key of counts that are left out, which is no reason not to go on."""

TOLD = 5


async def sync_metrics(logic: TrainerLogicGeneric) -> None:
    """Does nothing if there is no better model than the loop knows of."""
    state = checked_state(logic._get_new_best_training_state())
    if state is None:
        return
    training, node = logic.training, logic.node
    sets = None if training.image_data is None else [image.get("set") for image in training.image_data]
    out = TrainingOut(
        trainer_id=node.uuid,
        trainer_name=node.name,
        confusion_matrix=_of_this_training(logic, state.confusion_matrix),
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


def _of_this_training(logic: TrainerLogicGeneric, counts: Mapping[str, Any]) -> dict[str, Any]:
    """Without those of other categories, which the loop did not ask for; the log says so once, the errors as long."""
    own = {category.id for category in logic.training.categories}
    others = [category_id for category_id in counts if own and category_id not in own]
    if others:
        told = ", ".join(map(str, others[:TOLD])) + (" …" if len(others) > TOLD else "")
        text = f"counts of categories that the training does not have are left out: {told}"
        logic.errors.set(COUNTS, f"{text}; count by the ids of `training.categories`")
        if logic._metrics_trouble.is_news(f"{logic.training.id} {others}"):
            logger.warning(text)
    else:
        logic.errors.reset(COUNTS)
    return {category_id: entry for category_id, entry in counts.items() if category_id not in others}
