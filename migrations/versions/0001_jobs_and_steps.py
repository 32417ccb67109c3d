"""Jobs and steps, tenants and keys, artefacts and takes, events and deliveries."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# frozen here: what jobs/tables.py says today must not change what this revision did
JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ID = sa.String(26)
DIGEST = sa.String(64)
SECONDS = sa.Float(53)


def _where(condition: str) -> dict[str, Any]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def upgrade() -> None:
    op.create_table(
        "sweeps",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("swept_at", SECONDS, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sweeps")),
    )
    op.create_table(
        "tenants",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("webhook_secret", sa.String(length=100), nullable=False),
        sa.Column("max_open_jobs", sa.Integer(), nullable=True),
        sa.Column("max_characters_a_day", sa.BigInteger(), nullable=True),
        sa.Column("max_stored_bytes", sa.BigInteger(), nullable=True),
        sa.Column("created_at", SECONDS, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("name", name=op.f("uq_tenants_name")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", ID, nullable=False),
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("spec", JSON, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("n_characters", sa.BigInteger(), nullable=False),
        sa.Column("n_utterances", sa.Integer(), nullable=False),
        sa.Column("n_utterances_done", sa.Integer(), nullable=False),
        sa.Column("audio_seconds", SECONDS, nullable=False),
        sa.Column("error", JSON, nullable=True),
        sa.Column("created_at", SECONDS, nullable=False),
        sa.Column("started_at", SECONDS, nullable=True),
        sa.Column("ended_at", SECONDS, nullable=True),
        sa.CheckConstraint(
            "(state IN ('succeeded', 'failed', 'cancelled')) = (ended_at IS NOT NULL)",
            name=op.f("ck_jobs_ended"),
        ),
        sa.CheckConstraint("kind IN ('narration', 'training')", name=op.f("ck_jobs_kind")),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled')",
            name=op.f("ck_jobs_state"),
        ),
        sa.CheckConstraint("n_utterances_done BETWEEN 0 AND n_utterances", name=op.f("ck_jobs_done")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_jobs_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(op.f("ix_jobs_tenant_id_created_at"), "jobs", ["tenant_id", "created_at"])
    op.create_index(op.f("ix_jobs_tenant_id_id"), "jobs", ["tenant_id", "id"])
    op.create_index(op.f("ix_jobs_tenant_id_state_id"), "jobs", ["tenant_id", "state", "id"])
    op.create_table(
        "keys",
        sa.Column("id", ID, nullable=False),
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sha256", DIGEST, nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("created_at", SECONDS, nullable=False),
        sa.Column("expires_at", SECONDS, nullable=True),
        sa.Column("revoked_at", SECONDS, nullable=True),
        sa.Column("used_at", SECONDS, nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_keys_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keys")),
    )
    op.create_index(op.f("ix_keys_tenant_id"), "keys", ["tenant_id"])
    op.create_table(
        "artefacts",
        sa.Column("id", ROW, nullable=False),
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("sha256", DIGEST, nullable=False),
        sa.Column("n_bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("chapter_index", sa.Integer(), nullable=True),
        sa.Column("created_at", SECONDS, nullable=False),
        sa.CheckConstraint(
            "kind IN ('source', 'script', 'render', 'chapter', 'book')", name=op.f("ck_artefacts_kind")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_artefacts_job_id_jobs")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_artefacts_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artefacts")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_artefacts_tenant_id_key")),
    )
    op.create_index(op.f("ix_artefacts_job_id_name"), "artefacts", ["job_id", "name"])
    op.create_table(
        "deliveries",
        sa.Column("id", ID, nullable=False),
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("not_before", SECONDS, nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", SECONDS, nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'abandoned')", name=op.f("ck_deliveries_state")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_deliveries_job_id_jobs")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_deliveries_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(
        "ix_deliveries_waiting",
        "deliveries",
        ["not_before"],
        **_where("state = 'waiting'"),
    )
    op.create_table(
        "events",
        sa.Column("id", ROW, nullable=False),
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("step_id", ROW, nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("detail", JSON, nullable=False),
        sa.Column("at", SECONDS, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_events_job_id_jobs")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_events_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index(op.f("ix_events_job_id_id"), "events", ["job_id", "id"])
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_digest", DIGEST, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("created_at", SECONDS, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_idempotency_keys_job_id_jobs")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_idempotency_keys_tenant_id_tenants")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "chapters",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("n_characters", sa.Integer(), nullable=False),
        sa.Column("n_utterances", sa.Integer(), nullable=False),
        sa.Column("n_utterances_done", sa.Integer(), nullable=False),
        sa.Column("audio_seconds", SECONDS, nullable=False),
        sa.Column("script_id", ROW, nullable=False),
        sa.CheckConstraint("n_utterances_done BETWEEN 0 AND n_utterances", name=op.f("ck_chapters_done")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_chapters_job_id_jobs")),
        sa.ForeignKeyConstraint(
            ["script_id"], ["artefacts.id"], name=op.f("fk_chapters_script_id_artefacts")
        ),
        sa.PrimaryKeyConstraint("job_id", "index", name=op.f("pk_chapters")),
    )
    op.create_table(
        "takes",
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("render_id", ROW, nullable=False),
        sa.Column("first_sample", sa.BigInteger(), nullable=False),
        sa.Column("n_samples", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["render_id"], ["artefacts.id"], name=op.f("fk_takes_render_id_artefacts")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_takes_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("tenant_id", "digest", name=op.f("pk_takes")),
    )
    op.create_index(op.f("ix_takes_render_id"), "takes", ["render_id"])
    op.create_table(
        "steps",
        sa.Column("id", ROW, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("chapter_index", sa.Integer(), nullable=True),
        sa.Column("first_utterance", sa.Integer(), nullable=True),
        sa.Column("n_utterances", sa.Integer(), nullable=True),
        sa.Column("weights_digest", DIGEST, nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("not_before", SECONDS, nullable=False),
        sa.Column("releases_id", ROW, nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=True),
        sa.Column("lease_until", SECONDS, nullable=True),
        sa.Column("in_hand", sa.Integer(), nullable=True),
        sa.Column("suspects", JSON, nullable=False),
        sa.Column("error", JSON, nullable=True),
        sa.Column("result", JSON, nullable=True),
        sa.Column("ready_at", SECONDS, nullable=True),
        sa.Column("ended_at", SECONDS, nullable=True),
        sa.CheckConstraint("(state = 'leased') = (lease_until IS NOT NULL)", name=op.f("ck_steps_lease")),
        sa.CheckConstraint("(state = 'leased') = (owner IS NOT NULL)", name=op.f("ck_steps_owner")),
        sa.CheckConstraint(
            "(state IN ('succeeded', 'failed', 'cancelled')) = (ended_at IS NOT NULL)",
            name=op.f("ck_steps_ended"),
        ),
        sa.CheckConstraint(
            "kind IN ('plan', 'synthesize', 'master', 'bind', 'prepare', 'train', 'publish')",
            name=op.f("ck_steps_kind"),
        ),
        sa.CheckConstraint("state <> 'ready' OR ready_at IS NOT NULL", name=op.f("ck_steps_ready")),
        sa.CheckConstraint(
            "state IN ('blocked', 'ready', 'leased', 'succeeded', 'failed', 'cancelled')",
            name=op.f("ck_steps_state"),
        ),
        sa.CheckConstraint("attempt BETWEEN 0 AND epoch", name=op.f("ck_steps_attempt")),
        sa.ForeignKeyConstraint(
            ["job_id", "chapter_index"],
            ["chapters.job_id", "chapters.index"],
            name=op.f("fk_steps_job_id_chapter_index_chapters"),
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_steps_job_id_jobs")),
        sa.ForeignKeyConstraint(["releases_id"], ["steps.id"], name=op.f("fk_steps_releases_id_steps")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_steps_tenant_id_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_steps")),
        postgresql_with={"fillfactor": 70, "autovacuum_vacuum_scale_factor": 0.02},
    )
    op.create_index("ix_steps_job_id_state", "steps", ["job_id", "state"])
    op.create_index(
        "ix_steps_leased",
        "steps",
        ["id"],
        **_where("state = 'leased'"),
    )
    op.create_index(
        "ix_steps_ready",
        "steps",
        ["kind", sa.text("priority DESC"), "id"],
        **_where("state = 'ready'"),
    )
    op.create_index(
        "ix_steps_ready_weights",
        "steps",
        ["weights_digest", sa.text("priority DESC"), "id"],
        **_where("state = 'ready'"),
    )
    op.create_index("ix_steps_releases_id_state", "steps", ["releases_id", "state"])
