"""What trainings leave behind that nobody will read again: their checkpoints and features, once they ended.

A training that failed may be tried again, from its last checkpoint: that one stays for a while.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, and_, delete, or_, select

from jobs.ledger.database import Database, batched
from jobs.ledger.moves import lock_job
from jobs.states import JobKind, JobState
from jobs.tables import Artefact, Job

DAY: Final = 86_400.0
REST_SECONDS: Final = 3_600.0
"""So long after its end nobody writes for a job any more: whoever held its lease has noticed."""
RETRY_SECONDS: Final = 30 * DAY
"""So long may a failed training be tried again from its last checkpoint; later from its beginning."""
LOOK_BACK_SECONDS: Final = 7 * DAY
"""So long after its end a training is looked through for objects that have no row."""
MOST_AT_ONCE: Final = 100
"""Trainings in one pass."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A training that ended."""

    job_id: str
    folder: str
    """Where its objects lie: the beginning of their keys."""
    keys: frozenset[str]
    """Its objects that have a row; what else lies there is rubbish."""


class Spent:
    """The stored files of ended trainings, as the sweep sees them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._clock = database.clock

    def drop(self) -> tuple[str, ...]:
        """Forgets what is spent of some trainings; returns the keys of the objects: delete them.

        Call it again while it returns any. Whoever is killed in between leaves objects without a row, which
        `recently_ended` finds.
        """
        now = self._clock.now()
        rests = Job.ended_at <= now - REST_SECONDS
        over = and_(Job.state.in_((JobState.SUCCEEDED, JobState.CANCELLED)), rests)
        given_up = and_(Job.state == JobState.FAILED, Job.ended_at <= now - RETRY_SECONDS)
        spent = or_(
            and_(over, Artefact.kind.in_(("checkpoint", "features"))),
            and_(
                given_up, Artefact.kind == "checkpoint"
            ),  # a retry of its last step still reads the features
        )
        with self._database.read() as tx:
            jobs = tx.execute(
                select(Job.id)
                .join(Artefact, Artefact.job_id == Job.id)
                .where(Job.kind == JobKind.TRAINING, spent)
                .distinct()
                .order_by(Job.id)
                .limit(MOST_AT_ONCE)
            ).scalars()
            job_ids = list(jobs)
        return tuple(key for job_id in job_ids for key in self._drop_of(job_id, spent, or_(over, given_up)))

    def _drop_of(self, job_id: str, spent: ColumnElement[bool], ended: ColumnElement[bool]) -> list[str]:
        with self._database.write() as tx:
            if lock_job(tx, job_id, ended) is None:
                return []  # tried again since
            which = select(Artefact.id, Artefact.key).join(Job, Job.id == Artefact.job_id)
            rows = tx.execute(which.where(Artefact.job_id == job_id, spent).order_by(Artefact.id)).all()
            tx.execute(delete(Artefact).where(Artefact.id.in_([row.id for row in rows])))
            return [row.key for row in rows]

    def recently_ended(self) -> list[Ended]:
        """The trainings of the last week that are over for good, with their objects that have a row."""
        now = self._clock.now()
        over = and_(
            Job.kind == JobKind.TRAINING,
            Job.state.in_((JobState.SUCCEEDED, JobState.CANCELLED)),
            Job.ended_at <= now - REST_SECONDS,
            Job.ended_at > now - LOOK_BACK_SECONDS,
        )
        with self._database.read() as tx:
            jobs = tx.execute(select(Job.id, Job.tenant_id).where(over).order_by(Job.id)).all()
            keys: dict[str, set[str]] = {job.id: set() for job in jobs}
            for some in batched(list(keys)):
                rows = tx.execute(select(Artefact.job_id, Artefact.key).where(Artefact.job_id.in_(some)))
                for row in rows:
                    keys[row.job_id].add(row.key)
        return [Ended(job.id, f"t/{job.tenant_id}/jobs/{job.id}/", frozenset(keys[job.id])) for job in jobs]
