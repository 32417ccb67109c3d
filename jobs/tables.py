"""The rows. Only the ledger reads and writes them; everyone else gets the values of `jobs.ledger`.

Times are seconds since 1970 UTC by the database's clock. States are stored by value, as text with a CHECK,
so that a new one is a plain migration on both databases. Every row belongs to a tenant.
"""

from __future__ import annotations

import enum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from jobs.states import JobKind, JobState, StepKind, StepState

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
RowNumber = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts rows up only in INTEGER keys
Seconds = Float(53)
Id = String(26)
Digest = String(64)


def _one_of(column: str, values: type[enum.StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class Base(DeclarativeBase):
    """The tables' common metadata: every constraint has a name, so that migrations can find it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Tenant(Base):
    """Who jobs, voices and files belong to. Tenants never see each other."""

    __tablename__ = "tenants"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    webhook_secret: Mapped[str] = mapped_column(String(100))
    max_open_jobs: Mapped[int | None]
    max_characters_a_day: Mapped[int | None] = mapped_column(BigInteger)
    max_stored_bytes: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[float] = mapped_column(Seconds)


class Key(Base):
    """An API key. Only its hash is kept; the key itself is shown once."""

    __tablename__ = "keys"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey(Tenant.id))
    name: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(Digest)
    scopes: Mapped[list[str]] = mapped_column(Json)
    created_at: Mapped[float] = mapped_column(Seconds)
    expires_at: Mapped[float | None] = mapped_column(Seconds)
    revoked_at: Mapped[float | None] = mapped_column(Seconds)
    used_at: Mapped[float | None] = mapped_column(Seconds)
    __table_args__ = (Index(None, "tenant_id"),)


class Job(Base):
    """What a client asked for: a spec, a state, steps."""

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey(Tenant.id))
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    spec: Mapped[dict[str, Any]] = mapped_column(Json)
    title: Mapped[str] = mapped_column(Text, default="")
    priority: Mapped[int] = mapped_column(default=5)
    version: Mapped[int] = mapped_column(default=1)
    """Rises with every change a reader could see: the ETag."""
    n_characters: Mapped[int] = mapped_column(BigInteger, default=0)
    n_utterances: Mapped[int] = mapped_column(default=0)
    n_utterances_done: Mapped[int] = mapped_column(default=0)
    audio_seconds: Mapped[float] = mapped_column(Seconds, default=0.0)
    error: Mapped[dict[str, Any] | None] = mapped_column(Json)
    created_at: Mapped[float] = mapped_column(Seconds)
    started_at: Mapped[float | None] = mapped_column(Seconds)
    ended_at: Mapped[float | None] = mapped_column(Seconds)
    training: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """How far a training is, as `TrainingProgress`; null before its first update."""
    energy: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """What the job has used, as `Energy`; null while nothing was measured."""
    hours: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """The hours chosen for it, as `ChosenHours`; null if none were."""
    pull: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """How far a pull is, as `PullProgress`; null before it has begun, and of other jobs."""
    __table_args__ = (
        _one_of("kind", JobKind),
        _one_of("state", JobState),
        CheckConstraint(
            "(state IN ('succeeded', 'failed', 'cancelled')) = (ended_at IS NOT NULL)", name="ended"
        ),
        CheckConstraint("n_utterances_done BETWEEN 0 AND n_utterances", name="done"),
        Index(None, "tenant_id", "id"),
        Index(None, "tenant_id", "state", "id"),
        Index(None, "tenant_id", "created_at"),
    )


class IdempotencyKey(Base):
    """A client's Idempotency-Key, what it asked then and what it was answered."""

    __tablename__ = "idempotency_keys"
    tenant_id: Mapped[str] = mapped_column(ForeignKey(Tenant.id), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_digest: Mapped[str] = mapped_column(Digest)
    job_id: Mapped[str] = mapped_column(ForeignKey(Job.id))
    created_at: Mapped[float] = mapped_column(Seconds)


class Artefact(Base):
    """A stored file, from the source to the book or voice. What has no row here is rubbish."""

    __tablename__ = "artefacts"
    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey(Tenant.id))
    job_id: Mapped[str | None] = mapped_column(ForeignKey(Job.id))
    """The job that made it; renders outlive their job and serve later ones of the same tenant."""
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(Text)
    """Of what is downloaded: the name it is downloaded by, unique within its job."""
    key: Mapped[str] = mapped_column(String(300))
    sha256: Mapped[str] = mapped_column(Digest)
    n_bytes: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str] = mapped_column(String(100))
    chapter_index: Mapped[int | None]
    created_at: Mapped[float] = mapped_column(Seconds)
    __table_args__ = (
        CheckConstraint(
            "kind IN ('source', 'script', 'render', 'chapter', 'book', "
            "'recording', 'features', 'checkpoint', 'voice', 'report', 'plot', 'preview', 'evaluation')",
            name="kind",
        ),
        UniqueConstraint("tenant_id", "key"),
        Index(None, "job_id", "name"),
    )


class Chapter(Base):
    """A chapter of a narration, as it was planned."""

    __tablename__ = "chapters"
    job_id: Mapped[str] = mapped_column(ForeignKey(Job.id), primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 1, in the order of narration."""
    title: Mapped[str] = mapped_column(Text)
    n_characters: Mapped[int]
    n_utterances: Mapped[int]
    n_utterances_done: Mapped[int] = mapped_column(default=0)
    audio_seconds: Mapped[float] = mapped_column(Seconds, default=0.0)
    """Of the takes while they are made; of the master once it is."""
    script_id: Mapped[int] = mapped_column(RowNumber, ForeignKey(Artefact.id))
    __table_args__ = (CheckConstraint("n_utterances_done BETWEEN 0 AND n_utterances", name="done"),)


class Step(Base):
    """The one unit of leasing and retry."""

    __tablename__ = "steps"
    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey(Job.id))
    tenant_id: Mapped[str] = mapped_column(ForeignKey(Tenant.id))
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    chapter_index: Mapped[int | None]
    first_utterance: Mapped[int | None]
    """synthesize: the chunk is utterances `first_utterance` to `first_utterance + n_utterances - 1`."""
    n_utterances: Mapped[int | None]
    weights_digest: Mapped[str | None] = mapped_column(Digest)
    priority: Mapped[int] = mapped_column(default=5)
    not_before: Mapped[float] = mapped_column(Seconds, default=0.0)
    releases_id: Mapped[int | None] = mapped_column(RowNumber, ForeignKey("steps.id"))
    """The step that waits for this one and its like."""
    epoch: Mapped[int] = mapped_column(default=0)
    """The fencing number: how often the step has been claimed."""
    attempt: Mapped[int] = mapped_column(default=0)
    """Claims since it last got further; counted at the claim, so that a crash counts too."""
    owner: Mapped[str | None] = mapped_column(String(200))
    lease_until: Mapped[float | None] = mapped_column(Seconds)
    in_hand: Mapped[int | None]
    """The utterance being spoken, noted by a careful claim; what a crash leaves here is its suspect."""
    suspects: Mapped[dict[str, int]] = mapped_column(Json, default=dict)
    """Utterance index -> how many crashes it was in hand at."""
    error: Mapped[dict[str, Any] | None] = mapped_column(Json)
    result: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """What the step tells those after it: figures and artefacts."""
    ready_at: Mapped[float | None] = mapped_column(Seconds)
    ended_at: Mapped[float | None] = mapped_column(Seconds)
    closes_at: Mapped[float | None] = mapped_column(Seconds)
    """For a step that waits for a window: when the one that opens at `not_before` closes."""
    __table_args__ = (
        _one_of("kind", StepKind),
        _one_of("state", StepState),
        CheckConstraint("(state = 'leased') = (lease_until IS NOT NULL)", name="lease"),
        CheckConstraint("(state = 'leased') = (owner IS NOT NULL)", name="owner"),
        CheckConstraint("state <> 'ready' OR ready_at IS NOT NULL", name="ready"),
        CheckConstraint(
            "(state IN ('succeeded', 'failed', 'cancelled')) = (ended_at IS NOT NULL)", name="ended"
        ),
        CheckConstraint("attempt BETWEEN 0 AND epoch", name="attempt"),
        ForeignKeyConstraint(["job_id", "chapter_index"], [Chapter.job_id, Chapter.index]),
        Index("ix_steps_job_id_state", "job_id", "state"),
        Index("ix_steps_releases_id_state", "releases_id", "state"),
        Index(
            "ix_steps_ready",
            "kind",
            text("priority DESC"),
            "id",
            postgresql_where=text("state = 'ready'"),
            sqlite_where=text("state = 'ready'"),
        ),
        Index(
            "ix_steps_ready_weights",
            "weights_digest",
            text("priority DESC"),
            "id",
            postgresql_where=text("state = 'ready'"),
            sqlite_where=text("state = 'ready'"),
        ),
        Index(
            "ix_steps_leased",
            "id",  # not lease_until: then a renewal would have to touch every index of the row
            postgresql_where=text("state = 'leased'"),
            sqlite_where=text("state = 'leased'"),
        ),
        {"postgresql_with": {"fillfactor": 70, "autovacuum_vacuum_scale_factor": 0.02}},
    )


class Take(Base):
    """One utterance's sound: a range of samples in a stored render. Found again by its digest, per tenant."""

    __tablename__ = "takes"
    tenant_id: Mapped[str] = mapped_column(ForeignKey(Tenant.id), primary_key=True)
    digest: Mapped[str] = mapped_column(Digest, primary_key=True)
    render_id: Mapped[int] = mapped_column(RowNumber, ForeignKey(Artefact.id))
    first_sample: Mapped[int] = mapped_column(BigInteger)
    n_samples: Mapped[int] = mapped_column(BigInteger)
    doubts: Mapped[list[str] | None] = mapped_column(Json)
    """What still seemed wrong with it after its last attempt; null for a good take."""
    __table_args__ = (Index(None, "render_id"),)


class Event(Base):
    """One change of state, written in the transaction that made it. Feeds progress, SSE and webhooks."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(RowNumber, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey(Tenant.id))
    job_id: Mapped[str] = mapped_column(ForeignKey(Job.id))
    step_id: Mapped[int | None] = mapped_column(RowNumber)
    kind: Mapped[str] = mapped_column(String(40))
    """"job.running", "step.leased", "chapter.done", ..."""
    detail: Mapped[dict[str, Any]] = mapped_column(Json)
    at: Mapped[float] = mapped_column(Seconds)
    __table_args__ = (Index(None, "job_id", "id"),)


class Delivery(Base):
    """One webhook message to one address, kept until it is delivered or given up."""

    __tablename__ = "deliveries"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Sent as `webhook-id`; the same on every try."""
    tenant_id: Mapped[str] = mapped_column(ForeignKey(Tenant.id))
    job_id: Mapped[str] = mapped_column(ForeignKey(Job.id))
    url: Mapped[str] = mapped_column(Text)
    body: Mapped[dict[str, Any]] = mapped_column(Json)
    state: Mapped[str] = mapped_column(String(20))
    attempt: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[float] = mapped_column(Seconds)
    """While a worker tries it, this is also its lease."""
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[float] = mapped_column(Seconds)
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'delivered', 'abandoned')", name="state"),
        Index(
            "ix_deliveries_waiting",
            "not_before",
            postgresql_where=text("state = 'waiting'"),
            sqlite_where=text("state = 'waiting'"),
        ),
    )


class Sweep(Base):
    """When the periodic pass last ran, so that of many workers one does it."""

    __tablename__ = "sweeps"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    swept_at: Mapped[float] = mapped_column(Seconds)


class Count(Base):
    """What workers have counted of one thing, for `/metrics`: voices loaded, leases that ran out, ..."""

    __tablename__ = "counts"
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    label: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Which sort of it; empty where there is but one."""
    amount: Mapped[float] = mapped_column(Seconds)
