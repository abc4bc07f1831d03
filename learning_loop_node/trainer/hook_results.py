"""Checks what the hooks of a user's logic return, so that the one that returns something else is named."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ..data_classes import Detections, TrainingStateData
from ..errors import CriticalError


def checked_state(returned: Any) -> TrainingStateData | None:
    """What `_get_new_best_training_state` returned. `CriticalError` if it is nothing of the kind."""
    if returned is None:
        return None
    if not isinstance(returned, TrainingStateData):
        raise _not_wanted("_get_new_best_training_state", returned, "a TrainingStateData, or None")
    counts: Any = returned.confusion_matrix
    if not isinstance(counts, Mapping):
        raise CriticalError(
            f"`_get_new_best_training_state` returned a TrainingStateData with {_kind_of(counts)} as confusion_matrix; "
            "it should be a dict of counts (tp, fp, fn) by category id"
        )
    return returned


def checked_detections(returned: Any, images: Collection[str]) -> list[Detections]:
    """What `_detect` returned for these files. `CriticalError` if it is no list of `Detections` of some of them.

    One for each image is what it should return; many programs leave out images in which nothing was found.
    """
    if not isinstance(returned, list | tuple):
        raise _not_wanted("_detect", returned, "a list of Detections")
    asked = {Path(image).stem for image in images}
    for entry in returned:
        if not isinstance(entry, Detections):
            raise CriticalError(f"`_detect` returned a list with {_kind_of(entry)}; it should be a list of Detections")
        if entry.image_id not in asked:
            raise CriticalError(
                f"`_detect` returned Detections with the image_id {entry.image_id!r}, which is none of the "
                f"{len(asked)} images that it was given; it should be the name of the file without .jpg"
            )
    return list(returned)


def checked_metadata(returned: Any) -> dict[str, Any]:
    """What `_get_model_metadata` returned. `CriticalError` if it is no dict."""
    if not isinstance(returned, dict):
        raise _not_wanted("_get_model_metadata", returned, "a dict")
    return returned


def checked_progress(returned: Any, hook: str) -> float | None:
    """What a property for the progress said. `CriticalError` if that is no number and not None."""
    if returned is not None and (isinstance(returned, bool) or not hasattr(returned, "__float__")):
        raise _not_wanted(hook, returned, "a number from 0 to 1, or None")
    return None if returned is None else float(returned)


def _not_wanted(hook: str, returned: Any, wanted: str) -> CriticalError:
    return CriticalError(f"`{hook}` returned {_kind_of(returned)}; it should be {wanted}")


def _kind_of(value: Any) -> str:
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0].lower() in 'aeio' else 'a'} {name}"
