"""The primitive every change of state goes through: one conditional UPDATE, a count, and an event per row.

Lock order: job, then its steps by rising id; artefacts by key, takes by digest; the event lock last. A claim
takes steps, and a queued job, only with SKIP LOCKED and so never waits. Row locks are NO KEY UPDATE: the
foreign keys of events lock their job and tenant with KEY SHARE, which a plain FOR UPDATE would hold up.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import exists, insert, literal, select, update
from sqlalchemy.sql.elements import ColumnElement

from jobs.clock import Clock
from jobs.ids import new_id
from jobs.ledger.database import Transaction
from jobs.ledger.values import StepError
from jobs.messages import DELIVER, Knock
from jobs.states import STEP_OPEN, JobState, StepState, job_origins, step_origins
from jobs.tables import Delivery, Job, Step

ERRORS_SHOWN: Final = 100
"""A failed job lists so many of its steps' errors and counts the others."""
LET_GO: Final[dict[str, Any]] = {"owner": None, "lease_until": None, "in_hand": None}
"""What a step loses when it leaves a worker's hands."""


def lock_job(tx: Transaction, job_id: str, *conditions: ColumnElement[bool]) -> JobState | None:
    """The job's state, or None if there is no such job. Held until the transaction ends.

    So the ends of a job's steps come one by one, and the last of them knows that it is the last.
    """
    state = tx.execute(
        select(Job.state).where(Job.id == job_id, *conditions).with_for_update(key_share=True)
    ).scalar_one_or_none()
    return None if state is None else JobState(state)


def move_job(
    tx: Transaction,
    job_id: str,
    to: JobState,
    *,
    detail: dict[str, Any] | None = None,
    **columns: Any,
) -> bool:
    """Whether the job made the move; false when its state does not allow it (another was first)."""
    moved = tx.execute(
        update(Job)
        .where(Job.id == job_id, Job.state.in_(job_origins(to)))
        .values(state=to, version=Job.version + 1, **columns)
        .returning(Job.tenant_id)
    ).first()
    if moved is None:
        return False
    tx.add_event(tenant_id=moved.tenant_id, job_id=job_id, kind=f"job.{to}", detail=detail)
    return True


def move_step(
    tx: Transaction,
    step_id: int,
    origin: StepState,
    to: StepState,
    *conditions: ColumnElement[bool],
    detail: dict[str, Any] | None = None,
    **columns: Any,
) -> Any | None:
    """The step's row if it made the move; None when its state or a condition (the epoch) does not allow it.

    `origin` is named at each call: "whatever may become ready" would let a worker that lost its lease bring
    back a step that has failed since.
    """
    return next(iter(_move(tx, Step.id == step_id, origin, to, conditions, detail, columns)), None)


def move_steps(
    tx: Transaction, job_id: str, origins: Collection[StepState], to: StepState, **columns: Any
) -> None:
    """Moves all steps of the job that are in one of these states. The job's lock must be held."""
    of_job = (Step.job_id == job_id) & Step.state.in_(sorted(origins))
    # in the order in which a renewal takes them: an UPDATE alone would take them in any
    tx.execute(select(Step.id).where(of_job).order_by(Step.id).with_for_update(key_share=True))
    for origin in sorted(origins):
        _move(tx, Step.job_id == job_id, origin, to, (), None, columns)


def _move(
    tx: Transaction,
    which: ColumnElement[bool],
    origin: StepState,
    to: StepState,
    conditions: tuple[ColumnElement[bool], ...],
    detail: dict[str, Any] | None,
    columns: dict[str, Any],
) -> Sequence[Any]:
    if origin not in step_origins(to):
        raise ValueError(f"no step moves from {origin} to {to}")
    moved = tx.execute(
        update(Step)
        .where(which, Step.state == origin, *conditions)
        .values(state=to, **columns)
        .returning(Step.id, Step.tenant_id, Step.job_id, Step.kind, Step.weights_digest, Step.releases_id)
    ).all()
    for step in sorted(moved, key=attrgetter("id")):
        tx.add_event(
            tenant_id=step.tenant_id,
            job_id=step.job_id,
            step_id=step.id,
            kind=f"step.{to}",
            detail={"step": step.kind, **(detail or {})},
        )
    return moved


