"""What the detections of models are worth, against what people say is in the same images.

Only images of a set that are complete count: in all others, what is not annotated may be there all the same. And only
those that a model has looked at. It has, where there are detections of it, where somebody said that it found nothing,
and, if its trainer has detected with it, in all images that were there before its files: the trainer took these
afterwards, and some trainers say nothing of images in which nothing was found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ...enums import ImageSet, ImageState, TrainerState
from ...errors import TooLargeError
from ...geometry.boxes import Floats
from ...geometry.precision_recall import PrecisionRecall
from ...runtime.threads import io_bound
from ..tally import Demand, Tally
from ..wire.evaluation import MOST_IMAGES
from ..wire.listing import Sort
from . import listing, projects
from .facets import AT_ONCE
from .tables import AnnotationRow, BlankRow, CategoryRow, DetectionRow, ImageRow, ModelRow, ProjectRow, TrainingRow

LONGEST_S = 60.0
PORTION = 200
"""Images that are counted at a time."""

ROWS = 500
CONFIDENT = "conf_threshold"
"""Where a model says itself which confidence its detections need."""

PERCENT = 100.0

DETECTING = frozenset({"detecting", "upload_detections"})
"""What a trainer calls an error in its last two steps; with one of them it has not come to their end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which images, and what counts as found. Without `min_confidence` each model's own threshold counts, or none.

    With `has_curves` the models have precision-recall curves and average precisions, too.
    """

    set: ImageSet = ImageSet.Test
    min_confidence: float | None = None
    min_overlap: float = 0.5
    max_distance: float | None = None
    most_images: int = MOST_IMAGES
    has_curves: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one model is worth on the images that were compared.

    `counts` are right, wrong and missed of each category, `(K, 3)`. Of the images that it has looked at, it found
    nothing in `blank_count`. `curves` and `averages` `(K,)` look at all detections, however sure; they are empty where
    nobody has asked for them.
    """

    model: ModelRow
    min_confidence: float
    counts: NDArray[np.intp]
    ignored: int
    seen_count: int
    blank_count: int
    curves: Sequence[PrecisionRecall]
    averages: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Models on the same images. `image_count` images are complete and of the set, all models looked at
    `compared_count` of them; there are older ones that nobody looked at here if it `is_limited`."""

    categories: Sequence[CategoryRow]
    image_count: int
    compared_count: int
    is_limited: bool
    scores: Sequence[Score]


async def compare(
    session: AsyncSession,
    project: ProjectRow,
    models: Sequence[ModelRow],
    question: Question,
    *,
    longest_s: float = LONGEST_S,
) -> Comparison:
    """Count for all of these models on the images that all of them have looked at.

    Raises `TooLargeError` if that takes too long.
    """
    limit = _Limit(monotonic() + longest_s, longest_s)
    categories = await projects.categories_of(session, project)
    images, is_limited = await _images(session, project, question, limit)
    views = await _views(session, models, images, limit)
    compared = [number for number in images if all(number in view.seen for view in views)]
    tallies = {
        view.model.version: Tally(categories, _demand(question, view.model), view.scale, question.has_curves)
        for view in views
    }
    for start in range(0, len(compared), PORTION):
        limit.check()
        numbers = compared[start : start + PORTION]
        truths = await _rows(session, _annotations().where(AnnotationRow.image_number.in_(numbers)))
        found = _detections().where(DetectionRow.image_number.in_(numbers), DetectionRow.model_name.in_(list(tallies)))
        await io_bound(_count, numbers, truths, await _rows(session, found), tallies)
    drawn = await io_bound(_curves, tallies) if question.has_curves else {}
    return Comparison(
        categories=categories,
        image_count=len(images),
        compared_count=len(compared),
        is_limited=is_limited,
        scores=[
            Score(
                model=view.model,
                min_confidence=tallies[view.model.version].demand.min_confidence,
                counts=tallies[view.model.version].counts,
                ignored=tallies[view.model.version].ignored,
                seen_count=len(view.seen),
                blank_count=sum(number not in view.marked for number in compared),
                curves=drawn[view.model.version][0] if question.has_curves else (),
                averages=drawn[view.model.version][1] if question.has_curves else np.empty(0),
            )
            for view in views
        ],
    )


@dataclass(frozen=True, slots=True)
class _Limit:
    end: float
    longest_s: float

    def check(self) -> None:
        if monotonic() > self.end:
            raise TooLargeError(
                f"counting took longer than {self.longest_s:.0f} s; ask for fewer images (limit) or models"
            )


@dataclass(frozen=True, slots=True)
class _View:
    """The images that a model has looked at, those in which it found something, and the scale of its confidences."""

    model: ModelRow
    seen: set[int]
    marked: set[int]
    scale: float


async def _images(
    session: AsyncSession, project: ProjectRow, question: Question, limit: _Limit
) -> tuple[dict[int, datetime], bool]:
    """When the images that may be compared came, by number, the newest first; and whether there are more."""
    wanted = listing.ImageFilter(states=[ImageState.Complete.value], sets=[question.set.value])
    numbers: list[int] = []
    after: listing.Position | None = None
    while True:
        limit.check()
        page = await listing.page_of(session, project.id, wanted, Sort.LastArrival, AT_ONCE, after)
        numbers += page.numbers
        after = page.next
        if after is None or len(numbers) > question.most_images:
            break
    received: dict[int, datetime] = {}
    kept = numbers[: question.most_images]
    for some in _portions(kept):
        query = select(ImageRow.number, ImageRow.received).where(ImageRow.number.in_(some))
        received |= {row.number: row.received for row in await session.execute(query)}
    return {number: received[number] for number in kept}, len(numbers) > question.most_images


async def _views(
    session: AsyncSession, models: Sequence[ModelRow], images: Mapping[int, datetime], limit: _Limit
) -> list[_View]:
    names = [model.version for model in models]
    marked: defaultdict[str, set[int]] = defaultdict(set)
    blank: defaultdict[str, set[int]] = defaultdict(set)
    highest: defaultdict[str, float] = defaultdict(float)
    for some in _portions(list(images)):
        limit.check()
        query = (
            select(DetectionRow.image_number, DetectionRow.model_name, func.max(DetectionRow.confidence))
            .where(DetectionRow.image_number.in_(some), DetectionRow.model_name.in_(names))
            .group_by(DetectionRow.image_number, DetectionRow.model_name)
        )
        for number, name, confidence in await session.execute(query):
            marked[name].add(number)
            highest[name] = max(highest[name], confidence)
        nothing = select(BlankRow.image_number, BlankRow.model_name)
        nothing = nothing.where(BlankRow.image_number.in_(some), BlankRow.model_name.in_(names))
        for number, name in await session.execute(nothing):
            blank[name].add(number)
    detected = await _detected(session, models)
    return [
        _View(
            model,
            marked[model.version] | blank[model.version] | _there_before(model, images, detected),
            marked[model.version],
            PERCENT if highest[model.version] > 1 else 1.0,
        )
        for model in models
    ]


async def _detected(session: AsyncSession, models: Sequence[ModelRow]) -> set[str]:
    """The ids of those models with which the trainer has detected to the end, as far as we have heard."""
    ids = [model.id for model in models]
    query = select(TrainingRow.model_id, TrainingRow.errors).where(
        TrainingRow.model_id.in_(ids), TrainingRow.trainer_state == TrainerState.ReadyForCleanup.value
    )
    return {str(row.model_id) for row in await session.execute(query) if not DETECTING.intersection(row.errors)}


def _there_before(model: ModelRow, images: Mapping[int, datetime], detected: set[str]) -> set[int]:
    if model.id not in detected:
        return set()
    return {number for number, received in images.items() if received < model.created}


def _demand(question: Question, model: ModelRow) -> Demand:
    confidence = question.min_confidence
    return Demand(
        min_confidence=own_threshold(model) if confidence is None else confidence,
        min_overlap=question.min_overlap,
        max_distance=question.max_distance,
    )


def own_threshold(model: ModelRow) -> float:
    """The confidence that a model itself says its detections need, 0 if it says nothing."""
    value = model.information.get(CONFIDENT)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= PERCENT:
        return 0.0
    return value / PERCENT if value > 1 else float(value)


def _annotations() -> Select[Any]:
    columns = ("image_number", "kind", "category_id", "category_name", "geometry")
    return select(*(getattr(AnnotationRow, name) for name in columns))


def _detections() -> Select[Any]:
    columns = ("image_number", "model_name", "kind", "category_id", "category_name", "confidence", "geometry")
    return select(*(getattr(DetectionRow, name) for name in columns)).order_by(DetectionRow.id)


async def _rows(session: AsyncSession, query: Select[Any]) -> Sequence[Row[Any]]:
    """Read in portions, so that nobody else waits for long."""
    rows: list[Row[Any]] = []
    async for portion in (await session.stream(query)).partitions(ROWS):
        rows += portion
    return rows


def _count(
    numbers: Sequence[int], truths: Iterable[Row[Any]], found: Iterable[Row[Any]], tallies: Mapping[str, Tally]
) -> None:
    stated: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for row in truths:
        stated[row.image_number].append(row)
    detected: defaultdict[tuple[int, str], list[Row[Any]]] = defaultdict(list)
    for row in found:
        detected[row.image_number, row.model_name].append(row)
    for number in numbers:
        for name, tally in tallies.items():
            tally.add(stated[number], detected[number, name])


def _curves(tallies: Mapping[str, Tally]) -> dict[str, tuple[Sequence[PrecisionRecall], Floats]]:
    return {name: (tally.curves(), tally.average_precisions()) for name, tally in tallies.items()}


def _portions(numbers: Sequence[int]) -> Iterable[Sequence[int]]:
    for start in range(0, len(numbers), AT_ONCE):
        yield numbers[start : start + AT_ONCE]
