"""Decides which images a trainer keeps aside to choose its best model by."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

from ..errors import CriticalError

logger = logging.getLogger(__name__)

COMPUTE_VALIDATION_SET = "compute_validation_set"
VALIDATION_FRACTION = 0.1


def assign_validation_set(image_data: list[dict[str, Any]], hyperparameters: Mapping[str, Any]) -> None:
    """Turn about a tenth of the train images into validation images (`set` becomes `val`), if the training asks for it.

    Which ones depends on their ids only, so that an image stays where it is when others come. Validation images that
    the loop has chosen are used as they are. Raises `CriticalError` if there are too few images.
    """
    if any(image.get("set") == "val" for image in image_data):
        logger.info("the validation images of the loop are used")
        return
    if not compute_validation_set(hyperparameters):
        return
    train = sorted((image for image in image_data if image.get("set") == "train"), key=_position)
    if len(train) < 2:
        raise CriticalError(
            f"{COMPUTE_VALIDATION_SET} needs two train images at least, and there are {len(train)}; "
            "complete more images, or switch it off"
        )
    below = sum(_position(image) < VALIDATION_FRACTION for image in train)
    count = min(max(below, 1), len(train) - 1)
    for image in train[:count]:
        image["set"] = "val"
    logger.info("%d of %d train images are used for validation", count, len(train))


def compute_validation_set(hyperparameters: Mapping[str, Any]) -> bool:
    """Whether the training asks for validation images; `CriticalError` if what it says is neither true nor false."""
    value = hyperparameters.get(COMPUTE_VALIDATION_SET, False)
    if not isinstance(value, bool):
        raise CriticalError(f"the hyperparameter {COMPUTE_VALIDATION_SET} must be true or false, not {value!r}")
    return value


def _position(image: Mapping[str, Any]) -> float:
    """Where an image stands between 0 and 1; evenly spread, whatever the ids look like."""
    return int(hashlib.sha256(str(image["id"]).encode()).hexdigest()[:8], 16) / 16**8
