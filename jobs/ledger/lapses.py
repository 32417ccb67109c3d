"""Repairs: steps whose worker vanished are taken back, and knocks that got lost are knocked again."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, select

from jobs.clock import Clock
from jobs.ledger.claims import Line
from jobs.ledger.counts import Counts
from jobs.ledger.database import Database, Transaction
from jobs.ledger.moves import LET_GO, fail_step, lock_job, move_step
from jobs.ledger.values import ALL_PRIORITIES, StepError
from jobs.messages import DELIVER, Knock
from jobs.states import StepState
from jobs.tables import Delivery, Step

CRASHES_ALONE: Final = 2
"""An utterance that was in hand at so many crashes of careful claims, after the first, is not tried again."""

EXPIRED: Final = "leases_expired"
RETRIED: Final = "units_retried"
"""What is counted: leases that ran out, steps that went back into line."""


class Lapses:
    """The steps that workers hold, as whoever repairs sees them."""

    def __init__(self, database: Database, counts: Counts, line: Line, *, max_losses: int) -> None:
        self._database = database
        self._clock: Clock = database.clock
        self._counts = counts
        self._line = line
        self._max_losses = max_losses

    def owners(self, prefix: str) -> list[str]:
        """The owners of current leases whose name starts with `prefix` (a machine's name)."""
        with self._database.read() as tx:
            mine = select(Step.owner).where(
                Step.state == StepState.LEASED, Step.owner.startswith(prefix, autoescape=True)
            )
            return [owner for owner in tx.execute(mine.distinct()).scalars() if owner is not None]

    def lapse(self, *, owner: str | None = None) -> list[Knock]:
        """Takes back the steps whose lease has ended, or all of an `owner` known to be dead.

        A step whose workers vanish again and again fails as a crash in the end. One that had a suspect in
        hand goes on without that utterance's company until the suspect is proven, which takes far fewer.
        Returns the knocks now due.
        """
        ended = Step.lease_until < self._clock.now() if owner is None else Step.owner == owner
        lapsed = (Step.state == StepState.LEASED) & ended
        with self._database.read() as tx:
            rows = tx.execute(select(Step.id, Step.job_id).where(lapsed).order_by(Step.id)).all()
        knocks: list[Knock] = []
        for (
            row
        ) in rows:  # one short transaction each: a job is locked before its step, and no two jobs at once
            with self._database.write() as tx:
                lock_job(tx, row.job_id)
                now_due = self._lapse(tx, row.id, lapsed)
            if now_due is not None:
                self._counts.note(EXPIRED)
                knocks += now_due
        return knocks

    def _lapse(self, tx: Transaction, step_id: int, lapsed: ColumnElement[bool]) -> list[Knock] | None:
        step = tx.execute(
            select(
                Step.id,
                Step.kind,
                Step.epoch,
                Step.attempt,
                Step.chapter_index,
                Step.in_hand,
                Step.suspects,
                Step.weights_digest,
            )
            .where(Step.id == step_id, lapsed)
            .with_for_update(key_share=True)
        ).first()
        if step is None:
            return None  # renewed, finished or given back since
        if step.in_hand is None:
            is_hopeless = step.attempt >= self._max_losses
        else:  # a worker passes a proven suspect over; one that does not shall not crash for ever
            is_hopeless = step.suspects.get(str(step.in_hand), 0) >= CRASHES_ALONE
        if is_hopeless:
            what = f"this {step.kind} step" if step.in_hand is None else f"utterance {step.in_hand}"
            error = StepError(
                "crash",
                f"the worker was lost {step.attempt} times during {what}",
                chapter_index=step.chapter_index,
                utterance_index=step.in_hand,
            )
            return fail_step(tx, self._clock, step.id, error) or []
        kept = {name: value for name, value in LET_GO.items() if name != "in_hand"}  # the suspect stays noted
        move_step(
            tx,
            step.id,
            StepState.LEASED,
            StepState.READY,
            detail={"reason": "lapsed", "in_hand": step.in_hand},
            **kept,
            ready_at=self._clock.now(),
        )
        self._counts.note(RETRIED, "lapsed")
        return [Knock(step.kind, step.weights_digest)]

    def due(self) -> list[Knock]:
        """A knock for each kind that has steps due, and for due webhooks: repairs knocks that got lost."""
        now = self._clock.now()
        with self._database.read() as tx:
            knocks = [Knock(kind) for kind in self._line.kinds_due(tx, ALL_PRIORITIES)]
            waiting = select(Delivery.id).where(Delivery.state == "waiting", Delivery.not_before <= now)
            if tx.execute(waiting.limit(1)).first() is not None:
                knocks.append(Knock(DELIVER))
            return knocks
