"""The rows of a planned narration: chapters, their chunks, their masters and the bind step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select, update

from jobs.ledger.database import Database, Transaction
from jobs.ledger.files import add_artefacts
from jobs.ledger.values import Claim, PlannedChapter, storable
from jobs.ledger.windows import Windows
from jobs.messages import Knock
from jobs.states import StepKind, StepState
from jobs.tables import Chapter, Job, Step


def write_plan(
    tx: Transaction,
    database: Database,
    windows: Windows,
    claim: Claim,
    *,
    title: str,
    chapters: Sequence[PlannedChapter],
    weights_digest: str | None,
    chunk_utterances: int,
) -> list[Knock]:
    """Writes them in a fixed number of statements, whatever the book's length. Returns the knocks now due."""
    now = database.clock.read(tx.connection)
    priority = tx.execute(select(Step.priority).where(Step.id == claim.step_id)).scalar_one()
    shared = {"job_id": claim.job_id, "tenant_id": claim.tenant_id, "priority": priority}
    scripts = [chapter.script for chapter in chapters]
    script_ids = add_artefacts(tx, database, claim.tenant_id, claim.job_id, scripts)
    tx.execute(
        insert(Chapter),
        [
            {
                "job_id": claim.job_id,
                "index": index,
                "title": storable(chapter.title),
                "n_characters": chapter.n_characters,
                "n_utterances": chapter.n_utterances,
                "script_id": script_id,
            }
            for index, (chapter, script_id) in enumerate(zip(chapters, script_ids, strict=True), start=1)
        ],
    )
    bind_id = tx.execute(
        insert(Step).values(**shared, kind=StepKind.BIND, state=StepState.BLOCKED).returning(Step.id)
    ).scalar_one()
    tx.execute(
        insert(Step),
        [
            {
                **shared,
                "kind": StepKind.MASTER,
                "chapter_index": index,
                "releases_id": bind_id,
                # a chapter without a single utterance has nothing to wait for
                "state": StepState.BLOCKED if chapter.n_utterances else StepState.READY,
                "ready_at": None if chapter.n_utterances else now,
            }
            for index, chapter in enumerate(chapters, start=1)
        ],
    )
    masters = tx.execute(select(Step.chapter_index, Step.id).where(Step.releases_id == bind_id))
    master_ids: dict[int, int] = {row.chapter_index: row.id for row in masters}
    place = windows.place(tx, claim.job_id, priority=priority)
    chunks: list[dict[str, Any]] = [
        {
            **shared,
            **place,
            "kind": StepKind.SYNTHESIZE,
            "state": StepState.READY,
            "chapter_index": index,
            "first_utterance": first,
            "n_utterances": min(chunk_utterances, chapter.n_utterances - first),
            "weights_digest": weights_digest,
            "releases_id": master_ids[index],
        }
        for index, chapter in enumerate(chapters, start=1)
        for first in range(0, chapter.n_utterances, chunk_utterances)
    ]
    if chunks:
        tx.execute(insert(Step), chunks)
    tx.execute(
        update(Job)
        .where(Job.id == claim.job_id)
        .values(
            title=storable(title),
            n_characters=sum(chapter.n_characters for chapter in chapters),
            n_utterances=sum(chapter.n_utterances for chapter in chapters),
            version=Job.version + 1,
        )
    )
    knocks = [Knock(StepKind.SYNTHESIZE, weights_digest)] if chunks else []
    if any(chapter.n_utterances == 0 for chapter in chapters):
        knocks.append(Knock(StepKind.MASTER))
    return knocks
