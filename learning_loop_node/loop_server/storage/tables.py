"""All tables of the loop. Whoever changes them adds a step in `migrations/versions`; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SERIAL = BigInteger().with_variant(Integer, "sqlite")
"""Counts up by itself; SQLite does so for its own integers only."""

NOTHING = text("'{}'")
"""An empty JSON object, for the rows that were there before the column."""

EMPTY = text("'[]'")
"""An empty JSON list, likewise."""

NONE_YET = text("0")
"""Of what is counted, for the rows that were there before the column."""

MAYBE_JSON = JSON(none_as_null=True)
"""JSON, or nothing at all."""

FIRST = text("1")
"""The version of what has never been changed, for the rows that were there before the column."""


class UtcTime(TypeDecorator[datetime]):
    """A moment, kept without time zone as UTC, since SQLite knows none."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None else None


class Table(DeclarativeBase):
    """The base of all tables; constraints have names, so that later steps can change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {str: String(), datetime: UtcTime(), dict[str, Any]: JSON(), list[Any]: JSON()}


class UserRow(Table):
    """Somebody who can log in. `role` is what they are everywhere; their memberships say more."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    role: Mapped[str]
    disabled: Mapped[bool] = mapped_column(server_default=false())
    created: Mapped[datetime]


class SessionRow(Table):
    """A login. Only a hash of the token is kept: who reads the database cannot use it."""

    __tablename__ = "sessions"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created: Mapped[datetime]
    expires: Mapped[datetime] = mapped_column(index=True)


class MembershipRow(Table):
    """What a user is in an organization."""

    __tablename__ = "memberships"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    organization: Mapped[str] = mapped_column(primary_key=True, index=True)
    role: Mapped[str]


class TokenRow(Table):
    """A token that a program carries: in the name of a user, or as a node of an organization or of one project.

    `role` is `NODE`, or the most that a token of a user may be, None for all that the user is.
    """

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    organization: Mapped[str | None]
    project_id: Mapped[str | None] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    role: Mapped[str | None]
    made_by: Mapped[str]
    created: Mapped[datetime]
    expires: Mapped[datetime | None]
    last_used: Mapped[datetime | None]


class ProjectRow(Table):
    """A project of an organization; `name` is its id on the wire.

    `version` counts the changes of it and of its categories. One that is `deleted` waits for the end of its grace
    period under a name that no other project can have. `deploy_rule` says when a new model is deployed by itself.
    """

    __tablename__ = "projects"
    __table_args__ = (UniqueConstraint("organization", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    organization: Mapped[str]
    name: Mapped[str]
    created: Mapped[datetime]
    deleted: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default=FIRST)
    description: Mapped[str | None]
    deploy_rule: Mapped[dict[str, Any] | None] = mapped_column(MAYBE_JSON)


class CategoryRow(Table):
    """A category of a project; the ids are unique within it. `version` counts its changes."""

    __tablename__ = "categories"
    __table_args__ = (UniqueConstraint("project_id", "name"),)

    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    name: Mapped[str]
    type: Mapped[str]
    description: Mapped[str | None]
    hotkey: Mapped[str | None]
    color: Mapped[str | None]
    point_size: Mapped[int | None]
    properties: Mapped[dict[str, Any]] = mapped_column(server_default=NOTHING)
    version: Mapped[int] = mapped_column(server_default=FIRST)


class ImageRow(Table):
    """An image. `sha256` finds its content among the blobs; `width` and `height` are those of the upright image.

    `number` counts the images of all projects in their order of arrival, `version` the changes of this one and of its
    annotations; `user` made the last one, None without a login. `received` grows with the number within a project;
    `taken` is `created` as a moment, or `received` where that says nothing. One that is `deleted` waits for the end of
    its grace period.
    """

    __tablename__ = "images"
    __table_args__ = (
        UniqueConstraint("project_id", "id"),
        UniqueConstraint("project_id", "idempotency_key"),
        Index(None, "project_id", "number"),
        Index(None, "project_id", "received"),
        Index(None, "project_id", "changed", "number"),
        Index(None, "project_id", "taken", "number"),
        Index(None, "project_id", "name"),
        {"sqlite_autoincrement": True},
    )

    number: Mapped[int] = mapped_column(SERIAL, primary_key=True)
    id: Mapped[str]
    version: Mapped[int]
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    idempotency_key: Mapped[str | None]
    sha256: Mapped[str] = mapped_column(index=True)
    format: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int]
    height: Mapped[int]
    set: Mapped[str]
    state: Mapped[str]
    source: Mapped[str | None]
    created: Mapped[str | None]
    taken: Mapped[datetime]
    received: Mapped[datetime]
    changed: Mapped[datetime]
    user: Mapped[str | None]
    deleted: Mapped[datetime | None] = mapped_column(index=True)
    name: Mapped[str | None]
    tags: Mapped[list[Any]]
    properties: Mapped[dict[str, Any]]


