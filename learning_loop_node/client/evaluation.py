"""What models are worth on images whose content is known. Only our own loop tells."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data_classes.codec import from_dict
from .place import Place, entries_of, part_of_path

COUNTING_S = 90.0
"""The loop itself gives up after a minute."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """Which images count, and what counts as found.

    `set` is `train`, `val` or `test`; of its images that are complete the newest count, up to `limit`. Without
    `min_confidence` each model's own threshold counts, without `max_distance` the `point_size` of a category, or 10
    pixels. With `curves` each category has its precision-recall curve.
    """

    set: str = "test"
    min_confidence: float | None = None
    min_overlap: float = 0.5
    max_distance: float | None = None
    limit: int | None = None
    curves: bool = False

    def parameters(self) -> list[tuple[str, str]]:
        """The same as a query."""
        values = {
            "set": self.set,
            "min_confidence": self.min_confidence,
            "min_overlap": self.min_overlap,
            "max_distance": self.max_distance,
            "limit": self.limit,
            "curves": "true" if self.curves else None,
        }
        return [(name, str(value)) for name, value in values.items() if value is not None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """True positives, false positives and false negatives. What cannot be said is None."""

    tp: int
    fp: int
    fn: int
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """If detections from `confidence[i]` on are believed, `precision[i]` of them are right and `recall[i]` is found."""

    confidence: list[float]
    precision: list[float]
    recall: list[float]


@dataclass(frozen=True, kw_only=True, slots=True)
class CategoryScore(Counts):
    """The counts of one category.

    `average_precision` is that of COCO for the overlap or distance demanded (by default AP50); it looks at all
    detections, however sure. It is None where the category is not annotated, and from loops that do not tell it.
    """

    id: str
    name: str
    type: str
    average_precision: float | None = None
    curve: Curve | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatedImages:
    """`in_set` are complete and of the set, `compared` those of them that every model asked for has looked at.

    This model has looked at `looked_at`, and of those compared found nothing in `without_detections`. With `is_limited`
    there are older ones that were left out.
    """

    in_set: int
    compared: int
    looked_at: int
    without_detections: int
    is_limited: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """What the detections of a model are worth.

    `macro_f1` and `mean_average_precision` (by default mAP50) are means over the categories annotated there.
    """

    model_id: str
    version: str
    set: str
    min_confidence: float
    total: Counts
    images: EvaluatedImages
    macro_f1: float | None = None
    mean_average_precision: float | None = None
    categories: list[CategoryScore] = field(default_factory=list)
    ignored_detections: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Models on the same images, in the order asked for; `best` is the version with the highest `macro_f1`.

    It is None if there is none, or several.
    """

    models: list[Evaluation]
    best: str | None = None


class Evaluations:
    """How good the models of a project are. Models are named by version or id."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def of(self, model: str, demand: Demand | None = None) -> Evaluation:
        """What a model is worth on all images that it has looked at."""
        parameters = (demand or Demand()).parameters()
        path = self._place.path(f"/models/{part_of_path(model)}/evaluation")
        answer = await self._place.http.json("GET", path, params=parameters, timeout_s=COUNTING_S)
        return from_dict(Evaluation, answer)

    async def compare(self, models: Sequence[str], demand: Demand | None = None) -> Comparison:
        """What two to ten models are worth on the images that all of them have looked at."""
        parameters = [("model", model) for model in models] + (demand or Demand()).parameters()
        path = self._place.path("/models/compare")
        return from_dict(Comparison, await self._place.http.json("GET", path, params=parameters, timeout_s=COUNTING_S))

    async def detections(self, model: str, *, page_size: int = 100) -> AsyncIterator[dict[str, Any]]:
        """What a model found, as it was received: for each image `image_id`, `box_detections`, `point_detections`, ….

        The images come in the order of their arrival, without those in which it found nothing.
        """
        path = self._place.path(f"/models/{part_of_path(model)}/detections")
        cursor: str | None = None
        while True:
            parameters = {"limit": str(page_size)} | ({"cursor": cursor} if cursor is not None else {})
            answer = await self._place.http.json("GET", path, params=parameters)
            for entry in entries_of(answer, "images"):
                yield entry
            cursor = answer.get("next")
            if cursor is None:
                return

    async def detections_in(self, model: str, image_id: str) -> dict[str, Any]:
        """The same of one image; empty lists if the model found nothing there."""
        path = self._place.path(f"/models/{part_of_path(model)}/detections")
        answer = await self._place.http.json("GET", path, params={"image_id": image_id})
        return dict(entries_of(answer, "images")[0])
