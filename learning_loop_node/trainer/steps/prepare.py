"""Fetches the images of a training, and what the loop knows about them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...data_classes import Category
from ...errors import CriticalError
from ...runtime.threads import io_bound
from ..downloader import TrainingsDownloader
from ..validation_set import assign_validation_set

if TYPE_CHECKING:
    from ..trainer_logic_generic import TrainerLogicGeneric

logger = logging.getLogger(__name__)

ANNOTATIONS = ("box_annotations", "point_annotations", "segmentation_annotations", "classification_annotation")
CATEGORIES = "categories"
"""Error key of what is odd about the categories, but no reason not to train."""


async def prepare(logic: TrainerLogicGeneric) -> None:
    """`CriticalError` if there is nothing to train with."""
    training = logic.training
    exchanger = logic.node.data_exchanger
    exchanger.set_context(training.context)
    downloader = TrainingsDownloader(exchanger)
    image_data, skipped_count = await downloader.download_training_data(training.images_folder)
    _check(image_data, skipped_count)
    assign_validation_set(image_data, training.hyperparameters)
    missing = await io_bound(_without_annotation, training.categories, image_data)
    await io_bound(_leave_out_other_categories, training.categories, image_data)
    training.image_data, training.skipped_image_count = image_data, skipped_count
    if skipped_count:
        logger.warning("%d images cannot be used and are left out; %d are there", skipped_count, len(image_data))
    if missing:
        logic.errors.set(CATEGORIES, f"the training images have no annotation of {', '.join(missing)}")
    else:
        logic.errors.reset(CATEGORIES)


def _check(image_data: list[dict[str, Any]], skipped_count: int) -> None:
    if not image_data:
        reason = f"none of the {skipped_count} images can be used" if skipped_count else "there is no image"
        raise CriticalError(f"{reason}: a training needs images in the state complete; label some, and train again")
    sets = {image.get("set") for image in image_data}
    if sets != {None} and "train" not in sets:
        raise CriticalError(
            f"none of the {len(image_data)} images is in the set train; move some there, and train again"
        )


def _leave_out_other_categories(categories: Sequence[Category], image_data: Iterable[dict[str, Any]]) -> None:
    """Drop annotations of categories that were not chosen for this training; all images and all keys stay."""
    chosen = {category.id for category in categories}
    if not chosen:
        return
    for image in image_data:
        for kind in ANNOTATIONS:
            entries = image.get(kind)
            if isinstance(entries, list):
                image[kind] = [entry for entry in entries if _is_of(chosen, entry)]
            elif entries and not _is_of(chosen, entries):
                image[kind] = None


def _is_of(chosen: Collection[str], annotation: Mapping[str, Any]) -> bool:
    """Whether an annotation belongs to one of these categories; one that names none is left to the logic."""
    return annotation.get("category_id") is None or annotation["category_id"] in chosen


def _without_annotation(categories: Iterable[Category], image_data: Iterable[dict[str, Any]]) -> list[str]:
    """The names of the categories of which the train images show nothing; none where nothing is annotated at all."""
    found: set[str] = set()
    for image in image_data:
        if image.get("set") != "test":
            for kind in ANNOTATIONS:
                entries = image.get(kind) or []
                entries = entries if isinstance(entries, list) else [entries]
                found.update(entry.get("category_id", "") for entry in entries)
    return [category.name for category in categories if category.id not in found] if found else []
