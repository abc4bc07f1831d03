"""What can be asked of a training, and what is refused."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from learning_loop_node.errors import UnfitTrainingError
from learning_loop_node.trainer.backends.torch_detection.hyperparameters import (
    LIMITS,
    Hyperparameters,
    read_hyperparameters,
    unknown_ones,
)

PAGE = Path(__file__).parents[5] / "docs" / "training_models.md"


def test_nothing_given():
    assert read_hyperparameters({}) == Hyperparameters()


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        pytest.param({"epochs": 7}, "epochs", 7, id="number"),
        pytest.param({"epochs": "7"}, "epochs", 7, id="as text"),
        pytest.param({"epochs": 7.0}, "epochs", 7, id="as a fraction"),
        pytest.param({"epochs": None}, "epochs", 100, id="none"),
        pytest.param({"learning_rate": 0.01}, "learning_rate", 0.01, id="fraction"),
        pytest.param({"flip_lr": "False"}, "flip_lr", False, id="word"),
        pytest.param({"flip_rl": False}, "flip_lr", False, id="old name"),
        pytest.param({"batch_size": 16}, "batch_size", 16, id="otherwise found"),
        pytest.param({"resolution": ""}, "resolution", None, id="empty field of a form"),
        pytest.param({"colours": 3}, "colour", 0.4, id="unknown"),
    ],
)
def test_read(given, name, expected):
    assert getattr(read_hyperparameters(given), name) == expected


@pytest.mark.parametrize(
    ("given", "text"),
    [
        pytest.param({"epochs": 0}, "epochs must be a whole number from 1 to 100000, not 0", id="too low"),
        pytest.param({"epochs": 1.5}, "epochs must be a whole number", id="not whole"),
        pytest.param({"epochs": True}, "epochs must be a whole number", id="truth instead of a number"),
        pytest.param({"epochs": "many"}, "epochs must be a whole number from 1 to 100000, not 'many'", id="a word"),
        pytest.param({"learning_rate": 5}, "learning_rate must be a number from 1e-06 to 1, not 5", id="too high"),
        pytest.param({"learning_rate": [1]}, "learning_rate must be a number", id="a list"),
        pytest.param({"mosaic": float("nan")}, "mosaic must be a number from 0 to 1", id="not a number"),
        pytest.param({"flip_rl": 1}, "flip_rl must be true or false, not 1", id="a number instead of truth"),
        pytest.param({"resolution": 300}, "resolution must be a multiple of 32, not 300; 288 is", id="odd size"),
    ],
)
def test_refused(given, text):
    with pytest.raises(UnfitTrainingError, match=text):
        read_hyperparameters(given)


def test_unknown_ones_are_named_with_what_may_be_meant():
    given = {"epochs": 1, "epoch": 1, "flip_rl": True, "max_batch_size": 4, "xyz": 0, "compute_validation_set": True}
    assert unknown_ones(given) == ["epoch (is epochs meant?)", "xyz"]


def test_each_number_has_limits():
    numbers = {field.name for field in fields(Hyperparameters) if "bool" not in str(field.type)}
    assert numbers == set(LIMITS)


def test_the_page_has_them_all_with_their_defaults():
    rows = [line.split("|")[1:3] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    told = {name.strip(" `"): default.strip() for name, default in rows}
    for field in fields(Hyperparameters):
        default = "" if field.default is None else str(field.default).lower()
        assert told.get(field.name) == default, field.name
