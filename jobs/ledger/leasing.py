"""Rows of the line become claims: their jobs start, the steps are leased and counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, Float, bindparam, select, update

from jobs.clock import Clock
from jobs.ledger.database import Transaction
from jobs.ledger.moves import move_job
from jobs.ledger.values import Claim
from jobs.states import JobState, StepKind, StepState
from jobs.tables import Job, Step


def start_jobs(tx: Transaction, clock: Clock, rows: Sequence[Any]) -> list[Any]:
    """The rows whose job runs, or runs from now on.

    Whoever holds the lock of a queued job is cancelling it and waits for this very step; waiting for the job
    in turn would be a deadlock, so its step is left to the cancel.
    """
    queued = {row.job_id for row in rows if row.job_state == JobState.QUEUED}
    if not queued:
        return list(rows)
    free = set(
        tx.execute(
            select(Job.id)
            .where(Job.id.in_(sorted(queued)), Job.state == JobState.QUEUED)
            .with_for_update(key_share=True, skip_locked=True)
        ).scalars()
    )
    for job_id in sorted(free):
        move_job(tx, job_id, JobState.RUNNING, started_at=clock.now())
    return [row for row in rows if row.job_id not in queued or row.job_id in free]


def make_lease(clock: Clock, *, with_suspects: bool) -> Executable:
    """The statement that leases steps: built once, for building it takes longer than running it.

    Parameters: `ids`, `new_owner`, `lease_seconds`, and `new_suspects` if they change.
    """
    columns = {"suspects": bindparam("new_suspects", type_=Step.suspects.type)} if with_suspects else {}
    return (
        update(Step)
        .where(Step.id.in_(bindparam("ids", expanding=True)), Step.state == StepState.READY)
        .values(
            state=StepState.LEASED,
            epoch=Step.epoch + 1,
            attempt=Step.attempt + 1,
            owner=bindparam("new_owner"),
            lease_until=clock.now() + bindparam("lease_seconds", type_=Float(53)),
            in_hand=None,
            **columns,
        )
        .returning(
            Step.id,
            Step.epoch,
            Step.job_id,
            Step.tenant_id,
            Step.kind,
            Step.attempt,
            Step.chapter_index,
            Step.first_utterance,
            Step.n_utterances,
            Step.weights_digest,
        )
    )


class Leasing:
    """What makes claims of the steps that are next in line."""

    def __init__(self, clock: Clock) -> None:
        self._lease = make_lease(clock, with_suspects=False)
        self._lease_with_suspects = make_lease(clock, with_suspects=True)

    def lease(self, tx: Transaction, rows: Sequence[Any], owner: str, lease_seconds: float) -> list[Claim]:
        """The claims of these rows, which must be locked, in their order."""
        statement = self._lease
        asked: dict[str, Any] = {
            "ids": [row.id for row in rows],
            "new_owner": owner,
            "lease_seconds": lease_seconds,
        }
        suspects = {row.id: dict(row.suspects or {}) for row in rows}
        if rows[0].in_hand is not None:  # left by a claim that crashed while it spoke this; it comes alone
            mine, index = suspects[rows[0].id], str(rows[0].in_hand)
            mine[index] = mine.get(index, 0) + 1
            statement, asked["new_suspects"] = self._lease_with_suspects, mine
        leased = tx.execute(statement, asked)
        return _claims_of(tx, rows, leased.all(), suspects, owner)


def _claims_of(
    tx: Transaction,
    rows: Sequence[Any],
    leased: Sequence[Any],
    suspects: Mapping[int, Mapping[str, int]],
    owner: str,
) -> list[Claim]:
    by_id = {row.id: row for row in leased}
    claims: list[Claim] = []
    for row in rows:  # in line order, which RETURNING does not keep
        step = by_id[row.id]
        tx.add_event(
            tenant_id=step.tenant_id,
            job_id=step.job_id,
            step_id=step.id,
            kind="step.leased",
            detail={"step": step.kind, "attempt": step.attempt, "owner": owner},
        )
        claims.append(
            Claim(
                step_id=step.id,
                epoch=step.epoch,
                job_id=step.job_id,
                tenant_id=step.tenant_id,
                kind=StepKind(step.kind),
                attempt=step.attempt,
                spec=row.spec,
                chapter_index=step.chapter_index,
                first_utterance=step.first_utterance,
                n_utterances=step.n_utterances,
                weights_digest=step.weights_digest,
                suspects={int(index): count for index, count in suspects[row.id].items()},
                priority=row.priority,
                open_seconds=row.open_seconds,
                waited_seconds=max(0.0, row.waited or 0.0),
            )
        )
    return claims
