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
    MetaData,
    String,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


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
    """Somebody who can log in. `role` is one of `Role`."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    role: Mapped[str]
    created: Mapped[datetime]


class SessionRow(Table):
    """A login. Only a hash of the token is kept: who reads the database cannot use it."""

    __tablename__ = "sessions"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created: Mapped[datetime]
    expires: Mapped[datetime] = mapped_column(index=True)


class ProjectRow(Table):
    """A project of an organization; `name` is its id on the wire."""

    __tablename__ = "projects"
    __table_args__ = (UniqueConstraint("organization", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    organization: Mapped[str]
    name: Mapped[str]
    created: Mapped[datetime]


class CategoryRow(Table):
    """A category of a project; the ids are unique within it."""

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


class ImageRow(Table):
    """An image. `sha256` finds its content among the blobs; `width` and `height` are those of the upright image."""

    __tablename__ = "images"
    __table_args__ = (
        UniqueConstraint("project_id", "idempotency_key"),
        Index(None, "project_id", "state", "received"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
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
    received: Mapped[datetime]
    tags: Mapped[list[Any]]


class DetectionRow(Table):
    """What a model found in an image. `geometry` holds the numbers or the shape, as received."""

    __tablename__ = "detections"
    __table_args__ = (Index(None, "image_id", "model_name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[str] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"))
    kind: Mapped[str]
    category_name: Mapped[str]
    category_id: Mapped[str | None]
    model_name: Mapped[str]
    confidence: Mapped[float] = mapped_column(Double)
    geometry: Mapped[dict[str, Any]]


class AnnotationRow(Table):
    """What a person, or a program in a person's place, says is in an image."""

    __tablename__ = "annotations"

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[str] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    category_name: Mapped[str]
    category_id: Mapped[str | None]
    geometry: Mapped[dict[str, Any]]


class ModelRow(Table):
    """A model; one per version. `information` is what its first `model.json` said beyond what the loop knows itself."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("project_id", "version"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    version: Mapped[str]
    host: Mapped[str]
    comment: Mapped[str]
    created: Mapped[datetime]
    information: Mapped[dict[str, Any]]


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
    """The model that the detectors of a project should run."""

    __tablename__ = "deployments"

    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    changed: Mapped[datetime]


class DetectorRow(Table):
    """The last thing that a detector said about itself."""

    __tablename__ = "detectors"

    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    received: Mapped[datetime]
    status: Mapped[dict[str, Any]]
