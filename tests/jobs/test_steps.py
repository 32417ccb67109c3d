"""Claiming in line, keeping, giving back, lapsing; plans and progress."""

from __future__ import annotations

import pytest

from jobs.clock import SetClock
from jobs.ledger import Ledger
from jobs.ledger.values import Claim, StepError
from jobs.messages import DELIVER, Knock
from jobs.states import JobState, StepKind
from tests.jobs import story

CHUNKS = [StepKind.SYNTHESIZE]


@pytest.fixture
def ledger(still_ledger: Ledger) -> Ledger:
    return still_ledger


@pytest.fixture
def alice(ledger: Ledger) -> str:
    return story.tenant(ledger)


def _chunks(
    ledger: Ledger, *, most: int = 1, weights: str | None = None, owner: str = "worker"
) -> list[Claim]:
    return ledger.steps.claim(CHUNKS, owner=owner, lease_seconds=60, most=most, weights=weights)


def test_book_goes_from_plan_to_book_file(ledger: Ledger, alice: str) -> None:
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [5, 3], chunk=2)
    assert story.drain(ledger) == 3 + 2 + 2 + 1
    job = ledger.jobs.get(alice, job_id)
    assert (job.state, job.n_utterances, job.n_utterances_done, job.audio_seconds) == ("succeeded", 8, 8, 8.0)
    chapters = ledger.jobs.chapters(alice, job_id)
    assert [(each.n_utterances, each.n_utterances_done, each.audio_seconds) for each in chapters] == [
        (5, 5, 1.5),
        (3, 3, 1.5),
    ]
    names = [file.name for file in ledger.jobs.artefacts(alice, job_id)]
    assert names == ["001.flac", "002.flac", "book.m4b"]


def test_plan_cuts_chapters_into_chunks(ledger: Ledger, alice: str) -> None:
    story.submit(ledger, alice)
    story.plan(ledger, [5, 1], chunk=2)
    places = [(c.chapter_index, c.first_utterance, c.n_utterances) for c in _chunks(ledger, most=9)]
    assert places == [(1, 0, 2), (1, 2, 2), (1, 4, 1), (2, 0, 1)]


def test_plan_of_a_silent_chapter_goes_straight_to_its_master(ledger: Ledger, alice: str) -> None:
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [0, 1])
    assert story.claim(ledger, StepKind.MASTER).chapter_index == 1
    ledger.steps.lapse(owner="worker")
    story.drain(ledger)
    assert ledger.jobs.get(alice, job_id).state == JobState.SUCCEEDED


def test_plan_without_chapters_is_refused(ledger: Ledger, alice: str) -> None:
    story.submit(ledger, alice)
    with pytest.raises(ValueError, match="needs a chapter"):
        story.plan(ledger, [])


def test_plan_stores_what_a_broken_book_says(ledger: Ledger, alice: str) -> None:
    """NUL and lone surrogates cannot be stored by PostgreSQL, and must not stop a book."""
    job_id = story.submit(ledger, alice, title="A\x00B").job_id
    claim = story.claim(ledger, StepKind.PLAN)
    (chapter,) = story.planned(job_id, [1])
    broken = type(chapter)("Chap\x00ter \ud800", 1, 1, chapter.script)
    ledger.steps.plan(claim, title="T\x00", chapters=[broken], weights_digest=None, chunk_utterances=1)
    assert ledger.jobs.get(alice, job_id).title == "T"
    assert ledger.jobs.chapters(alice, job_id)[0].title == "Chapter ?"
    ledger.steps.fail(_chunks(ledger)[0], StepError("unreadable-text", "cannot say '\x00\ud800'"))
    error = ledger.jobs.get(alice, job_id).error
    assert error is not None
    assert error["message"] == "cannot say '?'"


def test_plan_again_changes_nothing(ledger: Ledger, alice: str) -> None:
    job_id = story.submit(ledger, alice).job_id
    claim = story.plan(ledger, [1])
    again = ledger.steps.plan(
        claim,
        title="Another",
        chapters=story.planned(job_id, [9]),
        weights_digest=None,
        chunk_utterances=1,
    )
    assert again == []
    assert ledger.jobs.get(alice, job_id).n_utterances == 1


# --- the line ---


def test_claim_takes_the_highest_priority_then_the_oldest(ledger: Ledger, alice: str) -> None:
    jobs = [story.submit(ledger, alice, priority=priority).job_id for priority in (5, 0, 9, 5)]
    order = [story.claim(ledger).job_id for _ in jobs]
    assert order == [jobs[2], jobs[0], jobs[3], jobs[1]]


