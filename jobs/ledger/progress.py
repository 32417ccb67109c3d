"""How far a narration is: what each finished step adds to its chapter and its job."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from jobs.ledger.database import Transaction
from jobs.ledger.values import Claim
from jobs.states import StepKind
from jobs.tables import Chapter, Job


def count_progress(tx: Transaction, claim: Claim, audio_seconds: float | None) -> None:
    """Adds a chunk that has succeeded to its chapter and job; of a master, tells that its chapter is done.

    `audio_seconds`: of a chunk, the sound of all its takes; of a master, the chapter's final length.
    """
    if claim.chapter_index is None:
        return
    chapter = (Chapter.job_id == claim.job_id) & (Chapter.index == claim.chapter_index)
    of_job: dict[str, Any] = {"version": Job.version + 1}
    if claim.kind == StepKind.SYNTHESIZE:
        n_done, seconds = claim.n_utterances or 0, audio_seconds or 0.0
        tx.execute(
            update(Chapter)
            .where(chapter)
            .values(
                n_utterances_done=Chapter.n_utterances_done + n_done,
                audio_seconds=Chapter.audio_seconds + seconds,
            )
        )
        of_job |= {
            "n_utterances_done": Job.n_utterances_done + n_done,
            "audio_seconds": Job.audio_seconds + seconds,
        }
    elif claim.kind == StepKind.MASTER and audio_seconds is not None:
        tx.execute(update(Chapter).where(chapter).values(audio_seconds=audio_seconds))
        tx.add_event(
            tenant_id=claim.tenant_id,
            job_id=claim.job_id,
            kind="chapter.done",
            step_id=claim.step_id,
            detail={"chapter": claim.chapter_index, "audio_seconds": audio_seconds},
        )
    tx.execute(update(Job).where(Job.id == claim.job_id).values(**of_job))
