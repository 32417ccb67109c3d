"""How far a training is, what it used and when it shall run; the kinds of files it makes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# frozen here: what jobs/tables.py says today must not change what this revision did
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
KINDS = (
    "'source', 'script', 'render', 'chapter', 'book', "
    "'recording', 'features', 'checkpoint', 'voice', 'report', 'plot', 'preview', 'evaluation'"
)


def upgrade() -> None:
    # may be null, and have no default: neither database rewrites its rows, and an older worker may go on
    for name in ("training", "energy", "hours"):
        op.add_column("jobs", sa.Column(name, JSON, nullable=True))
    with op.batch_alter_table("artefacts") as artefacts:
        if op.get_bind().dialect.name == "postgresql":  # SQLite's copy of the table comes without the CHECK
            artefacts.drop_constraint(op.f("ck_artefacts_kind"), type_="check")
        artefacts.create_check_constraint(op.f("ck_artefacts_kind"), f"kind IN ({KINDS})")