def test_claim_of_nothing_is_empty(ledger: Ledger, alice: str) -> None:
    assert ledger.steps.claim(story.ALL_KINDS, owner="worker", lease_seconds=60) == []
    story.submit(ledger, alice)
    assert ledger.steps.claim([], owner="worker", lease_seconds=60) == []
    assert ledger.steps.claim(CHUNKS, owner="worker", lease_seconds=60) == []


def test_claim_prefers_the_older_kind_in_line(ledger: Ledger, alice: str) -> None:
    """Steps of the first book, planned long ago, come before the plan of a later one."""
    story.submit(ledger, alice)
    story.plan(ledger, [1])
    story.submit(ledger, alice)
    for kind in (StepKind.SYNTHESIZE, StepKind.MASTER, StepKind.BIND):
        claim = story.claim(ledger)
        assert claim.kind == kind
        story.finish(ledger, claim)
    assert story.claim(ledger).kind == StepKind.PLAN


def test_claim_takes_one_weights_digest_from_several_jobs(ledger: Ledger, alice: str) -> None:
    jobs = [story.submit(ledger, alice).job_id for _ in range(3)]
    story.plan(ledger, [1], weights=story.WEIGHTS)
    story.plan(ledger, [1], weights=story.OTHER_WEIGHTS)
    story.plan(ledger, [1], weights=story.WEIGHTS)
    assert [claim.job_id for claim in _chunks(ledger, most=9)] == [jobs[0], jobs[2]]
    assert [claim.job_id for claim in _chunks(ledger, most=9)] == [jobs[1]]


def test_claim_stays_with_the_weights_at_hand_until_another_waited_too_long(
    ledger: Ledger, alice: str, clock: SetClock
) -> None:
    for weights in (story.OTHER_WEIGHTS, story.WEIGHTS):
        story.submit(ledger, alice)
        story.plan(ledger, [3], weights=weights)
    assert _chunks(ledger, weights=story.WEIGHTS)[0].weights_digest == story.WEIGHTS
    clock.seconds += 61
    assert _chunks(ledger, weights=story.WEIGHTS)[0].weights_digest == story.OTHER_WEIGHTS


def test_claim_leaves_the_weights_at_hand_for_a_higher_priority(ledger: Ledger, alice: str) -> None:
    story.submit(ledger, alice)
    story.plan(ledger, [1], weights=story.WEIGHTS)
    story.submit(ledger, alice, priority=9)
    story.plan(ledger, [1], weights=story.OTHER_WEIGHTS)
    assert _chunks(ledger, weights=story.WEIGHTS)[0].weights_digest == story.OTHER_WEIGHTS


def test_claim_of_chunks_without_weights(ledger: Ledger, alice: str) -> None:
    story.submit(ledger, alice)
    claim = story.claim(ledger)
    chapters = story.planned(claim.job_id, [3])
    ledger.steps.plan(claim, title="", chapters=chapters, weights_digest=None, chunk_utterances=1)
    assert len(_chunks(ledger, most=9)) == 3


def test_claim_passes_paused_jobs_over(ledger: Ledger, alice: str) -> None:
    paused, other = (story.submit(ledger, alice).job_id for _ in range(2))
    story.plan(ledger, [1])
    ledger.jobs.pause(alice, paused)
    assert story.claim(ledger).job_id == other
    assert ledger.steps.claim(story.ALL_KINDS, owner="worker", lease_seconds=60) == []
    _, knocks = ledger.jobs.resume(alice, paused)
    assert knocks == [Knock(StepKind.SYNTHESIZE, story.WEIGHTS)]
    assert story.claim(ledger).job_id == paused


def test_claim_starts_the_job(ledger: Ledger, alice: str, clock: SetClock) -> None:
    job_id = story.submit(ledger, alice).job_id
    clock.seconds += 7
    story.claim(ledger)
    job = ledger.jobs.get(alice, job_id)
    assert (job.state, job.started_at) == ("running", clock.seconds)


# --- keeping and giving back ---


def test_renew_keeps_what_is_held_and_names_what_is_lost(ledger: Ledger, alice: str, clock: SetClock) -> None:
    story.submit(ledger, alice)
    story.plan(ledger, [2])
    kept, lost = _chunks(ledger, most=2)
    clock.seconds += 40
    ledger.steps.release(lost, reason="stop")
    assert ledger.steps.renew([kept, lost], lease_seconds=60) == {kept.step_id}
    clock.seconds += 40
    assert ledger.steps.lapse() == []
    assert ledger.steps.renew([], lease_seconds=60) == frozenset()


