"""What workers count, for /metrics."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # a worker older than this counts nothing; a server older than this does not ask
    op.create_table(
        "counts",
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("label", sa.String(40), nullable=False),
        sa.Column("amount", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("name", "label", name="pk_counts"),
    )
