"""Pulls in the ledger: how far published weights are on their way to the shelf."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select, update

from jobs.errors import LeaseLostError
from jobs.ledger.database import Database
from jobs.ledger.moves import lock_job
from jobs.ledger.pull_values import PullProgress
from jobs.ledger.values import Claim
from jobs.states import StepState
from jobs.tables import Job, Step


class Pulls:
    """The pulls of all tenants, as their workers see them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._clock = database.clock

    def note_progress(self, claim: Claim, progress: PullProgress) -> None:
        """Records how far it is, and tells those who follow the job's events.

        Raises:
            LeaseLostError: the step is no longer this claim's.
        """
        mine = (Step.id == claim.step_id) & (Step.epoch == claim.epoch) & (Step.state == StepState.LEASED)
        with self._database.write() as tx:
            lock_job(tx, claim.job_id)
            if tx.execute(select(Step.id).where(mine)).first() is None:
                raise LeaseLostError
            noted = replace(progress, at=self._clock.read(tx.connection))
            tx.execute(
                update(Job)
                .where(Job.id == claim.job_id)
                .values(pull=noted.as_json(), version=Job.version + 1)
            )
            tx.add_event(
                tenant_id=claim.tenant_id,
                job_id=claim.job_id,
                step_id=claim.step_id,
                kind="pull.progress",
                detail={"bytes_done": noted.bytes_done, "bytes": noted.n_bytes, "doing": noted.doing},
            )
