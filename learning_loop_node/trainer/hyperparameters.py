"""Refuses hyperparameters that no training can follow, before anything is downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..data_classes.codec import check_finite
from ..errors import CriticalError, InvalidDataError, UnfitTrainingError
from .validation_set import compute_validation_set

POSITIVE = ("resolution", "epochs", "batch_size")
"""Must be above 0 where they are given; as text, too, as old forms send them."""


def check_hyperparameters(hyperparameters: Mapping[str, Any]) -> None:
    """Raise `UnfitTrainingError` with the name of the one that cannot be followed."""
    try:
        check_finite(dict(hyperparameters), "hyperparameters")
        compute_validation_set(hyperparameters)
    except (InvalidDataError, CriticalError) as error:
        raise UnfitTrainingError(str(error)) from error
    for name in POSITIVE:
        value = hyperparameters.get(name)
        if value is not None and not _is_positive(value):
            raise UnfitTrainingError(f"the hyperparameter {name} must be a number above 0, not {value!r}")
    for name in hyperparameters:
        if name.startswith("min_"):
            _check_order(hyperparameters, name, f"max_{name.removeprefix('min_')}")


def _check_order(hyperparameters: Mapping[str, Any], low: str, high: str) -> None:
    lowest, highest = hyperparameters[low], hyperparameters.get(high)
    if isinstance(lowest, int | float) and isinstance(highest, int | float) and lowest > highest:
        raise UnfitTrainingError(f"the hyperparameters contradict each other: {low} {lowest} is above {high} {highest}")


def _is_positive(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return float(value) > 0
    except (TypeError, ValueError):
        return False
