"""What trainings were reported of that could not be counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("trainings", sa.Column("uncounted", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("trainings", "uncounted")