def test_release_does_not_count_the_attempt(ledger: Ledger, alice: str, clock: SetClock) -> None:
    story.submit(ledger, alice)
    for _ in range(5):
        claim = story.claim(ledger)
        assert claim.attempt == 1
        assert ledger.steps.release(claim, reason="stop") == [Knock(StepKind.PLAN)]
    ledger.steps.release(story.claim(ledger), reason="outage", wait_seconds=30)
    assert ledger.steps.claim(story.ALL_KINDS, owner="worker", lease_seconds=60) == []
    assert ledger.steps.due() == []
    clock.seconds += 30
    assert ledger.steps.due() == [Knock(StepKind.PLAN)]
    story.claim(ledger)


def test_release_after_progress_does_not_bring_old_attempts_back(ledger: Ledger, alice: str) -> None:
    story.submit(ledger, alice)
    story.plan(ledger, [2], chunk=2)
    for _ in range(2):
        _chunks(ledger)
        ledger.steps.lapse(owner="worker")
    (claim,) = _chunks(ledger)
    assert claim.attempt == 3
    ledger.steps.keep(claim, artefacts=[story.stored("r")], takes=story.takes_of(claim, "r")[:1])
    ledger.steps.release(claim, reason="stop")
    assert _chunks(ledger)[0].attempt == 1


def test_fail_with_retry_gives_up_after_the_last_attempt(ledger: Ledger, alice: str) -> None:
    job_id = story.submit(ledger, alice).job_id
    error = StepError("unreadable-book", "page 3 is torn")
    for _ in range(3):
        assert ledger.jobs.get(alice, job_id).state in {JobState.QUEUED, JobState.RUNNING}
        assert ledger.steps.fail(story.claim(ledger), error, retry=True) == []
    job = ledger.jobs.get(alice, job_id)
    assert job.state == JobState.FAILED
    assert job.error == {
        "code": "unreadable-book",
        "message": "page 3 is torn",
        "errors": [{"code": "unreadable-book", "message": "page 3 is torn"}],
        "n_errors": 1,
    }


def test_fail_with_retry_counts_the_attempts_since_the_last_progress(ledger: Ledger, alice: str) -> None:
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [2], chunk=2)
    error = StepError("storage", "the store did not answer")
    for _ in range(2):
        ledger.steps.fail(_chunks(ledger)[0], error, retry=True)
    (claim,) = _chunks(ledger)
    ledger.steps.keep(claim, artefacts=[story.stored("r")], takes=story.takes_of(claim, "r")[:1])
    ledger.steps.fail(claim, error, retry=True)
    assert ledger.jobs.get(alice, job_id).state == JobState.RUNNING


def test_failed_chunk_lets_the_others_finish(ledger: Ledger, alice: str) -> None:
    """One unreadable sentence costs its chunk; every other sentence is done before the job fails."""
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [2, 2], chunk=1)
    error = StepError("unreadable-text", "chapter 1, utterance 1", chapter_index=1, utterance_index=0)
    ledger.steps.fail(_chunks(ledger)[0], error)
    assert story.drain(ledger) == 3 + 1  # the other chunks, and the other chapter's master
    job = ledger.jobs.get(alice, job_id)
    assert (job.state, job.n_utterances_done) == ("failed", 3)
    assert job.error is not None
    assert (job.error["chapter"], job.error["utterance"]) == (1, 0)
    _, knocks = ledger.jobs.retry(alice, job_id)
    assert knocks == [Knock(StepKind.SYNTHESIZE, story.WEIGHTS)]
    assert story.drain(ledger) == 1 + 1 + 1  # the chunk, its master and the bind step
    job = ledger.jobs.get(alice, job_id)
    assert (job.state, job.n_utterances_done, job.audio_seconds, job.error) == ("succeeded", 4, 4.0, None)
    assert len(ledger.jobs.artefacts(alice, job_id)) == 3


def test_errors_of_a_ruined_book_are_counted_and_not_all_told(ledger: Ledger, alice: str) -> None:
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [120])
    for claim in _chunks(ledger, most=200):
        ledger.steps.fail(claim, StepError("unreadable-text", "no", utterance_index=claim.first_utterance))
    error = ledger.jobs.get(alice, job_id).error
    assert error is not None
    assert (error["n_errors"], len(error["errors"])) == (120, 100)


# --- crashes ---


def test_lapse_gives_the_step_to_another(ledger: Ledger, alice: str, clock: SetClock) -> None:
    story.submit(ledger, alice)
    first = story.claim(ledger, owner="first")
    clock.seconds += 60
    assert ledger.steps.lapse() == []
    clock.seconds += 1
    assert ledger.steps.lapse() == [Knock(StepKind.PLAN)]
    second = story.claim(ledger, owner="second")
    assert (second.step_id, second.epoch, second.attempt) == (first.step_id, 2, 2)


