"""Windows in the ledger: a step that waits for one is due only while it is open.

Such a step has the next opening in `not_before` and `closes_at`, and its place in line for that long. What is
left of it when the window closes is given the following opening by the sweep.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, case, func, or_, select, update

from jobs.ledger.database import Database, Transaction
from jobs.ledger.moves import lock_job
from jobs.ledger.timetables import BEHIND, Policy, Timetables
from jobs.schedule.timetable import Timetable
from jobs.schedule.windows import Window
from jobs.states import JobState, StepKind, StepState
from jobs.tables import Job, Step

__all__ = ["BEHIND", "Windows", "is_due", "shown_time"]

log = logging.getLogger(__name__)

LONGEST_WORK: Final = timedelta(days=60)
"""How far ahead an end is foretold."""


def is_due(now: ColumnElement[float] | float) -> ColumnElement[bool]:
    """Whether a ready step may be claimed at this time."""
    return (Step.not_before <= now) & or_(Step.closes_at.is_(None), Step.closes_at > now)


class Windows:
    """The windows of all jobs, and which of their steps wait for which opening."""

    def __init__(self, database: Database, window: Window, policy: Policy | None = None) -> None:
        self._database = database
        self._clock = database.clock
        self.timetables: Final = Timetables(window, policy or Policy())

    def place(
        self,
        tx: Transaction,
        job_id: str,
        *,
        priority: int,
        kind: StepKind = StepKind.SYNTHESIZE,
        after: float | None = None,
    ) -> dict[str, Any]:
        """The columns that put steps of this job into line, all of them due at the same time.

        Writes the event that says when, if they have to wait for a window.

        Args:
            tx: the transaction that inserts or frees them.
            job_id: whose steps they are.
            priority: the job's own.
            kind: of the steps.
            after: not before then, in seconds since 1970 UTC, if they wait for a window at all.
        """
        now = self._clock.read(tx.connection)
        job = tx.execute(
            select(Job.id, Job.tenant_id, Job.kind, Job.spec, Job.hours).where(Job.id == job_id)
        ).one()
        timetable = self.timetables.of(job, kind)
        if timetable is None:
            return {"priority": priority, "ready_at": now}
        at = now if after is None else max(now, after)
        opening = _opening(timetable, at) or (at, at)  # closed: the sweep looks further
        return self._put(tx, job, timetable, priority, opening)

    def _put(
        self, tx: Transaction, job: Any, timetable: Timetable, priority: int, opening: tuple[float, float]
    ) -> dict[str, Any]:
        opens_at, closes_at = opening
        if timetable.windows is not None:
            _tell(tx, job.tenant_id, job.id, opens_at, closes_at)
        return {
            "priority": self.timetables.priority(job, priority, opens_at),
            "ready_at": opens_at,
            "not_before": opens_at,
            "closes_at": closes_at,
        }

    def move_on(self) -> int:
        """Gives every ready step whose window has closed the next opening; returns for how many jobs."""
        closed = (Step.state == StepState.READY) & (Step.closes_at <= self._clock.now())
        with self._database.read() as tx:
            now = self._clock.read(tx)
            late = select(Step.job_id, Step.kind.label("step_kind")).where(closed).distinct().subquery()
            jobs = tx.execute(
                select(Job.id, Job.tenant_id, Job.kind, Job.spec, Job.hours, Job.priority, late.c.step_kind)
                .join(late, late.c.job_id == Job.id)
                .order_by(Job.id)
            ).all()
        n_moved = n_shut = 0
        openings: dict[Timetable, tuple[float, float] | None] = {}
        for job in jobs:  # one short transaction each: no two jobs are locked at once
            kind = StepKind(job.step_kind)
            timetable = self.timetables.of(job, kind)
            if timetable is None:
                continue
            if timetable not in openings:
                openings[timetable] = _opening(timetable, now)
            if (opening := openings[timetable]) is None:
                n_shut += 1
                continue
            with self._database.write() as tx:
                n_moved += self._move_one(tx, job, closed & (Step.kind == kind), timetable, opening)
        if n_shut:
            log.warning("%d jobs wait for a window that does not open for days", n_shut)
        return n_moved

    def _move_one(
        self,
        tx: Transaction,
        job: Any,
        closed: ColumnElement[bool],
        timetable: Timetable,
        opening: tuple[float, float],
    ) -> bool:
        lock_job(tx, job.id)
        of_job = (Step.job_id == job.id) & closed
        # by rising id, as everybody locks steps: an UPDATE alone would take them in any order
        steps = select(Step.id).where(of_job).order_by(Step.id).with_for_update(key_share=True)
        if not tx.execute(steps).all():
            return False  # claimed, or cancelled, or moved by another since
        place = self._put(tx, job, timetable, job.priority, opening)
        tx.execute(update(Step).where(of_job).values(**place))
        tx.execute(update(Job).where(Job.id == job.id).values(version=Job.version + 1))
        return True

    def goes_on_at(self, tx: Connection, job: Any) -> float | None:
        """When the job, waiting for its window, goes on; None if it need not wait, or waits for no time."""
        timetable = self.timetables.of(job)
        if timetable is None or job.state not in {JobState.QUEUED, JobState.RUNNING}:
            return None
        now = self._clock.read(tx)
        opens_at, _ = _opening(timetable, now) or (None, None)
        due_at = case(
            (Step.state == StepState.LEASED, 0.0), (Step.closes_at <= now, opens_at), else_=Step.not_before
        )
        open_states = (StepState.READY, StepState.LEASED)
        first = tx.execute(
            select(func.min(due_at)).where(Step.job_id == job.id, Step.state.in_(open_states))
        ).scalar_one()
        return first if first is not None and first > now else None

    def stretch(self, job: Any, now: float, seconds: float) -> float | None:
        """How long so many seconds of the job's work take from now on, with the time the window is closed.

        None if that is more than `LONGEST_WORK`.
        """
        timetable = self.timetables.of(job)
        if timetable is None or timetable.windows is None:
            return seconds
        at = datetime.fromtimestamp(now, UTC)
        left = seconds
        for opening in timetable.openings(at, at + LONGEST_WORK):
            if left <= opening.seconds:
                return (opening.start - at).total_seconds() + left
            left -= opening.seconds
        return None


def _opening(timetable: Timetable, now: float) -> tuple[float, float] | None:
    """From when to when it may run, now or next."""
    at = datetime.fromtimestamp(now, UTC)
    found = timetable.opening(at)
    if found is None:
        return None
    return (now if found.start <= at else found.start.timestamp()), found.end.timestamp()


def _tell(tx: Transaction, tenant_id: str, job_id: str, opens_at: float, closes_at: float) -> None:
    hours = {"opens_at": shown_time(opens_at), "closes_at": shown_time(closes_at)}
    tx.add_event(tenant_id=tenant_id, job_id=job_id, kind="window.set", detail=hours)


def shown_time(seconds: float) -> str:
    """The moment, given in seconds since 1970 UTC, as events tell it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
