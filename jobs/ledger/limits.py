"""What a tenant may have: open jobs, characters a day, stored bytes; its own limits, or those of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import func, select

from jobs.clock import Clock
from jobs.errors import LimitReachedError
from jobs.ledger.database import Transaction
from jobs.ledger.values import Stored
from jobs.settings import Settings
from jobs.states import JOB_ENDED, JobState
from jobs.tables import Artefact, Job, Tenant

A_DAY: Final = 86_400.0


class Limits:
    """The limits of every tenant."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self._clock = clock
        self._settings = settings

    def lock(self, tx: Transaction, tenant_id: str) -> Any:
        """The tenant's row, locked: of two requests at once only one may take what is left."""
        return tx.execute(
            select(Tenant.id, Tenant.max_open_jobs, Tenant.max_characters_a_day, Tenant.max_stored_bytes)
            .where(Tenant.id == tenant_id)
            .with_for_update(key_share=True)
        ).one()

    def check(self, tx: Transaction, tenant: Any, n_characters: int, files: Sequence[Stored]) -> None:
        """Lets one more job pass, with these files to be stored.

        Raises:
            LimitReachedError: a limit of the tenant is reached.
        """
        most_jobs = _limit(tenant.max_open_jobs, self._settings.max_open_jobs)
        if most_jobs is not None:
            n_open = tx.execute(
                select(func.count())
                .select_from(Job)
                .where(Job.tenant_id == tenant.id, Job.state.in_(sorted(set(JobState) - JOB_ENDED)))
            ).scalar_one()
            if n_open >= most_jobs:
                raise LimitReachedError(
                    "open_jobs", f"{n_open} jobs are open; the limit is {most_jobs}", retry_after_seconds=60
                )
        most_bytes = _limit(tenant.max_stored_bytes, self._settings.max_stored_bytes)
        if most_bytes is not None:
            stored = tx.execute(
                select(func.coalesce(func.sum(Artefact.n_bytes), 0)).where(Artefact.tenant_id == tenant.id)
            ).scalar_one()
            new = {file.key: file.n_bytes for file in files if not _has_artefact(tx, tenant.id, file.key)}
            n_bytes = sum(new.values())
            if stored + n_bytes > most_bytes:
                raise LimitReachedError(
                    "stored_bytes",
                    f"{stored:,} bytes are stored and {n_bytes:,} asked; the limit is {most_bytes:,}",
                )
        self.check_characters(tx, tenant, n_characters)

    def check_characters(
        self, tx: Transaction, tenant: Any, n_characters: int, besides: str | None = None
    ) -> None:
        """Lets so many characters more pass, `besides` those of one job.

        Raises:
            LimitReachedError: they are more than the tenant may have read in a day.
        """
        most = _limit(tenant.max_characters_a_day, self._settings.max_characters_a_day)
        if most is None:
            return
        today = select(func.coalesce(func.sum(Job.n_characters), 0)).where(
            Job.tenant_id == tenant.id, Job.created_at > self._clock.now() - A_DAY
        )
        if besides is not None:
            today = today.where(Job.id != besides)
        used = tx.execute(today).scalar_one()
        if used + n_characters > most or used >= most:
            raise LimitReachedError(
                "characters_a_day",
                f"{used:,} characters in the last 24 hours and {n_characters:,} asked; the limit is {most:,}",
                retry_after_seconds=3600,
            )


def _limit(of_tenant: int | None, of_all: int | None) -> int | None:
    return of_all if of_tenant is None else of_tenant


def _has_artefact(tx: Transaction, tenant_id: str, key: str) -> bool:
    """Whether the file is stored, and so counted, already: the same upload has the same key."""
    same = select(Artefact.id).where(Artefact.tenant_id == tenant_id, Artefact.key == key)
    return tx.execute(same).first() is not None