def release_next(tx: Transaction, clock: Clock, releases_id: int | None, **place: Any) -> list[Knock]:
    """Makes the waiting step ready once all it waits for have succeeded. The job's lock must be held.

    `place`: columns that put it into line, if it is not due at once.
    """
    if releases_id is None:
        return []
    others = [state for state in StepState if state is not StepState.SUCCEEDED]
    waits = exists().where(Step.releases_id == releases_id, Step.state.in_(others))
    if tx.execute(select(literal(1)).where(waits)).first() is not None:
        return []
    columns = {"ready_at": clock.now(), **place}
    released = move_step(tx, releases_id, StepState.BLOCKED, StepState.READY, **columns)
    return [] if released is None else [Knock(released.kind, released.weights_digest)]


def fail_step(
    tx: Transaction, clock: Clock, step_id: int, error: StepError, *conditions: ColumnElement[bool]
) -> list[Knock] | None:
    """The knocks now due, or None if the move was not allowed. The job's lock must be held."""
    shown = error.as_json()
    columns = {**LET_GO, "error": shown, "ended_at": clock.now()}
    failed = move_step(tx, step_id, StepState.LEASED, StepState.FAILED, *conditions, detail=shown, **columns)
    if failed is None:
        return None
    waiting_id = failed.releases_id
    while waiting_id is not None:  # what waits for a failed step can no longer happen
        cancelled = move_step(tx, waiting_id, StepState.BLOCKED, StepState.CANCELLED, ended_at=clock.now())
        waiting_id = None if cancelled is None else cancelled.releases_id
    return settle_job(tx, clock, failed.job_id)


def settle_job(tx: Transaction, clock: Clock, job_id: str) -> list[Knock]:
    """Ends the job if no step of it can still happen. The job's lock must be held."""
    is_open = exists().where(Step.job_id == job_id, Step.state.in_(sorted(STEP_OPEN)))
    if tx.execute(select(literal(1)).where(is_open)).first() is not None:
        return []
    failures = tx.execute(
        select(Step.error).where(Step.job_id == job_id, Step.state == StepState.FAILED).order_by(Step.id)
    ).scalars()
    errors = [error for error in failures if error is not None]
    if not errors:
        return _end_job(tx, clock, job_id, JobState.SUCCEEDED, None)
    shown = {**errors[0], "errors": errors[:ERRORS_SHOWN], "n_errors": len(errors)}
    return _end_job(tx, clock, job_id, JobState.FAILED, shown)


def _end_job(
    tx: Transaction, clock: Clock, job_id: str, to: JobState, error: dict[str, Any] | None
) -> list[Knock]:
    if not move_job(tx, job_id, to, ended_at=clock.now(), error=error, detail=error):
        return []
    return tell_webhook(tx, clock, job_id)


def tell_webhook(tx: Transaction, clock: Clock, job_id: str) -> list[Knock]:
    """Writes the delivery of the job's end, if its spec names an address."""
    job = tx.execute(
        select(Job.tenant_id, Job.state, Job.spec, Job.title, Job.error).where(Job.id == job_id)
    ).one()
    webhook = job.spec.get("webhook")
    if not webhook:
        return []
    tx.execute(
        insert(Delivery).values(
            id=new_id(),
            tenant_id=job.tenant_id,
            job_id=job_id,
            url=webhook["url"],
            body={
                "type": f"job.{job.state}",
                "job": {"id": job_id, "state": job.state, "title": job.title, "error": job.error},
            },
            state="waiting",
            not_before=0.0,
            created_at=clock.now(),
        )
    )
    return [Knock(DELIVER)]
