"""When the window of an off-peak step closes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # may be null, and has no default: neither database rewrites its rows. An older worker takes such a step
    # whenever it is ready, so the window holds only once all workers are of this version.
    op.add_column("steps", sa.Column("closes_at", sa.Float(53), nullable=True))
