"""Speeches: short texts that somebody waits for. Planned when they are submitted, spoken before any book.

A speech is a job with one chapter and a chunk for each utterance, and nothing after them: the job has
succeeded when its last chunk has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import insert, literal, select

from jobs.errors import JobMissingError
from jobs.ledger.database import Database, Transaction
from jobs.ledger.files import add_artefacts
from jobs.ledger.values import URGENT, PlannedChapter
from jobs.messages import Knock
from jobs.states import JobState, StepKind, StepState
from jobs.tables import Chapter, Job, Step

FIRST: Final = URGENT + 1
"""Priority of a speech's first utterance: the first sound of one goes before the rest of all others."""


@dataclass(frozen=True, slots=True)
class SpeechView:
    """How a speech stands."""

    state: JobState
    error: dict[str, Any] | None
    """Of the first chunk that failed, as soon as it has: the others need not be waited for."""


class Speeches:
    """What those ask who wait for a speech, and those who could speak it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._clock = database.clock

    def look(self, tenant_id: str, job_id: str) -> SpeechView:
        """How the speech stands.

        Raises:
            JobMissingError: this tenant has no such job.
        """
        with self._database.read() as tx:
            state = tx.execute(
                select(Job.state).where(Job.id == job_id, Job.tenant_id == tenant_id)
            ).scalar_one_or_none()
            if state is None:
                raise JobMissingError(f"no job {job_id}")
            failed = (
                select(Step.error)
                .where(Step.job_id == job_id, Step.state == StepState.FAILED)
                .order_by(Step.id)
                .limit(1)
            )
            return SpeechView(JobState(state), tx.execute(failed).scalar_one_or_none())

    def are_waiting(self) -> bool:
        """Whether there is a chunk to claim that cannot wait. Cheap: it locks nothing and writes nothing."""
        due = (
            select(literal(1))
            .select_from(Step)
            .join(Job, Job.id == Step.job_id)
            .where(
                Step.kind == StepKind.SYNTHESIZE,
                Step.state == StepState.READY,
                Step.priority >= URGENT,
                Step.not_before <= self._clock.now(),
                Job.state.in_((JobState.QUEUED, JobState.RUNNING)),
            )
            .limit(1)
        )
        with self._database.read() as tx:
            return tx.execute(due).first() is not None


def write_speech(
    tx: Transaction,
    database: Database,
    tenant_id: str,
    job_id: str,
    chapter: PlannedChapter,
    weights_digest: str | None,
) -> Knock:
    """The rows of a speech whose job has just been written; returns the knock now due."""
    now = database.clock.read(tx.connection)
    (script_id,) = add_artefacts(tx, database, tenant_id, job_id, [chapter.script])
    tx.execute(
        insert(Chapter).values(
            job_id=job_id,
            index=1,
            title="",
            n_characters=chapter.n_characters,
            n_utterances=chapter.n_utterances,
            script_id=script_id,
        )
    )
    tx.execute(
        insert(Step),
        [
            {
                "job_id": job_id,
                "tenant_id": tenant_id,
                "kind": StepKind.SYNTHESIZE,
                "state": StepState.READY,
                "priority": FIRST if index == 0 else URGENT,
                "ready_at": now,
                "chapter_index": 1,
                "first_utterance": index,
                "n_utterances": 1,
                "weights_digest": weights_digest,
            }
            for index in range(chapter.n_utterances)
        ],
    )
    return Knock(StepKind.SYNTHESIZE, weights_digest)
