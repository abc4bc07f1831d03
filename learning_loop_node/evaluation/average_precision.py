"""Average precision as COCO defines it, counted by faster-coco-eval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtraError
from ..geometry.boxes import areas, to_xywh
from .labels import Found, Truth

try:
    from faster_coco_eval import COCO, COCOeval_faster
except ImportError as error:
    raise MissingExtraError(
        "average precision is counted by faster-coco-eval: pip install 'learning-loop-node[evaluation]'"
    ) from error

SIZES = ("small", "medium", "large")
"""Areas up to 32², up to 96², and above, in pixels."""

ALL_SIZES, MOST_PER_IMAGE, OVERLAP_50 = 0, -1, 0
"""Places in the table of results: [overlap, recall, class, size, most per image]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AveragePrecisions:
    """Between 0 and 1; NaN where there is no truth. The means leave those classes out.

    `ap50` `(C,)` asks for an overlap of 0.5, `ap50_95` `(C,)` is the mean over overlaps of 0.50, 0.55, …, 0.95;
    `ap50_95_by_size` `(C, 3)` is that of things of each of `SIZES` alone, and `by_size` the mean over the classes. Of
    an image and a class the surest 100 count. Source: https://cocodataset.org/#detection-eval
    """

    map50: float
    map50_95: float
    ap50: NDArray[np.float64]
    ap50_95: NDArray[np.float64]
    ap50_95_by_size: NDArray[np.float64]
    by_size: dict[str, float]


def average_precisions(truths: Sequence[Truth], found: Sequence[Found], class_count: int) -> AveragePrecisions:
    """Of the predictions for some images, image by image in the same order."""
    known = _labels(truths)
    if not known:
        nothing = np.full(class_count, np.nan)
        return AveragePrecisions(
            map50=math.nan,
            map50_95=math.nan,
            ap50=nothing,
            ap50_95=nothing,
            ap50_95_by_size=np.full((class_count, len(SIZES)), np.nan),
            by_size=dict.fromkeys(SIZES, math.nan),
        )
    precision = _precision(known, _labels(found), len(truths), class_count)
    of_all = precision[:, :, :, ALL_SIZES]
    ap50, ap50_95 = _mean(of_all[OVERLAP_50 : OVERLAP_50 + 1]), _mean(of_all)
    by_size = np.column_stack([_mean(precision[:, :, :, place]) for place in range(1, len(SIZES) + 1)])
    return AveragePrecisions(
        map50=float(np.nanmean(ap50)),
        map50_95=float(np.nanmean(ap50_95)),
        ap50=ap50,
        ap50_95=ap50_95,
        ap50_95_by_size=by_size,
        by_size={name: _mean_of_known(by_size[:, place]) for place, name in enumerate(SIZES)},
    )


def _precision(
    known: list[dict[str, Any]], guessed: list[dict[str, Any]], image_count: int, class_count: int
) -> NDArray[np.float64]:
    """`(T overlaps, R recalls, C classes, S sizes)`; -1 where there is no truth."""
    truth = COCO(
        {
            "images": [{"id": number} for number in range(image_count)],
            "categories": [{"id": number, "name": str(number)} for number in range(class_count)],
            "annotations": [{"id": number, **entry} for number, entry in enumerate(known, 1)],
        }
    )
    evaluation = COCOeval_faster(truth, truth.loadRes(guessed), iouType="bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    return np.asarray(evaluation.eval["precision"], np.float64)[..., MOST_PER_IMAGE]


def _labels(parts: Sequence[Truth | Found]) -> list[dict[str, Any]]:
    """As COCO writes them down."""
    entries = []
    for image, part in enumerate(parts):
        boxes, sizes = to_xywh(part.boxes_xyxy).tolist(), areas(part.boxes_xyxy).tolist()
        scores = part.scores.tolist() if isinstance(part, Found) else [None] * len(boxes)
        for box, area, number, score in zip(boxes, sizes, part.classes.tolist(), scores, strict=True):
            entry = {"image_id": image, "category_id": number, "bbox": box, "area": area, "iscrowd": 0}
            entries.append(entry if score is None else entry | {"score": score})
    return entries


def _mean(precision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each class `(C,)`, over overlaps and recalls `(T, R, C)`."""
    means: NDArray[np.float64] = precision.mean(axis=(0, 1))
    return np.where(precision[0, 0] < 0, np.nan, means)


def _mean_of_known(values: NDArray[np.float64]) -> float:
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")
