"""A chapter whose takes are lost, though its chunks have succeeded: they are to be spoken again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import delete, insert, select, update

from jobs.ledger.database import Transaction, batched
from jobs.ledger.values import Claim, FoundTake
from jobs.ledger.windows import Windows
from jobs.messages import Knock
from jobs.states import StepKind, StepState
from jobs.tables import Artefact, Chapter, Job, Step, Take


def write_mend(
    tx: Transaction,
    windows: Windows,
    claim: Claim,
    *,
    lost: Sequence[int],
    drop: Sequence[FoundTake],
    kept_seconds: float,
    chunk_utterances: int,
) -> list[Knock]:
    """Drops the takes and writes new chunks for the utterances, which the chapter's master waits for.

    The chunks that succeeded stay as they are; what is counted as done is what is left. The job's lock must
    be held. Returns the knocks now due.
    """
    _forget(tx, claim.tenant_id, drop)
    of_chapter = (Step.job_id == claim.job_id) & (Step.chapter_index == claim.chapter_index)
    weights_digest = tx.execute(
        select(Step.weights_digest).where(of_chapter, Step.kind == StepKind.SYNTHESIZE).limit(1)
    ).scalar_one()
    priority = tx.execute(select(Step.priority).where(Step.id == claim.step_id)).scalar_one()
    place = windows.place(tx, claim.job_id, priority=priority)
    tx.execute(
        insert(Step),
        [
            {
                **place,
                "job_id": claim.job_id,
                "tenant_id": claim.tenant_id,
                "kind": StepKind.SYNTHESIZE,
                "state": StepState.READY,
                "chapter_index": claim.chapter_index,
                "first_utterance": first,
                "n_utterances": n,
                "weights_digest": weights_digest,
                "releases_id": claim.step_id,
            }
            for first, n in _runs(lost, chunk_utterances)
        ],
    )
    _count_back(tx, claim, len(lost), kept_seconds)
    return [Knock(StepKind.SYNTHESIZE, weights_digest)]


def _forget(tx: Transaction, tenant_id: str, takes: Sequence[FoundTake]) -> None:
    """Drops the takes where they still lie in these renders: another chapter may have made them anew."""
    renders = select(Artefact.id).where(
        Artefact.tenant_id == tenant_id, Artefact.key.in_({take.render_key for take in takes})
    )
    for some in batched(sorted({take.digest for take in takes})):
        ours = (Take.tenant_id == tenant_id) & Take.digest.in_(some) & Take.render_id.in_(renders)
        # in the order in which takes are added: a DELETE alone would lock them in any
        tx.execute(select(Take.digest).where(ours).order_by(Take.digest).with_for_update())
        tx.execute(delete(Take).where(ours))


def _runs(indexes: Sequence[int], most: int) -> Iterator[tuple[int, int]]:
    """First index and length of the stretches of consecutive indexes, none longer than `most`."""
    first, n = -1, 0
    for index in sorted(indexes):
        if n and (index != first + n or n == most):
            yield first, n
            n = 0
        if not n:
            first = index
        n += 1
    if n:
        yield first, n


def _count_back(tx: Transaction, claim: Claim, n_lost: int, kept_seconds: float) -> None:
    chapter = (Chapter.job_id == claim.job_id) & (Chapter.index == claim.chapter_index)
    counted = tx.execute(select(Chapter.audio_seconds).where(chapter)).scalar_one()
    tx.execute(
        update(Chapter)
        .where(chapter)
        .values(n_utterances_done=Chapter.n_utterances_done - n_lost, audio_seconds=kept_seconds)
    )
    tx.execute(
        update(Job)
        .where(Job.id == claim.job_id)
        .values(
            n_utterances_done=Job.n_utterances_done - n_lost,
            audio_seconds=Job.audio_seconds - (counted - kept_seconds),
            version=Job.version + 1,
        )
    )
