"""What is doubtful about a take."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# frozen here: what jobs/tables.py says today must not change what this revision did
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    # may be null, and has no default: neither database rewrites its rows, and an older worker may go on
    op.add_column("takes", sa.Column("doubts", JSON, nullable=True))