def test_lapse_of_a_dead_owner_does_not_wait_for_the_lease(ledger: Ledger, alice: str) -> None:
    story.submit(ledger, alice)
    story.submit(ledger, alice)
    dead = story.claim(ledger, owner="host_1/10")
    story.claim(ledger, owner="host-1/11")
    assert ledger.steps.owners("host_1/") == ["host_1/10"]
    assert ledger.steps.lapse(owner="host_1/10") == [Knock(StepKind.PLAN)]
    assert story.claim(ledger).step_id == dead.step_id


def test_step_that_ends_its_worker_each_time_fails_as_a_crash(ledger: Ledger, alice: str) -> None:
    job_id = story.submit(ledger, alice).job_id
    for _ in range(10):
        assert ledger.jobs.get(alice, job_id).state != JobState.FAILED
        story.claim(ledger)
        ledger.steps.lapse(owner="worker")
    job = ledger.jobs.get(alice, job_id)
    assert job.state == JobState.FAILED
    assert job.error is not None
    assert job.error["code"] == "crash"
    assert "lost 10 times during this plan step" in job.error["message"]


def test_claim_after_a_crash_is_careful_and_alone(ledger: Ledger, alice: str) -> None:
    story.submit(ledger, alice)
    story.plan(ledger, [3])
    assert not any(claim.careful for claim in _chunks(ledger, most=1))
    ledger.steps.lapse(owner="worker")
    (careful,) = _chunks(ledger, most=9)
    assert careful.careful
    assert [claim.careful for claim in _chunks(ledger, most=9)] == [False, False]


def test_suspect_is_counted_at_each_crash_it_was_in_hand_at(ledger: Ledger, alice: str) -> None:
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [3], chunk=3)
    _chunks(ledger)
    ledger.steps.lapse(owner="worker")
    for n_crashes in range(3):
        (claim,) = _chunks(ledger)
        assert claim.suspects == ({1: n_crashes} if n_crashes else {})
        ledger.steps.hold(claim, 1)
        ledger.steps.lapse(owner="worker")
    # the worker should have passed it over after two crashes; the ledger does not trust it to
    job = ledger.jobs.get(alice, job_id)
    assert job.state == JobState.FAILED
    assert job.error is not None
    assert (job.error["code"], job.error["chapter"], job.error["utterance"]) == ("crash", 1, 1)


def test_hold_of_nothing_clears_the_suspect(ledger: Ledger, alice: str) -> None:
    story.submit(ledger, alice)
    story.plan(ledger, [3], chunk=3)
    (claim,) = _chunks(ledger)
    ledger.steps.hold(claim, 1)
    ledger.steps.hold(claim, None)
    ledger.steps.lapse(owner="worker")
    assert _chunks(ledger)[0].suspects == {}


def test_kept_takes_are_found_again(ledger: Ledger, alice: str) -> None:
    story.submit(ledger, alice)
    story.plan(ledger, [3], chunk=3)
    (claim,) = _chunks(ledger)
    first, *_ = story.takes_of(claim, "r")
    ledger.steps.keep(claim, artefacts=[story.stored("r")], takes=[first])
    ledger.steps.lapse(owner="worker")
    digests = [take.digest for take in story.takes_of(claim, "r")]
    found = ledger.takes.find(alice, digests)
    assert list(found) == [first.digest]
    assert found[first.digest].render_sha256 == story.stored("r").sha256


def test_take_in_a_render_without_a_row_is_refused(ledger: Ledger, alice: str) -> None:
    story.submit(ledger, alice)
    story.plan(ledger, [1])
    (claim,) = _chunks(ledger)
    with pytest.raises(ValueError, match="in r, which was never recorded"):
        ledger.steps.finish(claim, takes=story.takes_of(claim, "r"))
    assert story.finish(ledger, claim)


# --- knocks ---


def test_finish_knocks_for_what_it_released(ledger: Ledger, alice: str) -> None:
    story.submit(ledger, alice, spec={"webhook": {"url": "https://example.org"}})
    story.plan(ledger, [2])
    first, second = _chunks(ledger, most=2)
    assert story.finish(ledger, first) == []
    assert story.finish(ledger, second) == [Knock(StepKind.MASTER)]
    assert story.finish(ledger, story.claim(ledger)) == [Knock(StepKind.BIND)]
    assert story.finish(ledger, story.claim(ledger)) == [Knock(DELIVER)]


def test_due_names_each_kind_once(ledger: Ledger, alice: str) -> None:
    assert ledger.steps.due() == []
    for _ in range(3):
        story.submit(ledger, alice, spec={"webhook": {"url": "https://example.org"}})
    story.plan(ledger, [3])
    assert ledger.steps.due() == [Knock(StepKind.PLAN), Knock(StepKind.SYNTHESIZE)]
    for job in ledger.jobs.page(alice):
        ledger.jobs.cancel(alice, job.id)
    assert ledger.steps.due() == [Knock(DELIVER)]
