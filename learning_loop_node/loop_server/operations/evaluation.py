"""What models are worth on images whose content is known, and what they found in single ones."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

import numpy as np
from fastapi import Depends, Query
from starlette.responses import Response

from ...api.operation import Endpoint
from ...enums import CategoryType, ImageSet
from ...errors import BusyError, InvalidRequestError
from ...geometry.boxes import Floats
from ...geometry.matching import macro_f1, precision_recall_f1
from ...geometry.precision_recall import PrecisionRecall
from ...runtime.threads import io_bound
from ..access.rights import Right
from ..loop import Loop
from ..names import no_such_image
from ..storage import evaluation, listing, models, projects, records
from ..storage.evaluation import Question, Score
from ..storage.images import KINDS
from ..wire.evaluation import (
    MOST_PLACES,
    CategoryScore,
    Comparison,
    ComparisonQuery,
    Counts,
    Curve,
    EvaluatedImages,
    Evaluation,
    EvaluationQuery,
    ModelDetections,
)
from ..wire.ground import ShortText
from ..wire.listing import MAX_LIMIT, Sort
from .projects import PROJECT
from .record_reply import record_reply

AT_ONCE, WAITING = 2, 20
"""So many questions are counted at a time, and so many others wait; more are refused."""


def endpoints(loop: Loop) -> list[Endpoint]:
    operations = EvaluationOperations(loop)
    readers = [Depends(loop.auth.needs(Right.READ))]
    return [
        Endpoint(
            method="GET",
            path=f"{PROJECT}/models/compare",
            run=operations.compare,
            access=readers,
            options={"tags": ["models"], "summary": "What models are worth on the same images"},
        ),
        Endpoint(
            method="GET",
            path=f"{PROJECT}/models/{{model}}/evaluation",
            run=operations.evaluate,
            access=readers,
            options={"tags": ["models"], "summary": "What a model is worth on the images of a set"},
        ),
        Endpoint(
            method="GET",
            path=f"{PROJECT}/models/{{model}}/detections",
            run=operations.detections,
            access=readers,
            options={
                "tags": ["models"],
                "summary": "What a model found, image by image",
                "response_model": ModelDetections,
            },
        ),
    ]


class EvaluationOperations:
    """Answers how good models are."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._asked = 0

    async def evaluate(
        self, organization: str, project: str, model: str, query: Annotated[EvaluationQuery, Query()]
    ) -> Evaluation:
        """Count what the stored detections of a model (its version or id) got right, got wrong and missed.

        An image counts if it is complete, in the set, and the model has looked at it: there are detections of it,
        somebody sent its detections without any for this image, or its trainer has detected with it when the image was
        there already.
        """
        return (await self._scored(organization, project, [model], query)).models[0]

    async def compare(self, organization: str, project: str, query: Annotated[ComparisonQuery, Query()]) -> Comparison:
        """The same for two to ten models, on those images only that all of them have looked at."""
        return await self._scored(organization, project, query.model, query)

    async def detections(
        self,
        organization: str,
        project: str,
        model: str,
        image_id: ShortText | None = Query(default=None, description="Only those in this image."),
        cursor: str | None = Query(default=None, max_length=1000, description="The field `next` of the page before."),
        limit: int = Query(default=100, ge=1, le=MAX_LIMIT, description="Images per page."),
    ) -> Response:
        """What a model (its version or id) found, as it was received. Images in which it found nothing are left out.

        A page may be shorter than wanted and still have a next one.
        """
        async with self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            version = (await models.model_named(session, row.id, model)).version
            following: listing.Position | None = None
            if image_id is not None:
                found = await records.records_by_id(session, row.id, [image_id], model_name=version)
                if not found:
                    raise no_such_image(organization, project, image_id)
            else:
                after = listing.position_of(cursor, Sort.Arrival) if cursor is not None else None
                wanted = listing.ImageFilter(model=version)
                page = await listing.page_of(session, row.id, wanted, Sort.Arrival, limit, after)
                following = page.next
                rows = await records.rows_of(session, page.numbers)
                fitting = await records.fitting(session, page.numbers)
                if fitting < len(rows):
                    rows = rows[:fitting]
                    following = listing.Position(Sort.Arrival, rows[-1].number)
                found = await records.records_of(session, rows, model_name=version)
        images = [
            {"image_id": record["id"]} | {f"{kind}_detections": record[f"{kind}_detections"] for kind in KINDS}
            for record in found
        ]
        answer: dict[str, Any] = {"images": images, "next": following.cursor() if following else None}
        return await io_bound(record_reply, answer)

    async def _scored(
        self, organization: str, project: str, names: Sequence[str], query: EvaluationQuery
    ) -> Comparison:
        question = Question(
            set=query.set,
            min_confidence=query.min_confidence,
            min_overlap=query.min_overlap,
            max_distance=query.max_distance,
            most_images=query.limit,
            has_curves=True,
        )
        async with self._turn(), self._loop.database.reading() as session:
            row = await projects.project_named(session, organization, project)
            asked = [await models.model_named(session, row.id, name) for name in names]
            if len({model.id for model in asked}) < len(asked):
                raise InvalidRequestError("model: name each one once")
            found = await evaluation.compare(session, row, asked, question)
        return await io_bound(comparison_of, found, query.set, has_curves=query.curves)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait until one may count. `BusyError` if too many wait already."""
        if self._asked >= AT_ONCE + WAITING:
            raise BusyError("too many models are being compared already; ask again in a minute", retry_after_s=60)
        self._asked += 1
        try:
            async with self._turns:
                yield
        finally:
            self._asked -= 1


def comparison_of(found: evaluation.Comparison, set_: ImageSet, *, has_curves: bool) -> Comparison:
    """The same as an answer."""
    models_ = [_evaluation(found, score, set_, has_curves) for score in found.scores]
    highest = max((entry.macro_f1 for entry in models_ if entry.macro_f1 is not None), default=None)
    best = [entry.version for entry in models_ if highest is not None and entry.macro_f1 == highest]
    return Comparison(best=best[0] if len(best) == 1 else None, models=models_)


def _evaluation(found: evaluation.Comparison, score: Score, set_: ImageSet, has_curves: bool) -> Evaluation:
    quotients = precision_recall_f1(score.counts)
    total = score.counts.sum(axis=0)
    return Evaluation(
        model_id=score.model.id,
        version=score.model.version,
        set=set_,
        min_confidence=score.min_confidence,
        macro_f1=_quotient(macro_f1(score.counts)),
        mean_average_precision=_mean(score.averages),
        total=Counts(**_counts(total, precision_recall_f1(total)[0])),
        categories=[
            CategoryScore(
                id=row.id,
                name=row.name,
                type=CategoryType(row.type),
                average_precision=_quotient(average),
                curve=_curve(curve) if has_curves and not math.isnan(average) else None,
                **_counts(counts, worth),
            )
            for row, counts, worth, average, curve in zip(
                found.categories, score.counts, quotients, score.averages.tolist(), score.curves, strict=True
            )
        ],
        ignored_detections=score.ignored,
        images=EvaluatedImages(
            in_set=found.image_count,
            compared=found.compared_count,
            looked_at=score.seen_count,
            without_detections=score.blank_count,
            is_limited=found.is_limited,
        ),
    )


def _counts(counts: Any, worth: Any) -> dict[str, Any]:
    names = ("precision", "recall", "f1")
    return dict(zip(("tp", "fp", "fn"), counts.tolist(), strict=True)) | {
        name: _quotient(value) for name, value in zip(names, worth.tolist(), strict=True)
    }


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _curve(curve: PrecisionRecall) -> Curve:
    """The curve with not too many places, its ends among them."""
    count = len(curve.recall)
    kept = np.unique(np.linspace(0, count - 1, min(count, MOST_PLACES)).round().astype(int))
    parts = {"confidence": curve.confidences, "precision": curve.precision, "recall": curve.recall}
    return Curve(**{name: values[kept].round(4).tolist() for name, values in parts.items()})


def _quotient(value: float) -> float | None:
    return None if math.isnan(value) else value