class FacetRow(Table):
    """A value by which images can be found; `facets.py` says which there are.

    `count` is the number of images that have it, without those deleted.
    """

    __tablename__ = "facets"
    __table_args__ = (UniqueConstraint("project_id", "kind", "value"),)

    id: Mapped[int] = mapped_column(SERIAL, primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    kind: Mapped[str]
    value: Mapped[str]
    count: Mapped[int]


class ImageFacetRow(Table):
    """Which images have a facet, in the order of the images."""

    __tablename__ = "image_facets"
    __table_args__ = ({"sqlite_with_rowid": False},)

    facet_id: Mapped[int] = mapped_column(ForeignKey("facets.id", ondelete="CASCADE"), primary_key=True)
    image_number: Mapped[int] = mapped_column(
        ForeignKey("images.number", ondelete="CASCADE"), primary_key=True, index=True
    )


class DetectionRow(Table):
    """What a model found in an image. `geometry` holds the numbers or the shape, as received."""

    __tablename__ = "detections"
    __table_args__ = (Index(None, "image_number", "model_name"),)

    id: Mapped[int] = mapped_column(SERIAL, primary_key=True)
    image_number: Mapped[int] = mapped_column(ForeignKey("images.number", ondelete="CASCADE"))
    kind: Mapped[str]
    category_name: Mapped[str]
    category_id: Mapped[str | None]
    model_name: Mapped[str]
    confidence: Mapped[float] = mapped_column(Double)
    geometry: Mapped[dict[str, Any]]


class BlankRow(Table):
    """An image in which a model found nothing, although it looked: no detection says so."""

    __tablename__ = "blanks"
    __table_args__ = ({"sqlite_with_rowid": False},)

    image_number: Mapped[int] = mapped_column(ForeignKey("images.number", ondelete="CASCADE"), primary_key=True)
    model_name: Mapped[str] = mapped_column(primary_key=True)


class AnnotationRow(Table):
    """What a person, or a program in a person's place, says is in an image. `version` counts its changes.

    `number` is the order within the image; `user` is who said it last, None without a login. `category_name` counts
    only where the project has no category of this id: those of categories that it has follow their present names.
    `origin` names the tool that drew it.
    """

    __tablename__ = "annotations"
    __table_args__ = (UniqueConstraint("project_id", "id"), Index(None, "project_id", "category_id"))

    number: Mapped[int] = mapped_column(SERIAL, primary_key=True)
    id: Mapped[str]
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    version: Mapped[int]
    image_number: Mapped[int] = mapped_column(ForeignKey("images.number", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    category_name: Mapped[str]
    category_id: Mapped[str | None]
    geometry: Mapped[dict[str, Any]]
    properties: Mapped[dict[str, Any]]
    created: Mapped[datetime]
    changed: Mapped[datetime]
    user: Mapped[str | None]
    origin: Mapped[str | None]


class ModelRow(Table):
    """A model; one per version. `information` is what its first `model.json` said beyond what the loop knows itself.

    `parent_id` is the model from which its training went on, `training_number` that training; `confusion` has the
    counts that the trainer reported last, by category, `deployment_decision` what the project's rule made of it.
    """

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("project_id", "version"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    version: Mapped[str]
    host: Mapped[str]
    comment: Mapped[str]
    created: Mapped[datetime]
    information: Mapped[dict[str, Any]]
    parent_id: Mapped[str | None]
    training_number: Mapped[int | None]
    confusion: Mapped[dict[str, Any] | None] = mapped_column(MAYBE_JSON)
    deployment_decision: Mapped[str | None]


class ModelFormatRow(Table):
    """A model in one format: a flat zip among the blobs; `files` are the names in it."""

    __tablename__ = "model_formats"

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    format: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    files: Mapped[list[Any]]
    created: Mapped[datetime]


class DeploymentRow(Table):
    """The models that the detectors of a project should run, one after the other; the last one counts."""

    __tablename__ = "deployments"
    __table_args__ = (Index(None, "project_id", "number"),)

    number: Mapped[int] = mapped_column(SERIAL, primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    since: Mapped[datetime]
    user: Mapped[str | None]


class DetectorRow(Table):
    """The last thing that a detector said about itself; `gaps` are the seconds between its last reports."""

    __tablename__ = "detectors"

    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    first_seen: Mapped[datetime | None]
    received: Mapped[datetime]
    gaps: Mapped[list[Any]] = mapped_column(server_default=EMPTY)
    status: Mapped[dict[str, Any]]


class TrainingRow(Table):
    """A training: what was asked for, who works on it, and how far it is. `number` counts those of a project.

    `model_id` and `model_version` are taken for it once, and never given to another model, whether or not files come.
    `errors` are those that its trainer reported last while it worked, `error` is why it failed. `offered` is when it
    was given to the trainer last; `refusals` counts how often trainers did not take it. `uncounted` says which of the
    counts that were reported last are not kept. `log` is the end of the trainer's log, of which there are `log_bytes`.
    """

    __tablename__ = "trainings"
    __table_args__ = (
        UniqueConstraint("project_id", "number"),
        UniqueConstraint("project_id", "idempotency_key"),
        Index(None, "state"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    number: Mapped[int]
    idempotency_key: Mapped[str | None]
    state: Mapped[str]
    model_variant: Mapped[str]
    architecture: Mapped[str | None]
    wanted_trainer: Mapped[str | None]
    base_model_id: Mapped[str | None]
    hyperparameters: Mapped[dict[str, Any]]
    categories: Mapped[list[Any]]
    description: Mapped[str | None]
    retry_of: Mapped[int | None]
    created: Mapped[datetime]
    created_by: Mapped[str | None]
    refusals: Mapped[int] = mapped_column(server_default=NONE_YET)
    trainer_id: Mapped[str | None]
    trainer_name: Mapped[str | None]
    trainer_architecture: Mapped[str | None]
    trainer_state: Mapped[str | None]
    offered: Mapped[datetime | None]
    started: Mapped[datetime | None]
    ended: Mapped[datetime | None]
    progress: Mapped[float | None] = mapped_column(Double)
    errors: Mapped[dict[str, Any]] = mapped_column(server_default=NOTHING)
    error: Mapped[str | None]
    model_id: Mapped[str | None] = mapped_column(index=True)
    model_version: Mapped[str | None]
    train_image_count: Mapped[int | None]
    test_image_count: Mapped[int | None]
    best_epoch: Mapped[int | None]
    confusion: Mapped[dict[str, Any] | None] = mapped_column(MAYBE_JSON)
    uncounted: Mapped[str | None]
    log: Mapped[str | None] = mapped_column(deferred=True)
    log_bytes: Mapped[int] = mapped_column(BigInteger, server_default=NONE_YET)


class TrainingMetricRow(Table):
    """What a trainer reported of one training state: the counts by category after an epoch."""

    __tablename__ = "training_metrics"
    __table_args__ = (Index(None, "training_id", "id"),)

    id: Mapped[int] = mapped_column(SERIAL, primary_key=True)
    training_id: Mapped[str] = mapped_column(ForeignKey("trainings.id", ondelete="CASCADE"))
    moment: Mapped[datetime]
    epoch: Mapped[int | None]
    confusion: Mapped[dict[str, Any]]
    train_image_count: Mapped[int]
    test_image_count: Mapped[int]
    hyperparameters: Mapped[dict[str, Any] | None] = mapped_column(MAYBE_JSON)


class ConversionRow(Table):
    """What a converter did, or does, to give a model this format, from a source that it names with its hash.

    `node` is the converter's name and `node_id` its id; `converter` is the name and version of its logic. `code` is the
    name of the `error`.
    """

    __tablename__ = "conversions"

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    format: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    error: Mapped[str | None]
    code: Mapped[str | None]
    node: Mapped[str | None]
    node_id: Mapped[str | None]
    converter: Mapped[str | None]
    source_format: Mapped[str | None]
    source_sha256: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(server_default=NONE_YET)
    changed: Mapped[datetime]
