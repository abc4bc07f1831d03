"""Trainings of a project: asked for, watched, ended, repeated. Only our own loop runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import uuid4

from ..data_classes import Category
from ..data_classes.codec import from_dict
from ..errors import LoopUnreachableError, TransferBrokenError
from .place import Place, entries_of

PAGE = 100
TRIES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class NewTraining:
    """A training to ask for. It is given to the next idle trainer that fits, and waits until there is one.

    `trainer` (an id) or `architecture` say which one that is; one that names its variants has to offer this one. With
    `base_model` (a version or an id) it goes on from that model. Without `category_ids` it is about all categories. The
    key lets the loop recognise a repetition.
    """

    model_variant: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    architecture: str | None = None
    trainer: str | None = None
    base_model: str | None = None
    category_ids: Sequence[str] | None = None
    description: str | None = None
    idempotency_key: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingChanges:
    """What is to be different when a training is done again; None leaves it as it was.

    Of `hyperparameters`, those that are given replace the former ones of their names, and None removes one. `without`
    names fields that the new training is not to have: `base_model`, `trainer`, `architecture`, `category_ids` (it is
    then about all categories), `description`.
    """

    model_variant: str | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    architecture: str | None = None
    trainer: str | None = None
    base_model: str | None = None
    category_ids: Sequence[str] | None = None
    description: str | None = None
    without: Sequence[str] = ()

    def as_body(self) -> dict[str, Any]:
        """What the loop is told: what is left as it was is not there, what is not to be is null."""
        given = {name: value for name, value in asdict(self).items() if name != "without" and value not in (None, {})}
        return given | dict.fromkeys(self.without)


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseModel:
    """The model from which a training goes on."""

    id: str
    version: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedModel:
    """What came out of a training, as soon as there are files of it."""

    id: str
    version: str | None = None
    formats: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainerOfTraining:
    """The trainer that has a training, or had it."""

    id: str
    name: str = ""
    is_connected: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingEntry:
    """A training as it stands. `state` is one of `TrainingState`.

    `trainer_state`, `progress` (of the present step, 0 to 1) and `errors` are what its trainer said last; `error` is
    why it failed. `waiting_for` says, while it is queued, why it is with no trainer; `notice` what went wrong on the
    way although it goes on or has finished, or that its trainer is away: both are sentences for people.
    `confusion_matrix` has the last counts (`tp`, `fp`, `fn`) by the ids of categories.
    """

    number: int
    id: str
    state: str
    model_variant: str
    created: str
    waiting_for: str | None = None
    notice: str | None = None
    trainer_state: str | None = None
    progress: float | None = None
    errors: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    architecture: str | None = None
    wanted_trainer: str | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    categories: list[Category] = field(default_factory=list)
    base_model: BaseModel | None = None
    trainer: TrainerOfTraining | None = None
    model: TrainedModel | None = None
    train_image_count: int | None = None
    test_image_count: int | None = None
    best_epoch: int | None = None
    confusion_matrix: dict[str, Any] | None = None
    refusals: int = 0
    retry_of: int | None = None
    description: str | None = None
    created_by: str | None = None
    started: str | None = None
    ended: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingMetric:
    """What a trainer counted after an epoch, on its test images."""

    moment: str
    epoch: int | None = None
    confusion_matrix: dict[str, Any] = field(default_factory=dict)
    train_image_count: int | None = None
    test_image_count: int | None = None
    hyperparameters: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingLog:
    """The end of a log; the whole of it has `size_bytes`."""

    text: str
    size_bytes: int


class Trainings:
    """The trainings of a project, by their numbers."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def start(self, new: NewTraining) -> TrainingEntry:
        """Queue a training; a lost answer is asked for again, which starts no second one.

        Raises what the loop refuses: no images, a category without annotations, an unknown base model, …
        """
        body = {name: value for name, value in asdict(new).items() if value is not None}
        for left in reversed(range(TRIES)):
            try:
                return _entry(await self._place.http.json("POST", self._place.path("/trainings"), json=body))
            except (LoopUnreachableError, TransferBrokenError):
                if not left:
                    raise
        raise AssertionError("unreachable")

    async def list(self, limit: int | None = None) -> Sequence[TrainingEntry]:
        """The newest first; all of them, or so many."""
        found: list[TrainingEntry] = []
        before: int | None = None
        while limit is None or len(found) < limit:
            parameters = {"limit": PAGE if limit is None else min(PAGE, limit - len(found))}
            if before is not None:
                parameters["before"] = before
            answer = await self._place.http.json("GET", self._place.path("/trainings"), params=parameters)
            found += map(_entry, entries_of(answer, "trainings"))
            before = answer.get("next")
            if before is None:
                break
        return found

    async def get(self, number: int) -> TrainingEntry:
        return _entry(await self._place.http.json("GET", self._path(number)))

    async def metrics(self, number: int) -> Sequence[TrainingMetric]:
        """What was counted, epoch by epoch."""
        answer = await self._place.http.json("GET", self._path(number, "/metrics"))
        return [from_dict(TrainingMetric, entry) for entry in entries_of(answer, "epochs")]

    async def log(self, number: int) -> TrainingLog:
        """The end of the log, as its trainer has sent it."""
        return from_dict(TrainingLog, await self._place.http.json("GET", self._path(number, "/log")))

    async def stop(self, number: int) -> TrainingEntry:
        """End it early, and keep the best model so far."""
        return _entry(await self._place.http.json("POST", self._path(number, "/stop")))

    async def abort(self, number: int) -> TrainingEntry:
        """End it, and throw away what it has."""
        return _entry(await self._place.http.json("POST", self._path(number, "/abort")))

    async def retry(self, number: int, changes: TrainingChanges | None = None) -> TrainingEntry:
        """Queue a new training that asks for the same as this one, which has ended, except for the changes."""
        body = changes.as_body() if changes is not None else {}
        return _entry(await self._place.http.json("POST", self._path(number, "/retry"), json=body))

    def _path(self, number: int, rest: str = "") -> str:
        return self._place.path(f"/trainings/{number}{rest}")


def _entry(answer: Any) -> TrainingEntry:
    return from_dict(TrainingEntry, answer)
