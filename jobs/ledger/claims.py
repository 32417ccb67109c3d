"""Who is next in line, and the lease: rows become claims inside one short transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Select, bindparam, select, union_all, update
from sqlalchemy.sql.selectable import CompoundSelect

from jobs.clock import Clock
from jobs.ledger.database import Transaction
from jobs.ledger.moves import move_job
from jobs.ledger.values import Claim
from jobs.ledger.windows import is_due
from jobs.states import JobState, StepKind, StepState
from jobs.tables import Job, Step


class Line:
    """The line of due steps. Its statements are built once: building one takes longer than running it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heads: dict[tuple[tuple[StepKind, ...], bool], Select[Any] | CompoundSelect[Any]] = {}
        fresh = self._due().where(Step.attempt == 0).limit(bindparam("most"))
        self._alike = fresh.where(Step.weights_digest == bindparam("weights"))
        # apart from the other, for `IS NOT DISTINCT FROM` would not use the index
        self._alike_without_weights = fresh.where(Step.weights_digest.is_(None))

    def claim(
        self,
        tx: Transaction,
        kinds: Collection[StepKind],
        *,
        owner: str,
        lease_seconds: float,
        most: int,
        weights: str | None,
        longest_wait_seconds: float,
        priorities: tuple[int, int],
    ) -> list[Claim]:
        """The claims of `Steps.claim`."""
        passed_over = [0]  # no row has this id, and an empty list would need another statement
        for lowest, highest in _bands(*priorities):
            while True:
                among = {"from_priority": lowest, "to_priority": highest, "passed_over": passed_over}
                rows = self._next(tx, tuple(sorted(set(kinds))), most, weights, longest_wait_seconds, among)
                startable = _start_jobs(tx, self._clock, rows)
                if startable:
                    return _lease(tx, self._clock, startable, owner, lease_seconds)
                if not rows:
                    break
                passed_over += [row.id for row in rows]
        return []

    def _next(
        self,
        tx: Transaction,
        kinds: tuple[StepKind, ...],
        most: int,
        weights: str | None,
        longest_wait_seconds: float,
        among: dict[str, Any],
    ) -> list[Any]:
        first = self._head(tx, kinds, among)
        if first is None:
            return []
        is_chunk = first.kind == StepKind.SYNTHESIZE
        is_swap = is_chunk and weights is not None and first.weights_digest != weights
        if is_swap and first.waited <= longest_wait_seconds:
            held = {**among, "weights": weights, "from_priority": first.priority}
            first = self._head(tx, kinds, held) or first
        if not is_chunk or most == 1 or first.attempt > 0:  # other kinds: one at a time, for others are idle
            return [first]
        alike = self._alike_without_weights if first.weights_digest is None else self._alike
        others = tx.execute(
            alike,
            {
                **among,
                "kind": first.kind,
                "weights": first.weights_digest,
                "passed_over": [*among["passed_over"], first.id],
                "most": most - 1,
            },
        )
        return [first, *others]

    def _head(self, tx: Transaction, kinds: tuple[StepKind, ...], parameters: dict[str, Any]) -> Any | None:
        """The first due step of these kinds; if weights are given, of those and of no lower priority."""
        if not kinds:
            return None
        key = (kinds, "weights" in parameters)
        if key not in self._heads:
            self._heads[key] = self._build_head(*key)
        rows = tx.execute(
            self._heads[key], parameters | dict(zip(map(_kind, kinds), kinds, strict=True))
        ).all()
        return min(rows, key=lambda row: (-row.priority, row.id), default=None)

    def _build_head(self, kinds: tuple[StepKind, ...], of_weights: bool) -> Select[Any] | CompoundSelect[Any]:
        """The head of each kind's own line: only within a kind the index is in line order."""
        heads = []
        for kind in kinds:
            head = self._due(_kind(kind)).limit(1)
            if of_weights:
                head = head.where(Step.weights_digest == bindparam("weights"))
            heads.append(head)
        return heads[0] if len(heads) == 1 else union_all(*(select(head.subquery()) for head in heads))

    def _due(self, kind: str = "kind") -> Select[Any]:
        now = self._clock.now()
        return (
            select(
                Step.id,
                Step.job_id,
                Step.kind,
                Step.weights_digest,
                Step.attempt,
                Step.priority,
                Step.in_hand,
                Step.suspects,
                Job.state.label("job_state"),
                Job.spec,
                (now - Step.ready_at).label("waited"),
                (Step.closes_at - now).label("open_seconds"),
            )
            .join(Job, Job.id == Step.job_id)
            .where(
                Step.kind == bindparam(kind),
                Step.state == StepState.READY,
                is_due(now),
                Step.priority >= bindparam("from_priority"),
                Step.priority <= bindparam("to_priority"),
                Step.id.not_in(bindparam("passed_over", expanding=True)),
                Job.state.in_((JobState.QUEUED, JobState.RUNNING)),
            )
            .order_by(Step.priority.desc(), Step.id)
            .with_for_update(of=Step, key_share=True, skip_locked=True)
        )


def _bands(lowest: int, highest: int) -> list[tuple[int, int]]:
    """The priorities in two parts: what waits for a window stands behind all else, below 0.

    So nobody who finds other work has to look past thousands of chunks that wait for the night.
    """
    bands = [(max(lowest, 0), highest), (lowest, min(highest, -1))]
    return [band for band in bands if band[0] <= band[1]]


def _kind(kind: StepKind) -> str:
    return f"kind_{kind}"


def _start_jobs(tx: Transaction, clock: Clock, rows: Sequence[Any]) -> list[Any]:
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


def _lease(
    tx: Transaction, clock: Clock, rows: Sequence[Any], owner: str, lease_seconds: float
) -> list[Claim]:
    if not rows:
        return []
    columns: dict[str, Any] = {}
    suspects = {row.id: dict(row.suspects or {}) for row in rows}
    if (
        rows[0].in_hand is not None
    ):  # left by a claim that crashed while it spoke this; such a row comes alone
        mine, index = suspects[rows[0].id], str(rows[0].in_hand)
        mine[index] = mine.get(index, 0) + 1
        columns["suspects"] = mine
    leased = tx.execute(
        update(Step)
        .where(Step.id.in_([row.id for row in rows]), Step.state == StepState.READY)
        .values(
            state=StepState.LEASED,
            epoch=Step.epoch + 1,
            attempt=Step.attempt + 1,
            owner=owner,
            lease_until=clock.now() + lease_seconds,
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
            )
        )
    return claims
