"""Jobs that write a voice's files out, and jobs that bring published weights onto the shelf."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# frozen here: what jobs/tables.py says today must not change what this revision did
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
JOB_KIND = "kind IN ('narration', 'training', 'export', 'pull')"
STEP_KIND = (
    "kind IN ('plan', 'synthesize', 'master', 'bind', 'prepare', 'train', 'publish', 'export', 'pull')"
)
ENDED = "(state IN ('succeeded', 'failed', 'cancelled')) = (ended_at IS NOT NULL)"
OTHERS = {
    "jobs": {
        "ended": ENDED,
        "state": "state IN ('queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled')",
        "done": "n_utterances_done BETWEEN 0 AND n_utterances",
    },
    "steps": {
        "lease": "(state = 'leased') = (lease_until IS NOT NULL)",
        "owner": "(state = 'leased') = (owner IS NOT NULL)",
        "ended": ENDED,
        "ready": "state <> 'ready' OR ready_at IS NOT NULL",
        "state": "state IN ('blocked', 'ready', 'leased', 'succeeded', 'failed', 'cancelled')",
        "attempt": "attempt BETWEEN 0 AND epoch",
    },
}
"""The CHECKs that stay as they are, by name: SQLite's copy of a table comes without any."""
PARTIAL = {
    "ix_steps_leased": (["id"], "state = 'leased'"),
    "ix_steps_ready": (["kind", sa.text("priority DESC"), "id"], "state = 'ready'"),
    "ix_steps_ready_weights": (["weights_digest", sa.text("priority DESC"), "id"], "state = 'ready'"),
}
"""SQLite tells no expressions of an index: a copy would lack these."""


def upgrade() -> None:
    # may be null, and has no default: neither database rewrites its rows. An older worker claims none of the
    # new kinds; an older server cannot show such a job, so renew the servers before anybody asks for one.
    op.add_column("jobs", sa.Column("pull", JSON, nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SET LOCAL statement_timeout = '120s'")  # each CHECK reads its table once
        for table, check in (("jobs", JOB_KIND), ("steps", STEP_KIND)):
            op.drop_constraint(op.f(f"ck_{table}_kind"), table, type_="check")
            op.create_check_constraint(op.f(f"ck_{table}_kind"), table, check)
        return
    for name in PARTIAL:
        op.drop_index(name, "steps")
    for table, check in (("jobs", JOB_KIND), ("steps", STEP_KIND)):
        with op.batch_alter_table(table, recreate="always") as copied:
            for name, condition in {"kind": check, **OTHERS[table]}.items():
                copied.create_check_constraint(op.f(f"ck_{table}_{name}"), condition)
    for name, (columns, condition) in PARTIAL.items():
        op.create_index(name, "steps", columns, sqlite_where=sa.text(condition))
