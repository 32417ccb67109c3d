"""A job's row as readers see it, and the end that its pace foretells."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, select

from jobs.clock import Clock
from jobs.ledger.pull_values import PullProgress
from jobs.ledger.training_values import ChosenHours, Energy, TrainingProgress
from jobs.ledger.values import JobView
from jobs.ledger.windows import Windows
from jobs.states import JobKind, JobState, StepKind, StepState
from jobs.tables import Job, Step

PACE_SECONDS: Final = 60.0
"""The pace behind an ETA is that of the last minute: it survives pauses, restarts and more workers."""


def job_columns(*conditions: ColumnElement[bool]) -> Any:
    """The rows that `job_view` reads, of the jobs that meet these conditions."""
    return select(
        Job.id,
        Job.tenant_id,
        Job.kind,
        Job.state,
        Job.spec,
        Job.title,
        Job.priority,
        Job.version,
        Job.n_characters,
        Job.n_utterances,
        Job.n_utterances_done,
        Job.audio_seconds,
        Job.training,
        Job.energy,
        Job.hours,
        Job.pull,
        Job.error,
        Job.created_at,
        Job.started_at,
        Job.ended_at,
    ).where(*conditions)


def job_view(row: Any, eta_seconds: float | None = None, goes_on_at: float | None = None) -> JobView:
    """A row of `job_columns`, with what was foretold of it."""
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public accessor
    fields["kind"] = JobKind(fields["kind"])
    fields["state"] = JobState(fields["state"])
    fields["training"] = TrainingProgress.of(fields["training"])
    fields["energy"] = Energy.of(fields["energy"])
    fields["hours"] = ChosenHours.of(fields["hours"])
    fields["pull"] = PullProgress.of(fields["pull"])
    return JobView(**fields, eta_seconds=eta_seconds, goes_on_at=goes_on_at)


def eta(tx: Connection, clock: Clock, windows: Windows, job: Any) -> float | None:
    """Expected seconds until the job's end, a row of `job_columns`; None while nothing can be said."""
    if job.kind == JobKind.TRAINING:
        return _training_eta(tx, clock, windows, job)
    n_left = job.n_utterances - job.n_utterances_done
    if job.state != JobState.RUNNING or job.n_utterances_done == 0 or n_left <= 0:
        return None
    now = clock.read(tx)
    window = min(PACE_SECONDS, now - job.started_at)
    n_lately = tx.execute(
        select(func.coalesce(func.sum(Step.n_utterances), 0)).where(
            Step.job_id == job.id,
            Step.state == StepState.SUCCEEDED,
            Step.kind == StepKind.SYNTHESIZE,
            Step.ended_at > now - PACE_SECONDS,
        )
    ).scalar_one()
    if not n_lately or window <= 0:
        return None
    return windows.stretch(job, now, n_left * window / n_lately)


def _training_eta(tx: Connection, clock: Clock, windows: Windows, job: Any) -> float | None:
    progress = TrainingProgress.of(job.training)
    if job.state != JobState.RUNNING or progress is None or not progress.updates_per_second:
        return None
    seconds = (progress.updates - progress.updates_done) / progress.updates_per_second
    return windows.stretch(job, clock.read(tx), seconds)
