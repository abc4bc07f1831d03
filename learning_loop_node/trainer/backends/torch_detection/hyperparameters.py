"""What can be asked of a training, and the refusal of what makes no sense."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ....errors import UnfitTrainingError
from ...batch_size import REQUESTED_BATCH_SIZE
from ...validation_set import COMPUTE_VALIDATION_SET

STRIDE = 32
"""Sides of the input are multiples of this."""

OLD_NAMES = {"flip_rl": "flip_lr"}
"""Names under which forms of before send some of them."""

OF_EVERY_TRAINER = (REQUESTED_BATCH_SIZE, COMPUTE_VALIDATION_SET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """Docs: `docs/training_models.md`. None means that the training finds a value by itself."""

    epochs: int = 100
    resolution: int | None = None
    batch_size: int | None = None
    max_batch_size: int | None = None
    learning_rate: float = 0.002
    weight_decay: float = 0.02
    patience: int = 30
    seed: int = 0
    point_size: int | None = None
    flip_lr: bool = True
    flip_ud: bool = False
    zoom: float = 0.4
    shift: float = 0.15
    colour: float = 0.4
    mosaic: float = 1.0
    cutout: float = 0.2
    compute_validation_set: bool = False
    mixed_precision: bool = True
    threads: int | None = None


LIMITS: dict[str, tuple[float, float]] = {
    "epochs": (1, 100_000),
    "resolution": (STRIDE, 4096),
    "batch_size": (1, 1024),
    "max_batch_size": (0, 1024),
    "learning_rate": (1e-6, 1),
    "weight_decay": (0, 1),
    "patience": (0, 100_000),
    "seed": (0, 2**31 - 1),
    "point_size": (4, 1024),
    "zoom": (0, 0.9),
    "shift": (0, 0.5),
    "colour": (0, 1),
    "mosaic": (0, 1),
    "cutout": (0, 1),
    "threads": (1, 1024),
}
"""The lowest and the highest value of each number."""

_WORDS = {"true": True, "false": False}


def read_hyperparameters(given: Mapping[str, Any]) -> Hyperparameters:
    """Numbers may be texts, as old forms send them; what we do not know is left out.

    `UnfitTrainingError` names the one that cannot be followed.
    """
    kinds = {field.name: str(field.type) for field in fields(Hyperparameters)}
    values: dict[str, Any] = {}
    for given_name, value in given.items():
        name = OLD_NAMES.get(given_name, given_name)
        if name in kinds and value not in (None, ""):
            values[name] = _read(given_name, value, kinds[name].split()[0], LIMITS.get(name))
    if (resolution := values.get("resolution")) is not None and resolution % STRIDE:
        raise UnfitTrainingError(
            f"the hyperparameter resolution must be a multiple of {STRIDE}, not {resolution}; "
            f"{max(STRIDE, round(resolution / STRIDE) * STRIDE)} is the nearest"
        )
    return Hyperparameters(**values)


def unknown_ones(given: Mapping[str, Any]) -> list[str]:
    """What this trainer does not know among these, each with the name that may be meant."""
    known = [field.name for field in fields(Hyperparameters)]
    texts = []
    for name in given:
        if name not in known and name not in OLD_NAMES:
            [*close] = difflib.get_close_matches(name, known, n=1)
            texts.append(f"{name} (is {close[0]} meant?)" if close else name)
    return texts


def _read(name: str, value: Any, kind: str, limits: tuple[float, float] | None) -> Any:
    if kind == "bool":
        word = _WORDS.get(value.lower(), value) if isinstance(value, str) else value
        if not isinstance(word, bool):
            raise UnfitTrainingError(f"the hyperparameter {name} must be true or false, not {value!r}")
        return word
    what = "a whole number" if kind == "int" else "a number"
    assert limits is not None
    low, high = limits
    try:
        if isinstance(value, bool):
            raise ValueError
        number = float(value)
        if not low <= number <= high or (kind == "int" and number != int(number)):
            raise ValueError
    except (TypeError, ValueError):
        raise UnfitTrainingError(
            f"the hyperparameter {name} must be {what} from {low:g} to {high:g}, not {value!r}"
        ) from None
    return int(number) if kind == "int" else number
