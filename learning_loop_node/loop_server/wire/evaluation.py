"""What models are worth on images whose content is known, and what they found in single ones."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from ...enums import CategoryType, ImageSet
from .ground import ShortText, Wire

MOST_IMAGES = 20_000
"""The newest images of a set are looked at, so many at most."""

MOST_MODELS = 10
MOST_PLACES = 200
"""Places on a curve; of longer ones, some are left out."""

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Quotient = float | None
"""Null where there is nothing to divide: the precision of what was never found, the recall of what is nowhere."""


class EvaluationQuery(Wire):
    """Which images count, and what counts as found."""

    set: ImageSet = Field(default=ImageSet.Test, description="Images of this set that are complete.")
    min_confidence: Share | None = Field(
        default=None,
        description="Detections below do not count. Without it, below the `conf_threshold` that a model names itself.",
    )
    min_overlap: Share = Field(
        default=0.5, description="Intersection over union that boxes and outlines need with what is annotated."
    )
    max_distance: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = Field(
        default=None,
        description="How far from what is annotated points may be, in pixels; else the `point_size` of their category, "
        "or 10.",
    )
    limit: int = Field(default=MOST_IMAGES, ge=1, le=MOST_IMAGES, description="So many images, the newest ones.")
    curves: bool = Field(default=False, description="Also the precision-recall curve of each category.")


class ComparisonQuery(EvaluationQuery):
    model: list[ShortText] = Field(
        min_length=2, max_length=MOST_MODELS, description="Models by version or id; repeat it for each."
    )


class Counts(Wire):
    """True positives, false positives, false negatives, and what follows from them."""

    tp: int
    fp: int
    fn: int
    precision: Quotient
    recall: Quotient
    f1: Quotient


class Curve(Wire):
    """If detections from `confidence[i]` on are believed, `precision[i]` of them are right and `recall[i]` is found.

    From the highest confidence to the lowest that was sent.
    """

    confidence: list[float]
    precision: list[float]
    recall: list[float]


class CategoryScore(Counts):
    """`average_precision` is that of COCO at the `min_overlap` or `max_distance` asked for (by default: AP50).

    It looks at all detections that were sent, however sure; null where the category is not annotated. `curve` is null
    there, too, and where nobody asked for it.
    """

    id: str
    name: str
    type: CategoryType
    average_precision: Quotient
    curve: Curve | None


class EvaluatedImages(Wire):
    """`in_set` are complete and of the set, `compared` those of them that every model asked for has looked at.

    This model has looked at `looked_at`, and of those compared found nothing in `without_detections`. With `is_limited`
    there are older ones that were left out.
    """

    in_set: int
    compared: int
    looked_at: int
    without_detections: int
    is_limited: bool


class Evaluation(Wire):
    """What the stored detections of a model are worth against the annotations of the same images.

    `macro_f1` and `mean_average_precision` are means over the categories that are annotated there, null where none is;
    `total` counts all categories together. `ignored_detections` are of categories that the project does not have.
    """

    model_id: str
    version: str
    set: ImageSet
    min_confidence: float
    macro_f1: Quotient
    mean_average_precision: Quotient
    total: Counts
    categories: list[CategoryScore]
    ignored_detections: int
    images: EvaluatedImages


class Comparison(Wire):
    """Models on the same images, in the order asked for; `best` is the version with the highest `macro_f1`.

    It is null if there is none, or several.
    """

    best: str | None
    models: list[Evaluation]


class ModelDetections(Wire):
    """What a model found, image by image, the images in their order of arrival, as `POST …/detections` takes it.

    `next` is the `cursor` of the next page, null after the last one.
    """

    images: list[dict[str, Any]]
    next: str | None
