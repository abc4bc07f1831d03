"""What the loop is told of a training that is done again."""

from __future__ import annotations

from typing import Any

import pytest

from learning_loop_node.client.trainings import TrainingChanges


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(TrainingChanges(), {}, id="nothing"),
        pytest.param(TrainingChanges(model_variant="large"), {"model_variant": "large"}, id="variant"),
        pytest.param(
            TrainingChanges(hyperparameters={"epochs": 5, "note": None}),
            {"hyperparameters": {"epochs": 5, "note": None}},
            id="null removes a hyperparameter",
        ),
        pytest.param(
            TrainingChanges(description="again", without=["base_model", "trainer"]),
            {"description": "again", "base_model": None, "trainer": None},
            id="fields that are not to be",
        ),
    ],
)
def test_only_what_is_different_is_sent(changes: TrainingChanges, expected: dict[str, Any]):
    assert changes.as_body() == expected
