"""Submitting, reading and steering jobs. Every call names its tenant; another tenant's job does not exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import ColumnElement, insert, select, update

from jobs.clock import Clock
from jobs.errors import IdempotencyMismatchError, JobMissingError, MoveRefusedError
from jobs.ids import new_id
from jobs.ledger.database import Database, Transaction
from jobs.ledger.files import add_artefacts, read_artefacts
from jobs.ledger.limits import Limits
from jobs.ledger.moves import LET_GO, lock_job, move_job, move_steps, tell_webhook
from jobs.ledger.speeches import write_speech
from jobs.ledger.trainings import write_training
from jobs.ledger.values import (
    DELIVERED,
    ArtefactView,
    ChapterView,
    EventView,
    JobView,
    PlannedChapter,
    Stored,
    Submitted,
    storable,
)
from jobs.ledger.views import eta, job_columns, job_view
from jobs.ledger.windows import Windows
from jobs.messages import Knock
from jobs.settings import Settings
from jobs.states import STEP_OPEN, JobKind, JobState, StepKind, StepState
from jobs.tables import Artefact, Chapter, Event, IdempotencyKey, Job, Step

FIRST_STEPS: Final[Mapping[JobKind, StepKind]] = MappingProxyType(
    {
        JobKind.NARRATION: StepKind.PLAN,
        JobKind.EXPORT: StepKind.EXPORT,
        JobKind.PULL: StepKind.PULL,
    }
)
"""What a job begins with, where that is one step: the last two are nothing else."""


class Jobs:
    """The jobs of every tenant."""

    def __init__(self, database: Database, settings: Settings, windows: Windows) -> None:
        self._database = database
        self._clock: Clock = database.clock
        self._limits = Limits(database.clock, settings)
        self._windows = windows

    # --- asking ---

    def submit(
        self,
        tenant_id: str,
        kind: JobKind,
        spec: dict[str, Any],
        *,
        title: str = "",
        priority: int = 5,
        n_characters: int = 0,
        source: Stored | None = None,
        recordings: Sequence[Stored] = (),
        speech: PlannedChapter | None = None,
        weights_digest: str | None = None,
        idempotency_key: str | None = None,
        request_digest: str = "",
    ) -> Submitted:
        """A job, its first step and its event, in one transaction; or the job this key made before.

        Args:
            tenant_id: whose job it is.
            kind: what is asked for.
            spec: the validated request.
            title: what the job is called.
            priority: 9 is served first. A speech goes before every priority.
            n_characters: as far as they are known; they count towards the tenant's limit.
            source: the stored file that the job reads.
            recordings: the stored files that a training learns from.
            speech: the job is planned already, and spoken at once: this is all of it.
            weights_digest: of the voice that speaks the speech.
            idempotency_key: the client's.
            request_digest: what it was asked with.

        Raises:
            IdempotencyMismatchError: the key was used with another request.
            LimitReachedError: a limit of the tenant is reached.
        """
        with self._database.write() as tx:
            tenant = self._limits.lock(tx, tenant_id)
            if idempotency_key is not None:
                earlier = tx.execute(
                    select(IdempotencyKey.job_id, IdempotencyKey.request_digest).where(
                        IdempotencyKey.tenant_id == tenant_id, IdempotencyKey.key == idempotency_key
                    )
                ).first()
                if earlier is not None:
                    if earlier.request_digest != request_digest:
                        raise IdempotencyMismatchError
                    return Submitted(earlier.job_id, replayed=True, knocks=())
            files = [*recordings] if source is None else [source, *recordings]
            self._limits.check(tx, tenant, n_characters, files)
            job_id = new_id()
            now = self._clock.now()
            tx.execute(
                insert(Job).values(
                    id=job_id,
                    tenant_id=tenant_id,
                    kind=kind,
                    state=JobState.QUEUED,
                    spec=spec,
                    title=storable(title),
                    priority=priority,
                    n_characters=n_characters,
                    n_utterances=speech.n_utterances if speech else 0,
                    created_at=now,
                )
            )
            if speech is not None:
                knock = write_speech(tx, self._database, tenant_id, job_id, speech, weights_digest)
            elif kind is JobKind.TRAINING:
                knock = write_training(tx, tenant_id, job_id, priority=priority, now=now)
            else:
                first = {"job_id": job_id, "tenant_id": tenant_id, "priority": priority}
                ready = {"kind": FIRST_STEPS[kind], "state": StepState.READY, "ready_at": now}
                tx.execute(insert(Step).values(**first, **ready))
                knock = Knock(FIRST_STEPS[kind])
            tx.add_event(tenant_id=tenant_id, job_id=job_id, kind=f"job.{JobState.QUEUED}")
            add_artefacts(tx, self._database, tenant_id, job_id, files)
            if idempotency_key is not None:
                tx.execute(
                    insert(IdempotencyKey).values(
                        tenant_id=tenant_id,
                        key=idempotency_key,
                        request_digest=request_digest,
                        job_id=job_id,
                        created_at=now,
                    )
                )
            return Submitted(job_id, replayed=False, knocks=(knock,))

    def replay(self, tenant_id: str, idempotency_key: str, request_digest: str) -> str | None:
        """The job this Idempotency-Key made before, so that an upload need not be stored again.

        Raises:
            IdempotencyMismatchError: the key was used with another request.
        """
        with self._database.read() as tx:
            earlier = tx.execute(
                select(IdempotencyKey.job_id, IdempotencyKey.request_digest).where(
                    IdempotencyKey.tenant_id == tenant_id, IdempotencyKey.key == idempotency_key
                )
            ).first()
        if earlier is None:
            return None
        if earlier.request_digest != request_digest:
            raise IdempotencyMismatchError
        return str(earlier.job_id)

    def check_characters(self, tenant_id: str, job_id: str, n_characters: int) -> None:
        """Counts a planned book against what the tenant may still have read today, or refuses it.

        Raises:
            LimitReachedError: it is longer than that.
        """
        with self._database.write() as tx:
            self._limits.check_characters(tx, self._limits.lock(tx, tenant_id), n_characters, besides=job_id)
            # counted here, under the tenant's lock: two books planned at once shall not both fit
            tx.execute(
                update(Job)
                .where(Job.id == job_id, Job.tenant_id == tenant_id, Job.n_characters != n_characters)
                .values(n_characters=n_characters, version=Job.version + 1)
            )

    # --- reading ---

    def get(self, tenant_id: str, job_id: str) -> JobView:
        """The job as it stands.

        Raises:
            JobMissingError: this tenant has no such job.
        """
        with self._database.read() as tx:
            row = tx.execute(job_columns(Job.id == job_id, Job.tenant_id == tenant_id)).first()
            if row is None:
                raise JobMissingError(f"no job {job_id}")
            return job_view(row, eta(tx, self._clock, self._windows, row), self._windows.goes_on_at(tx, row))

    def page(
        self, tenant_id: str, *, states: Sequence[JobState] = (), before: str | None = None, most: int = 50
    ) -> list[JobView]:
        """Jobs, newest first; `before` is the id of the last one of the page before."""
        conditions: list[ColumnElement[bool]] = [Job.tenant_id == tenant_id]
        if states:
            conditions.append(Job.state.in_(list(states)))
        if before is not None:
            conditions.append(Job.id < before)
        with self._database.read() as tx:
            rows = tx.execute(job_columns(*conditions).order_by(Job.id.desc()).limit(most))
            return [job_view(row) for row in rows]

    def chapters(self, tenant_id: str, job_id: str) -> list[ChapterView]:
        """The job's chapters in order; empty until it is planned."""
        with self._database.read() as tx:
            rows = tx.execute(
                select(
                    Chapter.index,
                    Chapter.title,
                    Chapter.n_characters,
                    Chapter.n_utterances,
                    Chapter.n_utterances_done,
                    Chapter.audio_seconds,
                    Artefact.key.label("script_key"),
                    Artefact.sha256.label("script_sha256"),
                )
                .join(Job, Job.id == Chapter.job_id)
                .join(Artefact, Artefact.id == Chapter.script_id)
                .where(Chapter.job_id == job_id, Job.tenant_id == tenant_id)
                .order_by(Chapter.index)
            )
            return [ChapterView(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public accessor

    def artefacts(
        self,
        tenant_id: str,
        job_id: str,
        *,
        kinds: Sequence[str] = DELIVERED,
        name: str | None = None,
    ) -> list[ArtefactView]:
        """The job's stored files of these kinds, in the order they were made."""
        conditions = [Artefact.tenant_id == tenant_id, Artefact.job_id == job_id, Artefact.kind.in_(kinds)]
        if name is not None:
            conditions.append(Artefact.name == name)
        with self._database.read() as tx:
            return read_artefacts(tx, *conditions)

    def results(self, job_id: str, kind: StepKind) -> dict[int, dict[str, Any]]:
        """Chapter index -> what the job's succeeded steps of this kind told those after them."""
        with self._database.read() as tx:
            rows = tx.execute(
                select(Step.chapter_index, Step.result).where(
                    Step.job_id == job_id, Step.kind == kind, Step.state == StepState.SUCCEEDED
                )
            )
            return {row.chapter_index or 0: row.result or {} for row in rows}

    def count_doubtful(self, tenant_id: str, job_id: str) -> int:
        """How many takes of its finished chapters somebody should listen to, as their masters told."""
        with self._database.read() as tx:
            told = tx.execute(
                select(Step.result).where(
                    Step.tenant_id == tenant_id,
                    Step.job_id == job_id,
                    Step.kind == StepKind.MASTER,
                    Step.state == StepState.SUCCEEDED,
                )
            ).scalars()
            return sum(len((result or {}).get("doubtful", ())) for result in told)

    def events(self, tenant_id: str, job_id: str, *, after: int = 0, most: int = 500) -> list[EventView]:
        """The job's events after the one numbered `after`, oldest first."""
        with self._database.read() as tx:
            rows = tx.execute(
                select(Event.id, Event.job_id, Event.step_id, Event.kind, Event.detail, Event.at)
                .where(Event.tenant_id == tenant_id, Event.job_id == job_id, Event.id > after)
                .order_by(Event.id)
                .limit(most)
            )
            return [EventView(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public accessor

    # --- steering ---

    def cancel(self, tenant_id: str, job_id: str) -> JobView:
        """Cancels the job at once: what is in a worker's hands is dropped at its next renewal.

        Raises:
            JobMissingError: this tenant has no such job.
            MoveRefusedError: it has ended already.
        """
        with self._database.write() as tx:
            now = self._clock.now()
            self._move(tx, tenant_id, job_id, JobState.CANCELLED, ended_at=now)
            move_steps(tx, job_id, STEP_OPEN, StepState.CANCELLED, **LET_GO, ended_at=now)
            tell_webhook(tx, self._clock, job_id)
        return self.get(tenant_id, job_id)

    def pause(self, tenant_id: str, job_id: str) -> JobView:
        """Pauses the job: what is in hand is finished, nothing new is claimed.

        Raises:
            JobMissingError: this tenant has no such job.
            MoveRefusedError: it is not running.
        """
        with self._database.write() as tx:
            self._move(tx, tenant_id, job_id, JobState.PAUSED)
        return self.get(tenant_id, job_id)

    def resume(self, tenant_id: str, job_id: str) -> tuple[JobView, list[Knock]]:
        """Lets a paused job go on; with the knocks now due.

        Raises:
            JobMissingError: this tenant has no such job.
            MoveRefusedError: it is not paused.
        """
        with self._database.write() as tx:
            self._move(tx, tenant_id, job_id, JobState.RUNNING, only_from=JobState.PAUSED)
            knocks = self._ready_kinds(tx, job_id)
        return self.get(tenant_id, job_id), knocks

    def retry(self, tenant_id: str, job_id: str) -> tuple[JobView, list[Knock]]:
        """Tries a failed job's failed steps again, with fresh attempts; all that is done stays done.

        Raises:
            JobMissingError: this tenant has no such job.
            MoveRefusedError: it has not failed.
        """
        with self._database.write() as tx:
            self._move(
                tx, tenant_id, job_id, JobState.RUNNING, only_from=JobState.FAILED, error=None, ended_at=None
            )
            fresh: dict[str, Any] = {
                "error": None,
                "ended_at": None,
                "attempt": 0,
                "suspects": {},
                "not_before": 0.0,
            }
            move_steps(tx, job_id, {StepState.CANCELLED}, StepState.BLOCKED, **fresh)
            ready_at = self._clock.now()
            move_steps(tx, job_id, {StepState.FAILED}, StepState.READY, **fresh, ready_at=ready_at)
            knocks = self._ready_kinds(tx, job_id)
        return self.get(tenant_id, job_id), knocks

    def _move(
        self,
        tx: Transaction,
        tenant_id: str,
        job_id: str,
        to: JobState,
        *,
        only_from: JobState | None = None,
        **columns: Any,
    ) -> None:
        """The one move, under the job's lock.

        Raises:
            JobMissingError: this tenant has no such job.
            MoveRefusedError: its state does not allow the move.
        """
        state = lock_job(tx, job_id, Job.tenant_id == tenant_id)
        if state is None:
            raise JobMissingError(f"no job {job_id}")
        if (only_from is not None and state != only_from) or not move_job(tx, job_id, to, **columns):
            raise MoveRefusedError(state)

    def _ready_kinds(self, tx: Transaction, job_id: str) -> list[Knock]:
        rows = tx.execute(
            select(Step.kind, Step.weights_digest)
            .where(Step.job_id == job_id, Step.state == StepState.READY)
            .distinct()
        )
        return [Knock(row.kind, row.weights_digest) for row in rows]
