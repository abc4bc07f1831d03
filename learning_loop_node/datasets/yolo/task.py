"""What a YOLO data set is for; it holds one kind of annotation, or boxes with points."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from ...enums import CategoryType
from ...errors import DatasetError


class Task(StrEnum):
    """As Ultralytics calls it."""

    Detect = "detect"
    Segment = "segment"
    Pose = "pose"
    Classify = "classify"


_TASKS = {
    frozenset({CategoryType.Box}): Task.Detect,
    frozenset({CategoryType.Segmentation}): Task.Segment,
    frozenset({CategoryType.Point}): Task.Pose,
    frozenset({CategoryType.Box, CategoryType.Point}): Task.Pose,
    frozenset({CategoryType.Classification}): Task.Classify,
    frozenset[CategoryType](): Task.Detect,
}


def task_for(types: Iterable[CategoryType]) -> Task:
    """The task for categories of these types; `DatasetError` if there is none that holds all of them."""
    found = frozenset(types)
    if found not in _TASKS:
        listed = ", ".join(type_ for type_ in CategoryType if type_ in found)
        raise DatasetError(
            f"the categories are of the types {listed}; YOLO holds one of them at a time, or box and point together: "
            "choose with --type"
        )
    return _TASKS[found]
