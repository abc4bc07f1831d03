"""Pictures of what models are worth, for `learning-loop models compare --plot`. Needs the extra `[evaluation]`."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..evaluation.plots import CategoryWorth, ModelWorth, check_name, comparison_figure, save
from ..geometry.precision_recall import PrecisionRecall

if TYPE_CHECKING:
    from ..client.evaluation import CategoryScore, Comparison, Evaluation


def painter(file: Path, measure: str) -> Callable[[Comparison], None]:
    """Draws a comparison into a file. Complains at once if that will not be possible.

    `measure` is what the average precision is called.
    """
    check_name(file)

    def paint(found: Comparison) -> None:
        images = found.models[0].images.compared
        names = ", ".join(score.version for score in found.models)
        title = f"{names} on the same {images} images of the set {found.models[0].set}"
        save(comparison_figure([_model(score) for score in found.models], title=title, measure=measure), file)

    return paint


def _model(score: Evaluation) -> ModelWorth:
    return ModelWorth(
        name=score.version,
        confidence=score.min_confidence,
        categories=[_category(entry) for entry in score.categories],
    )


def _category(entry: CategoryScore) -> CategoryWorth:
    average = entry.average_precision
    curve = entry.curve
    return CategoryWorth(
        name=entry.name,
        counts=(entry.tp, entry.fp, entry.fn),
        average_precision=math.nan if average is None else average,
        curve=None
        if curve is None
        else PrecisionRecall(
            confidences=np.array(curve.confidence),
            precision=np.array(curve.precision),
            recall=np.array(curve.recall),
        ),
    )
