"""Speeches in the ledger: planned at once, before every book, ended with their last chunk."""

from __future__ import annotations

import pytest

from jobs.ledger import Ledger
from jobs.ledger.values import ALL_BUT_URGENT, ONLY_URGENT, PlannedChapter, StepError, Stored
from jobs.messages import Knock
from jobs.states import JobKind, StepKind
from tests.jobs import story

CHUNKS = [StepKind.SYNTHESIZE]
WEIGHTS = "f" * 64


@pytest.fixture
def ledger(still_ledger: Ledger) -> Ledger:
    return still_ledger


@pytest.fixture
def alice(ledger: Ledger) -> str:
    return story.tenant(ledger)


def speak(ledger: Ledger, tenant_id: str, n_utterances: int = 2, name: str = "a") -> str:
    script = Stored("script", f"t/{tenant_id}/speeches/{name}.json", "0" * 64, 10, "application/json")
    submitted = ledger.jobs.submit(
        tenant_id,
        JobKind.NARRATION,
        {"voice": "draft"},
        priority=9,
        speech=PlannedChapter("", 20, n_utterances, script),
        weights_digest=WEIGHTS,
    )
    assert submitted.knocks == (Knock(StepKind.SYNTHESIZE, WEIGHTS),)
    return submitted.job_id


def test_a_speech_goes_before_a_book_that_came_first(ledger: Ledger, alice: str) -> None:
    story.submit(ledger, alice)
    story.plan(ledger, [4], chunk=2)
    assert not ledger.speeches.are_waiting()
    first, second = speak(ledger, alice, name="a"), speak(ledger, alice, name="b")
    assert ledger.speeches.are_waiting()
    claims = ledger.steps.claim(CHUNKS, owner="w", lease_seconds=60, most=9)
    assert [(claim.job_id, claim.first_utterance) for claim in claims] == [
        (first, 0),
        (second, 0),
        (first, 1),
        (second, 1),
    ]
    assert all(claim.is_urgent for claim in claims)
    assert not ledger.speeches.are_waiting()


def test_a_claim_may_be_for_speeches_only_or_for_all_else(ledger: Ledger, alice: str) -> None:
    story.submit(ledger, alice)
    story.plan(ledger, [4], chunk=2)
    assert ledger.steps.claim(CHUNKS, owner="w", lease_seconds=60, most=9, priorities=ONLY_URGENT) == []
    job_id = speak(ledger, alice)
    books = ledger.steps.claim(CHUNKS, owner="w", lease_seconds=60, most=9, priorities=ALL_BUT_URGENT)
    assert len(books) == 2
    assert not any(claim.is_urgent for claim in books)
    urgent = ledger.steps.claim(CHUNKS, owner="w", lease_seconds=60, most=9, priorities=ONLY_URGENT)
    assert [claim.job_id for claim in urgent] == [job_id, job_id]


def test_a_failed_chunk_is_told_before_the_others_end(ledger: Ledger, alice: str) -> None:
    job_id = speak(ledger, alice)
    first, _ = ledger.steps.claim(CHUNKS, owner="w", lease_seconds=60, most=9)
    assert ledger.speeches.look(alice, job_id).error is None
    ledger.steps.fail(first, StepError("unreadable-text", "no such letter", 1, 0))
    view = ledger.speeches.look(alice, job_id)
    assert view.state == "running"
    assert view.error is not None
    assert view.error["code"] == "unreadable-text"


def test_it_has_succeeded_with_its_last_chunk(ledger: Ledger, alice: str) -> None:
    job_id = speak(ledger, alice)
    for claim in ledger.steps.claim(CHUNKS, owner="w", lease_seconds=60, most=9):
        assert ledger.speeches.look(alice, job_id).state == "running"
        assert ledger.steps.finish(claim, audio_seconds=1.0) == []
    assert ledger.speeches.look(alice, job_id).state == "succeeded"
    assert ledger.jobs.get(alice, job_id).audio_seconds == 2.0


def test_a_cancelled_speech_waits_for_nobody(ledger: Ledger, alice: str) -> None:
    job_id = speak(ledger, alice)
    ledger.jobs.cancel(alice, job_id)
    assert not ledger.speeches.are_waiting()
    assert ledger.speeches.look(alice, job_id).state == "cancelled"
