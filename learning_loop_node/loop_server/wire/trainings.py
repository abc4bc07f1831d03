"""Trainings: what is asked for, how they stand, and what trainers report of them."""

from __future__ import annotations

import math
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from ...api.field_texts import field_text
from ...enums import TrainingState
from ...errors import InvalidRequestError
from .ground import Asked, LongText, Properties, ShortText, Whole, Wire
from .nodes import NodeId
from .projects import CategoryId, ModelCategory

MOST_CATEGORIES = 10_000
LONGEST_LOG = 64 * 1024

Name = Annotated[str, Field(min_length=1, max_length=256)]


# --- what people ask for


def _fit(hyperparameters: dict[str, Any]) -> dict[str, Any]:
    """Refuse what no training can do; what else there is, trainers know."""
    for name, value in hyperparameters.items():
        _refuse_infinite(name, value)
    for name, kinds in (("resolution", int), ("batch_size", int), ("max_batch_size", int), ("epochs", int | float)):
        value = hyperparameters.get(name)
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool) or value <= 0):
            what = "whole number" if kinds is int else "number"
            raise ValueError(f"{name} must be a {what} above 0, not {value!r}")
    for name, value in hyperparameters.items():
        if name.endswith(("_thres", "_threshold")) and not (_is_number(value) and 0 <= value <= 1):
            raise ValueError(f"{name} must be a number from 0 to 1, not {value!r}")
        other = f"max_{name.removeprefix('min_')}"
        highest = hyperparameters.get(other)
        if name.startswith("min_") and _is_number(value) and _is_number(highest) and value > highest:
            raise ValueError(f"{name} is {value} and {other} only {highest}; they contradict each other")
    switch = hyperparameters.get("compute_validation_set")
    if switch is not None and not isinstance(switch, bool):
        raise ValueError(f"compute_validation_set must be true or false, not {switch!r}")
    return hyperparameters


