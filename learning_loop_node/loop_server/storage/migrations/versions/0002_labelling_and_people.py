"""Images in the order of their arrival, with versions and facets; annotations with ids; people and tokens."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MADE_ANEW = ("detections", "annotations", "deployments", "images")
"""In the order in which they can be dropped."""


def upgrade() -> None:
    for table in MADE_ANEW:
        op.execute(f"CREATE TABLE former_{table} AS SELECT * FROM {table}")
        op.drop_table(table)
    op.add_column("projects", sa.Column("deleted", sa.DateTime(), nullable=True))
    op.add_column("projects", _version())
    op.add_column("projects", sa.Column("description", sa.String(), nullable=True))
    op.add_column("categories", _version())
    op.add_column("categories", sa.Column("properties", sa.JSON(), server_default=sa.text("'{}'"), nullable=False))
    _create_images()
    _create_facets()
    _create_findings()
    _create_deployments()
    _create_people()
    op.add_column("detectors", sa.Column("first_seen", sa.DateTime(), nullable=True))
    op.add_column("detectors", sa.Column("gaps", sa.JSON(), server_default=sa.text("'[]'"), nullable=False))
    op.execute("UPDATE detectors SET first_seen = received")
    _fill()
    for table in MADE_ANEW:
        op.drop_table(f"former_{table}")


def _create_images() -> None:
    op.create_table(
        "images",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=True),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("set", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("created", sa.String(), nullable=True),
        sa.Column("taken", sa.DateTime(), nullable=False),
        sa.Column("received", sa.DateTime(), nullable=False),
        sa.Column("changed", sa.DateTime(), nullable=False),
        sa.Column("user", sa.String(), nullable=True),
        sa.Column("deleted", sa.DateTime(), nullable=True),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("properties", sa.JSON(), nullable=False),
        _reference("images", "project_id", "projects.id"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_images")),
        sa.UniqueConstraint("project_id", "id", name=op.f("uq_images_project_id_id")),
        sa.UniqueConstraint("project_id", "idempotency_key", name=op.f("uq_images_project_id_idempotency_key")),
        sqlite_autoincrement=True,
    )
    _index("images", "sha256")
    _index("images", "deleted")
    _index("images", "project_id", "number")
    _index("images", "project_id", "received")
    _index("images", "project_id", "changed", "number")
    _index("images", "project_id", "taken", "number")
    _index("images", "project_id", "name")


def _create_facets() -> None:
    op.create_table(
        "facets",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        _reference("facets", "project_id", "projects.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_facets")),
        sa.UniqueConstraint("project_id", "kind", "value", name=op.f("uq_facets_project_id_kind_value")),
    )
    op.create_table(
        "image_facets",
        sa.Column("facet_id", SERIAL, nullable=False),
        sa.Column("image_number", SERIAL, nullable=False),
        _reference("image_facets", "facet_id", "facets.id"),
        _reference("image_facets", "image_number", "images.number"),
        sa.PrimaryKeyConstraint("facet_id", "image_number", name=op.f("pk_image_facets")),
        sqlite_with_rowid=False,
    )
    _index("image_facets", "image_number")


def _create_findings() -> None:
    op.create_table(
        "detections",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("image_number", SERIAL, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("category_name", sa.String(), nullable=False),
        sa.Column("category_id", sa.String(), nullable=True),
        sa.Column("model_name", sa.String(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("geometry", sa.JSON(), nullable=False),
        _reference("detections", "image_number", "images.number"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_detections")),
    )
    _index("detections", "image_number", "model_name")
    op.create_table(
        "annotations",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("image_number", SERIAL, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("category_name", sa.String(), nullable=False),
        sa.Column("category_id", sa.String(), nullable=True),
        sa.Column("geometry", sa.JSON(), nullable=False),
        sa.Column("properties", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.Column("changed", sa.DateTime(), nullable=False),
        sa.Column("user", sa.String(), nullable=True),
        _reference("annotations", "project_id", "projects.id"),
        _reference("annotations", "image_number", "images.number"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_annotations")),
        sa.UniqueConstraint("project_id", "id", name=op.f("uq_annotations_project_id_id")),
    )
    _index("annotations", "image_number")
    _index("annotations", "project_id", "category_id")


def _create_deployments() -> None:
    op.create_table(
        "deployments",
        sa.Column("number", SERIAL, nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("model_id", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("user", sa.String(), nullable=True),
        _reference("deployments", "project_id", "projects.id"),
        _reference("deployments", "model_id", "models.id"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_deployments")),
    )
    _index("deployments", "project_id", "number")


def _create_people() -> None:
    op.add_column("users", sa.Column("disabled", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "memberships",
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("organization", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        _reference("memberships", "user_id", "users.id"),
        sa.PrimaryKeyConstraint("user_id", "organization", name=op.f("pk_memberships")),
    )
    _index("memberships", "organization")
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=True),
        sa.Column("organization", sa.String(), nullable=True),
        sa.Column("project_id", sa.String(), nullable=True),
        sa.Column("role", sa.String(), nullable=True),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.Column("expires", sa.DateTime(), nullable=True),
        sa.Column("last_used", sa.DateTime(), nullable=True),
        _reference("tokens", "user_id", "users.id"),
        _reference("tokens", "project_id", "projects.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_tokens_token_hash")),
    )
    _index("tokens", "user_id")
    _index("tokens", "project_id")


def _fill() -> None:
    """Put back what was there."""
    kept = "id, project_id, idempotency_key, sha256, format, size_bytes, width, height, source, created, received, tags"
    op.execute(
        f'INSERT INTO images ({kept}, "set", state, version, taken, changed, properties) '
        f"SELECT {kept}, \"set\", state, 1, received, received, '{{}}' FROM former_images ORDER BY received, id"
    )
    _fill_moments()
    found = "kind, category_name, category_id, model_name, confidence, geometry"
    op.execute(
        f"INSERT INTO detections (image_number, {found}) SELECT images.number, {_of('former_detections', found)} "
        "FROM former_detections JOIN images ON images.id = former_detections.image_id ORDER BY former_detections.id"
    )
    stated = "kind, category_name, category_id, geometry"
    op.execute(
        f"INSERT INTO annotations (id, project_id, version, image_number, {stated}, properties, created, changed) "
        f"SELECT {_made_id('former_annotations.id')}, images.project_id, 1, images.number, "
        f"{_of('former_annotations', stated)}, '{{}}', images.received, images.received FROM former_annotations "
        "JOIN images ON images.id = former_annotations.image_id ORDER BY former_annotations.id"
    )
    op.execute(
        "INSERT INTO deployments (project_id, model_id, since) "
        "SELECT project_id, model_id, changed FROM former_deployments"
    )
    _fill_facets("source", "images.source", "images", "images.source <> ''")
    joined = "detections JOIN images ON images.number = detections.image_number"
    _fill_facets("model", "detections.model_name", joined, "1 = 1")
    marked = (
        "(SELECT image_number, category_id FROM annotations UNION SELECT image_number, category_id FROM detections) "
        "AS marked JOIN images ON images.number = marked.image_number"
    )
    _fill_facets("category", "marked.category_id", marked, "marked.category_id <> ''")
    annotated = "EXISTS (SELECT 1 FROM annotations WHERE annotations.image_number = images.number)"
    _fill_facets("annotated", f"CASE WHEN {annotated} THEN 'yes' ELSE 'no' END", "images", "1 = 1")
    _fill_facets("state", "images.state", "images", "1 = 1")
    _fill_facets("set", 'images."set"', "images", "1 = 1")
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    entries = "json_each(images.tags) AS tag" if is_sqlite else "json_array_elements_text(images.tags) AS tag(value)"
    _fill_facets("tag", "tag.value", f"images, {entries}", "1 = 1")
    op.execute("UPDATE facets SET count = (SELECT count(*) FROM image_facets WHERE image_facets.facet_id = facets.id)")


def _fill_moments() -> None:
    """When images were taken, where their sender said it in a way that can be understood."""
    images = sa.table("images", sa.column("number"), sa.column("created"), sa.column("taken", sa.DateTime()))
    connection = op.get_bind()
    known = connection.execute(sa.select(images.c.number, images.c.created).where(images.c.created.is_not(None))).all()
    moments = [{"which": number, "moment": moment} for number, text in known if (moment := _moment_of(text))]
    update = sa.update(images).where(images.c.number == sa.bindparam("which")).values(taken=sa.bindparam("moment"))
    if moments:
        connection.execute(update, moments)


def _moment_of(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.replace("_", "T", 1))
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return None


def _fill_facets(kind: str, value: str, tables: str, condition: str) -> None:
    op.execute(
        f"INSERT INTO facets (project_id, kind, value, count) SELECT DISTINCT images.project_id, '{kind}', {value}, 0 "
        f"FROM {tables} WHERE {condition}"
    )
    op.execute(
        "INSERT INTO image_facets (facet_id, image_number) "
        f"SELECT DISTINCT facets.id, images.number FROM {tables}, facets WHERE {condition} "
        f"AND facets.project_id = images.project_id AND facets.kind = '{kind}' AND facets.value = {value}"
    )


def _of(table: str, columns: str) -> str:
    return ", ".join(f"{table}.{column}" for column in columns.split(", "))


def _made_id(number: str) -> str:
    """An id in the shape of a UUID; only new ones have to be hard to guess."""
    digits = (
        f"printf('%012d', {number})" if op.get_bind().dialect.name == "sqlite" else f"lpad({number}::text, 12, '0')"
    )
    return f"'00000000-0000-4000-8000-' || {digits}"


def _version() -> sa.Column[int]:
    return sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False)


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE")


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))


def downgrade() -> None:
    raise NotImplementedError(
        "the former tables cannot hold what is in these; put back the copy of the database that was made before"
    )
