"""A master that finds takes lost has them spoken again, and waits, as often as it may be tried."""

from __future__ import annotations

import pytest

from jobs.errors import LeaseLostError
from jobs.ledger import Ledger
from jobs.ledger.values import Claim, FoundTake, StepError, TakeRange
from jobs.messages import Knock
from jobs.states import JobState, StepKind
from tests.jobs import story


@pytest.fixture
def alice(ledger: Ledger) -> str:
    return story.tenant(ledger)


def spoken(ledger: Ledger, alice: str, n_utterances: int = 7) -> tuple[str, Claim]:
    """A job of one chapter, all spoken in chunks of two, and its master's claim."""
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [n_utterances], chunk=2)
    while chunks := ledger.steps.claim([StepKind.SYNTHESIZE], owner="worker", lease_seconds=60):
        story.finish(ledger, chunks[0])
    return job_id, story.claim(ledger, StepKind.MASTER)


def takes(ledger: Ledger, alice: str, master: Claim, *indexes: int) -> list[FoundTake]:
    digests = [story.digest_of(master, index) for index in indexes]
    return list(ledger.takes.find(alice, digests).values())


def mend(ledger: Ledger, master: Claim, lost: list[int], drop: list[FoundTake]) -> list[Knock] | None:
    return ledger.steps.mend(master, lost=lost, drop=drop, kept_seconds=7.0 - len(lost), chunk_utterances=2)


def test_what_is_lost_is_spoken_again_and_the_job_ends_well(ledger: Ledger, alice: str) -> None:
    job_id, master = spoken(ledger, alice)
    lost = [1, 2, 3, 6]
    drop = takes(ledger, alice, master, *lost)
    assert mend(ledger, master, lost, drop) == [Knock(StepKind.SYNTHESIZE, story.WEIGHTS)]
    job = ledger.jobs.get(alice, job_id)
    assert (job.state, job.n_utterances_done, job.audio_seconds) == (JobState.RUNNING, 3, 3.0)
    (chapter,) = ledger.jobs.chapters(alice, job_id)
    assert (chapter.n_utterances_done, chapter.audio_seconds) == (3, 3.0)
    assert takes(ledger, alice, master, *range(7)) == takes(ledger, alice, master, 0, 4, 5)
    (event,) = [each for each in ledger.jobs.events(alice, job_id) if each.kind == "step.blocked"]
    assert event.detail == {"step": "master", "reason": "takes lost", "utterances": 4}
    chunks = ledger.steps.claim([StepKind.SYNTHESIZE], owner="worker", lease_seconds=60, most=9)
    assert sorted((each.first_utterance, each.n_utterances) for each in chunks) == [(1, 2), (3, 1), (6, 1)]
    assert {each.weights_digest for each in chunks} == {story.WEIGHTS}
    assert ledger.steps.claim([StepKind.MASTER], owner="worker", lease_seconds=60) == []  # it waits
    for chunk in chunks:
        story.finish(ledger, chunk)
    story.drain(ledger)
    job = ledger.jobs.get(alice, job_id)
    assert (job.state, job.n_utterances_done, job.audio_seconds) == (JobState.SUCCEEDED, 7, 7.0)
    assert len(takes(ledger, alice, master, *range(7))) == 7


def test_a_take_that_was_made_anew_meanwhile_stays(ledger: Ledger, alice: str) -> None:
    """Another chapter with the same sentence found it lost first."""
    _, master = spoken(ledger, alice)
    (stale,) = takes(ledger, alice, master, 4)
    ledger.takes.forget(alice, [stale.digest])
    story.submit(ledger, alice)
    story.plan(ledger, [1])
    other = story.claim(ledger, StepKind.SYNTHESIZE)
    ledger.steps.keep(
        other, artefacts=[story.stored("anew")], takes=[TakeRange(stale.digest, "anew", 0, 32_000)]
    )
    assert mend(ledger, master, [4], [stale]) is not None
    (kept,) = takes(ledger, alice, master, 4)
    assert kept.render_key == "anew"


def test_it_is_mended_as_often_as_a_step_is_tried(ledger: Ledger, alice: str) -> None:
    _, master = spoken(ledger, alice)
    for attempt in (1, 2):
        assert master.attempt == attempt
        assert mend(ledger, master, [0], takes(ledger, alice, master, 0))
        story.finish(ledger, story.claim(ledger, StepKind.SYNTHESIZE))
        master = story.claim(ledger, StepKind.MASTER)
    assert mend(ledger, master, [0], takes(ledger, alice, master, 0)) is None
    assert takes(ledger, alice, master, 0)
    story.finish(ledger, master)


def test_a_lost_lease_mends_nothing(ledger: Ledger, alice: str) -> None:
    job_id, master = spoken(ledger, alice)
    before = ledger.jobs.get(alice, job_id)
    drop = takes(ledger, alice, master, 0)
    ledger.steps.lapse(owner="worker")
    with pytest.raises(LeaseLostError):
        mend(ledger, master, [0], drop)
    assert ledger.jobs.get(alice, job_id) == before
    assert takes(ledger, alice, master, 0) == drop


def test_a_chunk_that_cannot_be_spoken_again_ends_its_chapter(ledger: Ledger, alice: str) -> None:
    job_id, master = spoken(ledger, alice)
    mend(ledger, master, [0], takes(ledger, alice, master, 0))
    chunk = story.claim(ledger, StepKind.SYNTHESIZE)
    ledger.steps.fail(chunk, StepError("voice", "the voice is gone"))
    job = ledger.jobs.get(alice, job_id)
    assert (job.state, job.n_utterances_done) == (JobState.FAILED, 6)
