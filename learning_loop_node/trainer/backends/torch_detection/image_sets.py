"""The images of a training by what they are for: to learn from, to choose the best epoch by, to say how good it is."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....data_classes import Category
from ....errors import CriticalError
from ....runtime.memory import free_memory_mb
from .plan import Plan
from .samples import InputSize, Samples

logger = logging.getLogger(__name__)

CACHE_SHARE = 0.4
"""The part of the free memory that images may fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSets:
    """`test` is `validation` itself where there are not both. `unlabelled` are the classes that no train image has."""

    train: Samples
    validation: Samples
    test: Samples
    unlabelled: list[int]

    @staticmethod
    def of(plan: Plan, categories: Sequence[Category], size: InputSize, point_side: int) -> ImageSets:
        """Reads all images once. `CriticalError` if there is nothing to learn from."""
        train, validation, test = (_records(plan, names) for names in (("train", None), ("val",), ("test",)))
        classes = {category.id: number for number, category in enumerate(categories)}
        bytes_per_image = CACHE_SHARE * free_memory_mb() * 2**20 / max(len(plan.images), 1)

        def samples_of(records: Sequence[Mapping[str, Any]]) -> Samples:
            samples = Samples(
                records=records,
                folder=plan.images_folder,
                size=size,
                classes=classes,
                point_side=point_side,
                cache_bytes=int(bytes_per_image * len(records)),
            )
            samples.leave_out_unreadable()
            return samples

        learnt_from = samples_of(train)
        if not len(learnt_from):
            raise CriticalError("none of the training images can be read")
        chosen_by = samples_of(validation or test) if validation or test else learnt_from
        judged_by = samples_of(test) if validation and test else chosen_by
        if not validation:
            logger.warning(
                "there are no validation images; the best epoch is chosen by the %s images",
                "test" if test else "training",
            )
        present = [sample.classes for sample in map(learnt_from.__getitem__, range(len(learnt_from)))]
        counts = np.bincount(np.concatenate(present), minlength=len(categories)).tolist()
        logger.info(
            "%d images to train with, %d for validation, %d for test, in %d×%d; annotations: %s",
            len(learnt_from),
            len(validation),
            len(test),
            size.width,
            size.height,
            ", ".join(f"{category.name} {count}" for category, count in zip(categories, counts, strict=True)),
        )
        return ImageSets(
            train=learnt_from,
            validation=chosen_by,
            test=judged_by,
            unlabelled=[number for number, count in enumerate(counts) if not count],
        )


def _records(plan: Plan, sets: Sequence[str | None]) -> list[dict[str, Any]]:
    return [image for image in plan.images if image.get("set") in sets]
