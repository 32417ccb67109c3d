"""Off-peak work in the ledger: its steps are due only while the operator's window is open.

Such a step has the next opening in `not_before` and `closes_at`, and stands in line behind everything that
was not asked to wait. What is left of it when the window closes is given the following opening by the sweep.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, case, func, or_, select, update

from jobs.ledger.database import Database, Transaction
from jobs.ledger.moves import lock_job
from jobs.schedule.windows import Window
from jobs.states import JobState, StepState
from jobs.tables import Job, Step

log = logging.getLogger(__name__)

OFF_PEAK: Final = "off-peak"
"""`when` of a spec whose job shall wait for the window."""
BEHIND: Final = 10
"""So much lower is the priority of a step that waits for the window: below that of every other one, and so
whoever looks for other work does not have to look past it."""
LONGEST_WORK: Final = timedelta(days=60)
"""How far ahead an end is foretold."""


def is_due(now: ColumnElement[float] | float) -> ColumnElement[bool]:
    """Whether a ready step may be claimed at this time."""
    return (Step.not_before <= now) & or_(Step.closes_at.is_(None), Step.closes_at > now)


class Windows:
    """The window of all off-peak jobs, and which of their steps wait for which opening."""

    def __init__(self, database: Database, window: Window) -> None:
        self._database = database
        self._clock = database.clock
        self._window = window

    def place(self, tx: Transaction, job_id: str, *, priority: int) -> dict[str, Any]:
        """The columns that put new chunks of this job into line, all of them due at the same time.

        Writes the event that says when, if they have to wait for the window.

        Args:
            tx: the transaction that inserts them.
            job_id: whose steps they are.
            priority: the job's own.
        """
        now = self._clock.read(tx.connection)
        job = tx.execute(select(Job.tenant_id, Job.spec).where(Job.id == job_id)).one()
        if not _waits(job.spec):
            return {"priority": priority, "ready_at": now}
        opens_at, closes_at = self._opening(now) or (now, now)  # closed: the sweep looks further
        _tell(tx, job.tenant_id, job_id, opens_at, closes_at)
        return {
            "priority": priority - BEHIND,
            "ready_at": opens_at,
            "not_before": opens_at,
            "closes_at": closes_at,
        }

    def move_on(self) -> int:
        """Gives every ready step whose window has closed the next opening; returns for how many jobs."""
        closed = (Step.state == StepState.READY) & (Step.closes_at <= self._clock.now())
        with self._database.read() as tx:
            opening = self._opening(self._clock.read(tx))
            jobs = tx.execute(
                select(Step.job_id, Step.tenant_id).where(closed).distinct().order_by(Step.job_id)
            ).all()
        if opening is None:
            if jobs:
                log.warning("%d off-peak jobs wait, but their window does not open for days", len(jobs))
            return 0
        n_moved = 0
        for job_id, tenant_id in jobs:  # one short transaction each: no two jobs are locked at once
            with self._database.write() as tx:
                n_moved += self._move_one(tx, job_id, tenant_id, closed, opening)
        return n_moved

    def _move_one(
        self,
        tx: Transaction,
        job_id: str,
        tenant_id: str,
        closed: ColumnElement[bool],
        opening: tuple[float, float],
    ) -> bool:
        lock_job(tx, job_id)
        opens_at, closes_at = opening
        of_job = (Step.job_id == job_id) & closed
        # by rising id, as everybody locks steps: an UPDATE alone would take them in any order
        tx.execute(select(Step.id).where(of_job).order_by(Step.id).with_for_update(key_share=True))
        moved = tx.execute(
            update(Step).where(of_job).values(not_before=opens_at, closes_at=closes_at, ready_at=opens_at)
        ).rowcount
        if not moved:
            return False  # claimed, or cancelled, or moved by another since
        tx.execute(update(Job).where(Job.id == job_id).values(version=Job.version + 1))
        _tell(tx, tenant_id, job_id, opens_at, closes_at)
        return True

    def goes_on_at(self, tx: Connection, job: Any) -> float | None:
        """When the job, waiting for its window, goes on; None if it need not wait, or waits for no time."""
        if not _waits(job.spec) or job.state not in {JobState.QUEUED, JobState.RUNNING}:
            return None
        now = self._clock.read(tx)
        opens_at, _ = self._opening(now) or (None, None)
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
        if not _waits(job.spec):
            return seconds
        at = datetime.fromtimestamp(now, UTC)
        left = seconds
        for opening in self._window.openings(at, at + LONGEST_WORK):
            if left <= opening.seconds:
                return (opening.start - at).total_seconds() + left
            left -= opening.seconds
        return None

    def _opening(self, now: float) -> tuple[float, float] | None:
        """From when to when the window is open, now or next."""
        at = datetime.fromtimestamp(now, UTC)
        found = self._window.opening(at)
        if found is None:
            return None
        return (now if found.start <= at else found.start.timestamp()), found.end.timestamp()


def _waits(spec: Mapping[str, Any]) -> bool:
    return spec.get("when") == OFF_PEAK


def _tell(tx: Transaction, tenant_id: str, job_id: str, opens_at: float, closes_at: float) -> None:
    hours = {"opens_at": _shown(opens_at), "closes_at": _shown(closes_at)}
    tx.add_event(tenant_id=tenant_id, job_id=job_id, kind="window.set", detail=hours)


def _shown(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
