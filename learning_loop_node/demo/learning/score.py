"""What a model is worth on images of which the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ...data_classes import Category, ImageMetadata
from ...evaluation.evaluate import Comparison, Evaluation, evaluate
from ...evaluation.labels import Found, Truth, squares_for_points
from ...onnx_models.model import OnnxModel
from ...onnx_models.predictions import Predictions
from ...runtime.archive import unpack
from .world import Shot

LEAST_CONFIDENCE = 0.001
"""For an average precision also what a model hardly believes counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryScore:
    """What it is worth in one category, at its own threshold; None is what cannot be said."""

    ap50: float | None
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What it is worth as a whole, by the name of each category, and image by image.

    `seen` are the detections that a user of the model sees, `right` how many of them are right in each image, and
    `mistakes` how many are wrong there, or missed.
    """

    map50: float
    map50_95: float
    macro_f1: float
    confidence: float
    categories: dict[str, CategoryScore]
    seen: list[ImageMetadata]
    right: list[int]
    mistakes: list[int]


def score_model(archive: Path, shots: Sequence[Shot], categories: Sequence[Category]) -> Score:
    """Open the model in this zip, as the loop hands it out, and compare what it finds with what is there."""
    with TemporaryDirectory(prefix="learning-loop-score-") as folder:
        unpack(archive, Path(folder))
        return score_folder(Path(folder), shots, categories)


def score_folder(folder: Path, shots: Sequence[Shot], categories: Sequence[Category]) -> Score:
    """The same for a model that lies in a folder."""
    model = OnnxModel.open(folder, categories)
    images = [shot.scene.pixels for shot in shots]
    found = [_found(one, categories) for one in model.predict(images, LEAST_CONFIDENCE)]
    seen = model.run(images)
    truths = [_truth(shot, categories) for shot in shots]
    told = evaluate(truths, found, len(categories), confidence=model.conf_threshold)
    comparison = Comparison(truths, found, len(categories))
    counts = np.array([comparison.counts_in(image, model.conf_threshold).sum(axis=0) for image in range(len(shots))])
    return Score(
        map50=told.average.map50,
        map50_95=told.average.map50_95,
        macro_f1=told.macro_f1,
        confidence=model.conf_threshold,
        categories={category.name: _category(told, number) for number, category in enumerate(categories)},
        seen=seen,
        right=counts[:, 0].tolist(),
        mistakes=counts[:, 1:].sum(axis=1).tolist(),
    )


def _truth(shot: Shot, categories: Sequence[Category]) -> Truth:
    numbers = {category.id: number for number, category in enumerate(categories)}
    boxes, classes = [], []
    for thing in shot.scene.things:
        (x, y), is_point = thing.center, thing.category.type == "point"
        boxes.append((x, y, x, y) if is_point else (thing.x, thing.y, thing.x + thing.width, thing.y + thing.height))
        classes.append(numbers[thing.category.id])
    rows = np.array(classes, np.intp)
    return Truth(boxes_xyxy=squares_for_points(boxes, rows, categories), classes=rows)


def _found(one: Predictions, categories: Sequence[Category]) -> Found:
    boxes = squares_for_points(one.boxes_xyxy, one.classes, categories)
    return Found(boxes_xyxy=boxes, classes=np.asarray(one.classes, np.intp), scores=np.asarray(one.scores, np.float64))


def _category(told: Evaluation, number: int) -> CategoryScore:
    precision, recall, f1 = map(_known, told.scores[number])
    return CategoryScore(ap50=_known(told.average.ap50[number]), precision=precision, recall=recall, f1=f1)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
