"""Trainings with what is reported of them, where models come from, and what converters do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("projects", sa.Column("deploy_rule", sa.JSON(), nullable=True))
    op.add_column("annotations", sa.Column("origin", sa.String(), nullable=True))
    op.add_column("models", sa.Column("parent_id", sa.String(), nullable=True))
    op.add_column("models", sa.Column("training_number", sa.Integer(), nullable=True))
    op.add_column("models", sa.Column("confusion", sa.JSON(), nullable=True))
    op.add_column("models", sa.Column("deployment_decision", sa.String(), nullable=True))
    _create_trainings()
    _create_training_metrics()
    _create_conversions()
    _create_blanks()


def _create_trainings() -> None:
    op.create_table(
        "trainings",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("model_variant", sa.String(), nullable=False),
        sa.Column("architecture", sa.String(), nullable=True),
        sa.Column("wanted_trainer", sa.String(), nullable=True),
        sa.Column("base_model_id", sa.String(), nullable=True),
        sa.Column("hyperparameters", sa.JSON(), nullable=False),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("retry_of", sa.Integer(), nullable=True),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=True),
        sa.Column("refusals", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("trainer_id", sa.String(), nullable=True),
        sa.Column("trainer_name", sa.String(), nullable=True),
        sa.Column("trainer_architecture", sa.String(), nullable=True),
        sa.Column("trainer_state", sa.String(), nullable=True),
        sa.Column("offered", sa.DateTime(), nullable=True),
        sa.Column("started", sa.DateTime(), nullable=True),
        sa.Column("ended", sa.DateTime(), nullable=True),
        sa.Column("progress", sa.Double(), nullable=True),
        sa.Column("errors", sa.JSON(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("model_id", sa.String(), nullable=True),
        sa.Column("model_version", sa.String(), nullable=True),
        sa.Column("train_image_count", sa.Integer(), nullable=True),
        sa.Column("test_image_count", sa.Integer(), nullable=True),
        sa.Column("best_epoch", sa.Integer(), nullable=True),
        sa.Column("confusion", sa.JSON(), nullable=True),
        sa.Column("log", sa.String(), nullable=True),
        sa.Column("log_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        _reference("trainings", "project_id", "projects.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trainings")),
        sa.UniqueConstraint("project_id", "number", name=op.f("uq_trainings_project_id_number")),
        sa.UniqueConstraint("project_id", "idempotency_key", name=op.f("uq_trainings_project_id_idempotency_key")),
    )
    _index("trainings", "state")
    _index("trainings", "model_id")


def _create_training_metrics() -> None:
    op.create_table(
        "training_metrics",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("training_id", sa.String(), nullable=False),
        sa.Column("moment", sa.DateTime(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("confusion", sa.JSON(), nullable=False),
        sa.Column("train_image_count", sa.Integer(), nullable=False),
        sa.Column("test_image_count", sa.Integer(), nullable=False),
        sa.Column("hyperparameters", sa.JSON(), nullable=True),
        _reference("training_metrics", "training_id", "trainings.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_metrics")),
    )
    _index("training_metrics", "training_id", "id")


def _create_conversions() -> None:
    op.create_table(
        "conversions",
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("node", sa.String(), nullable=True),
        sa.Column("node_id", sa.String(), nullable=True),
        sa.Column("converter", sa.String(), nullable=True),
        sa.Column("source_format", sa.String(), nullable=True),
        sa.Column("source_sha256", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("changed", sa.DateTime(), nullable=False),
        _reference("conversions", "model_id", "models.id"),
        sa.PrimaryKeyConstraint("model_id", "format", name=op.f("pk_conversions")),
    )


def _create_blanks() -> None:
    op.create_table(
        "blanks",
        sa.Column("image_number", SERIAL, nullable=False),
        sa.Column("model_name", sa.String(), nullable=False),
        _reference("blanks", "image_number", "images.number"),
        sa.PrimaryKeyConstraint("image_number", "model_name", name=op.f("pk_blanks")),
        sqlite_with_rowid=False,
    )


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE")


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))


def downgrade() -> None:
    raise NotImplementedError(
        "the former tables cannot hold what is in these; put back the copy of the database that was made before"
    )