def _refuse_infinite(name: str, value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, not {value}")
    for entry in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _refuse_infinite(name, entry)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


Hyperparameters = Annotated[Properties, AfterValidator(_fit)]


class NewTraining(Asked):
    """A training to queue. It is given to the next idle trainer that fits.

    `trainer` (an id) or `architecture` say which one that is; one that names its variants has to offer this one. With
    `base_model` (a version or an id) it goes on from that model, without it begins anew. Without `category_ids` it is
    about all categories of the project. The same `idempotency_key` makes no second training.
    """

    model_variant: Name
    hyperparameters: Hyperparameters = {}
    architecture: Name | None = None
    trainer: NodeId | None = None
    base_model: Name | None = None
    category_ids: list[CategoryId] | None = Field(default=None, min_length=1, max_length=MOST_CATEGORIES)
    description: LongText | None = None
    idempotency_key: Name | None = None


class TrainingChanges(Asked):
    """What is to be different when a training is done again: any field of a new one, null for none.

    Of `hyperparameters`, those that are given replace the former ones of their names, and null removes one.
    """

    model_variant: Name | None = None
    hyperparameters: Properties | None = None
    architecture: Name | None = None
    trainer: NodeId | None = None
    base_model: Name | None = None
    category_ids: list[CategoryId] | None = Field(default=None, min_length=1, max_length=MOST_CATEGORIES)
    description: LongText | None = None

    def applied_to(self, former: NewTraining) -> NewTraining:
        """The former training with what is given; raises `InvalidRequestError` if the two do not go together."""
        given = self.model_dump(exclude_unset=True)
        if self.model_variant is None:
            given.pop("model_variant", None)
        changes = given.pop("hyperparameters", None) or {}
        known = former.hyperparameters | changes
        given["hyperparameters"] = {
            name: value for name, value in known.items() if changes.get(name, value) is not None
        }
        try:
            return NewTraining.model_validate(former.model_dump() | given)
        except ValidationError as error:
            told = "; ".join(field_text(dict(entry)) for entry in error.errors())
            raise InvalidRequestError(told) from error


class NewLog(Wire):
    """The end of a log. `size_bytes` is how long the whole is; without it, as long as this."""

    text: str = Field(max_length=LONGEST_LOG)
    size_bytes: int | None = Field(default=None, ge=0, le=2**53)


# --- how they stand


class BaseModelPlace(Wire):
    """The model from which a training goes on."""

    id: str
    version: str | None


class TrainerPlace(Wire):
    """The trainer that has a training, or had it."""

    id: str
    name: str
    is_connected: bool


class TrainedModel(BaseModelPlace):
    """What came out of a training, as soon as there are files of it."""

    formats: list[str]


class TrainingRecord(Wire):
    """A training. `trainer_state` and `errors` are what its trainer said last, `error` is why it failed."""

    number: int
    id: str
    state: TrainingState
    waiting_for: str | None = Field(description="While it is queued: why it is with no trainer, in one sentence.")
    notice: str | None = Field(
        description="What went wrong on the way although it goes on or has finished, or that its trainer is away."
    )
    trainer_state: str | None
    progress: float | None = Field(description="Of the present step, from 0 to 1, if the trainer says so.")
    errors: dict[str, Any]
    error: str | None
    model_variant: str
    architecture: str | None = Field(description="That of its trainer or, before it has one, the one that is wanted.")
    wanted_trainer: str | None
    hyperparameters: dict[str, Any]
    categories: list[ModelCategory]
    base_model: BaseModelPlace | None
    trainer: TrainerPlace | None
    model: TrainedModel | None
    train_image_count: int | None
    test_image_count: int | None
    best_epoch: int | None
    confusion_matrix: dict[str, Any] | None = Field(description="The last one, by the ids of categories.")
    refusals: int = Field(description="How often a trainer did not take it.")
    retry_of: int | None
    description: str | None
    created: str
    created_by: str | None
    started: str | None
    ended: str | None


class ChartPoint(Wire):
    """A model in a chart."""

    model_id: str
    version: str
    created: str


class Chart(Wire):
    """Models that belong together, the newest first."""

    data: list[ChartPoint]


class TrainingPage(Wire):
    """Trainings, the newest first, and the models of the project as charts.

    `next` is to be given as `before` for earlier ones; null at the end.
    """

    charts: list[Chart]
    trainings: list[TrainingRecord]
    next: int | None


class Epoch(Wire):
    """A state of a training, as its trainer reported it."""

    moment: str
    epoch: int | None
    confusion_matrix: dict[str, Any]
    train_image_count: int
    test_image_count: int
    hyperparameters: dict[str, Any] | None = Field(description="Only where the trainer has changed them.")


class TrainingMetrics(Wire):
    epochs: list[Epoch]


class TrainingLog(Wire):
    """The end of a log; the whole of it has `size_bytes`."""

    text: str
    size_bytes: int


# --- what trainers report


def _counted(matrix: Any) -> Any:
    return {} if matrix is None else matrix


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


CountOfImages = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=2**53)]
Count = Annotated[int | float, BeforeValidator(_whole), Field(ge=0, le=2**53)]


class ConfusionCounts(Wire):
    """True positives, false positives and false negatives of a category."""

    tp: Count = 0
    fp: Count = 0
    fn: Count = 0


ReportedCounts = Annotated[dict[ShortText, Any], BeforeValidator(_counted), Field(max_length=MOST_CATEGORIES)]
"""By the ids of categories; each is read as `ConfusionCounts` where it is kept, so that a wrong one costs no other."""


class TrainingReport(Wire):
    """What a trainer says of its best model so far; `confusion_matrix` has counts by the ids of categories."""

    trainer_id: NodeId
    trainer_name: ShortText | None = None
    confusion_matrix: ReportedCounts = {}
    train_image_count: CountOfImages | None = None
    test_image_count: CountOfImages | None = None
    hyperparameters: Properties | None = None
    best_epoch: Annotated[Whole | None, BeforeValidator(_whole)] = None


class ModelReport(Wire):
    """What a trainer of 0.3.2 says of a new model, whose files it sends when it is asked to."""

    id: UUID
    confusion_matrix: ReportedCounts = {}
    parent_id: ShortText | None = None
    train_image_count: CountOfImages | None = None
    test_image_count: CountOfImages | None = None
    trainer_id: NodeId | None = None
