"""Submitting, reading and steering."""

from __future__ import annotations

import pytest

from jobs.clock import SetClock
from jobs.errors import IdempotencyMismatchError, JobMissingError, LimitReachedError
from jobs.ledger import Ledger
from jobs.ledger.values import StepError
from jobs.states import JobState, StepKind
from tests.jobs import story
from tests.jobs.conftest import START, OpenLedger


@pytest.fixture
def ledger(still_ledger: Ledger) -> Ledger:
    return still_ledger


@pytest.fixture
def alice(ledger: Ledger) -> str:
    return story.tenant(ledger)


def test_submit_makes_a_job_with_a_first_step_and_its_source(ledger: Ledger, alice: str) -> None:
    source = story.stored("upload/1", "source", name="emma.epub")
    made = story.submit(ledger, alice, title="Emma", priority=7, n_characters=5, source=source)
    job = ledger.jobs.get(alice, made.job_id)
    assert (job.state, job.title, job.priority, job.n_characters, job.version) == ("queued", "Emma", 7, 5, 1)
    assert job.created_at == START
    assert [file.name for file in ledger.jobs.artefacts(alice, made.job_id, kinds=["source"])] == [
        "emma.epub"
    ]
    assert [knock.kind for knock in made.knocks] == [StepKind.PLAN]
    assert [event.kind for event in ledger.jobs.events(alice, made.job_id)] == ["job.queued"]


def test_idempotency_key_replays_its_own_request_alone(ledger: Ledger, alice: str) -> None:
    bob = story.tenant(ledger, "bob")
    first = story.submit(ledger, alice, idempotency_key="k", request_digest="d")
    again = story.submit(ledger, alice, idempotency_key="k", request_digest="d")
    assert (again.job_id, again.replayed, again.knocks) == (first.job_id, True, ())
    with pytest.raises(IdempotencyMismatchError):
        story.submit(ledger, alice, idempotency_key="k", request_digest="other")
    assert story.submit(ledger, bob, idempotency_key="k", request_digest="other").job_id != first.job_id
    assert ledger.jobs.replay(alice, "k", "d") == first.job_id
    assert ledger.jobs.replay(alice, "unused", "d") is None
    with pytest.raises(IdempotencyMismatchError):
        ledger.jobs.replay(alice, "k", "other")


def test_replay_is_answered_even_when_a_limit_is_reached(open_ledger: OpenLedger) -> None:
    ledger = open_ledger(max_open_jobs=1)
    alice = story.tenant(ledger)
    first = story.submit(ledger, alice, idempotency_key="k")
    assert story.submit(ledger, alice, idempotency_key="k").job_id == first.job_id


def test_strangers_job_does_not_exist(ledger: Ledger, alice: str) -> None:
    bob = story.tenant(ledger, "bob")
    job_id = story.submit(ledger, alice, source=story.stored("s", "source")).job_id
    story.plan(ledger, [1])
    for act in (
        ledger.jobs.get,
        ledger.jobs.cancel,
        ledger.jobs.pause,
        ledger.jobs.resume,
        ledger.jobs.retry,
    ):
        with pytest.raises(JobMissingError, match=job_id):
            act(bob, job_id)
    assert ledger.jobs.page(bob) == []
    assert ledger.jobs.chapters(bob, job_id) == []
    assert ledger.jobs.events(bob, job_id) == []
    assert ledger.jobs.artefacts(bob, job_id, kinds=["source", "script"]) == []
    assert ledger.jobs.get(alice, job_id).state == JobState.RUNNING


def test_page_goes_backwards_through_the_jobs(ledger: Ledger, alice: str) -> None:
    ids = sorted(story.submit(ledger, alice).job_id for _ in range(5))
    ledger.jobs.cancel(alice, ids[3])
    assert [job.id for job in ledger.jobs.page(alice, most=2)] == ids[:2:-1]
    assert [job.id for job in ledger.jobs.page(alice, before=ids[3])] == ids[2::-1]
    cancelled = ledger.jobs.page(alice, states=[JobState.CANCELLED, JobState.FAILED])
    assert [job.id for job in cancelled] == [ids[3]]


def test_events_resume_after_the_last_one_seen(ledger: Ledger, alice: str) -> None:
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [1])
    story.drain(ledger)
    events = ledger.jobs.events(alice, job_id)
    assert [event.kind for event in events] == [
        "job.queued",
        "job.running",
        "step.leased",
        "step.succeeded",
        "step.leased",
        "step.succeeded",
        "step.ready",
        "step.leased",
        "step.succeeded",
        "chapter.done",
        "step.ready",
        "step.leased",
        "step.succeeded",
        "job.succeeded",
    ]
    assert ledger.jobs.events(alice, job_id, after=events[3].id, most=2) == events[4:6]


def test_version_rises_with_every_change(ledger: Ledger, alice: str) -> None:
    job_id = story.submit(ledger, alice).job_id
    seen = [ledger.jobs.get(alice, job_id).version]

    def rises() -> None:
        seen.append(ledger.jobs.get(alice, job_id).version)
        assert seen[-1] > seen[-2]

    story.plan(ledger, [2])
    rises()
    story.finish(ledger, story.claim(ledger, StepKind.SYNTHESIZE))
    rises()
    for verb in (ledger.jobs.pause, ledger.jobs.resume, ledger.jobs.cancel):
        verb(alice, job_id)
        rises()


def test_eta_is_that_of_the_last_minutes_pace(ledger: Ledger, alice: str, clock: SetClock) -> None:
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [10])
    assert ledger.jobs.get(alice, job_id).eta_seconds is None
    clock.seconds += 1_000
    for _ in range(4):
        story.finish(ledger, story.claim(ledger, StepKind.SYNTHESIZE))
    assert ledger.jobs.get(alice, job_id).eta_seconds == pytest.approx(6 * 60 / 4)
    clock.seconds += 61
    assert ledger.jobs.get(alice, job_id).eta_seconds is None


def test_results_tell_the_next_step_what_the_last_one_said(ledger: Ledger, alice: str) -> None:
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [1, 1])
    story.finish(ledger, story.claim(ledger, StepKind.SYNTHESIZE))
    ledger.steps.finish(story.claim(ledger, StepKind.MASTER), result={"peak_dbtp": -3.1})
    assert ledger.jobs.results(job_id, StepKind.MASTER) == {1: {"peak_dbtp": -3.1}}


# --- steering ---


def test_cancel_ends_every_step_and_tells_the_webhook(ledger: Ledger, alice: str) -> None:
    job_id = story.submit(ledger, alice, spec={"webhook": {"url": "https://example.org"}}).job_id
    story.plan(ledger, [3])
    story.finish(ledger, story.claim(ledger, StepKind.SYNTHESIZE))
    held = story.claim(ledger, StepKind.SYNTHESIZE)
    job = ledger.jobs.cancel(alice, job_id)
    assert (job.state, job.ended_at, job.n_utterances_done) == ("cancelled", START, 1)
    assert ledger.steps.renew([held], lease_seconds=60) == frozenset()
    assert ledger.operations.backlog().steps_by_state == {}
    (delivery,) = ledger.deliveries.claim()
    assert delivery.body["type"] == "job.cancelled"


def test_pause_lets_what_is_in_hand_finish(ledger: Ledger, alice: str) -> None:
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [1])
    held = story.claim(ledger, StepKind.SYNTHESIZE)
    ledger.jobs.pause(alice, job_id)
    story.finish(ledger, held)
    assert story.drain(ledger) == 0
    assert ledger.jobs.get(alice, job_id).n_utterances_done == 1


def test_paused_job_ends_with_the_step_in_hand(ledger: Ledger, alice: str) -> None:
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [1])
    story.finish(ledger, story.claim(ledger))
    story.finish(ledger, story.claim(ledger))
    bind = story.claim(ledger)
    ledger.jobs.pause(alice, job_id)
    story.finish(ledger, bind)
    assert ledger.jobs.get(alice, job_id).state == JobState.SUCCEEDED


def test_retry_gives_fresh_attempts(ledger: Ledger, alice: str) -> None:
    job_id = story.submit(ledger, alice).job_id
    for _ in range(10):
        story.claim(ledger)
        ledger.steps.lapse(owner="worker")
    job, _ = ledger.jobs.retry(alice, job_id)
    assert (job.state, job.error, job.ended_at) == ("running", None, None)
    claim = story.claim(ledger)
    assert (claim.attempt, claim.epoch) == (1, 11)


def test_retry_does_not_wait_for_what_was_put_off(ledger: Ledger, alice: str) -> None:
    job_id = story.submit(ledger, alice).job_id
    for _ in range(2):
        ledger.steps.fail(story.claim(ledger), StepError("storage", "no"), retry=True)
    ledger.steps.fail(story.claim(ledger), StepError("storage", "no"), retry=True, wait_seconds=3_600)
    ledger.jobs.retry(alice, job_id)
    story.claim(ledger)


# --- limits ---


def test_limit_of_the_tenant_stands_before_that_of_all(open_ledger: OpenLedger) -> None:
    ledger = open_ledger(max_open_jobs=1)
    none = ledger.keys.create_tenant("none", max_open_jobs=0)
    two = ledger.keys.create_tenant("two", max_open_jobs=2)
    with pytest.raises(LimitReachedError, match="0 jobs are open; the limit is 0"):
        story.submit(ledger, none)
    first = story.submit(ledger, two)
    story.submit(ledger, two)
    with pytest.raises(LimitReachedError) as refused:
        story.submit(ledger, two)
    assert (refused.value.limit, refused.value.retry_after_seconds) == ("open_jobs", 60)
    ledger.jobs.cancel(two, first.job_id)
    story.submit(ledger, two)


def test_limit_of_characters_counts_the_last_day(open_ledger: OpenLedger) -> None:
    clock = SetClock()
    ledger = open_ledger(clock=clock, max_characters_a_day=100)
    alice = story.tenant(ledger)
    story.submit(ledger, alice, n_characters=60)
    with pytest.raises(
        LimitReachedError, match="60 characters in the last 24 hours and 50 asked; the limit is 100"
    ):
        story.submit(ledger, alice, n_characters=50)
    job_id = story.submit(ledger, alice).job_id
    with pytest.raises(LimitReachedError):
        ledger.jobs.check_characters(alice, job_id, 41)
    ledger.jobs.check_characters(alice, job_id, 40)
    ledger.jobs.check_characters(alice, job_id, 40)
    with pytest.raises(LimitReachedError):
        story.submit(ledger, alice)
    clock.seconds += 86_401
    story.submit(ledger, alice, n_characters=100)


def test_limit_of_stored_bytes_counts_what_is_asked(open_ledger: OpenLedger) -> None:
    ledger = open_ledger(max_stored_bytes=250)
    alice = story.tenant(ledger)
    for n in range(2):
        story.submit(ledger, alice, source=story.stored(f"s{n}", "source"))
    with pytest.raises(LimitReachedError, match="200 bytes are stored and 100 asked; the limit is 250"):
        story.submit(ledger, alice, source=story.stored("s3", "source"))
    story.submit(ledger, alice)


def test_limit_of_stored_bytes_counts_a_source_once_for_each_tenant(open_ledger: OpenLedger) -> None:
    ledger = open_ledger(max_stored_bytes=150)
    alice, bob = story.tenant(ledger), story.tenant(ledger, "bob")
    emma, persuasion = story.stored("emma", "source"), story.stored("persuasion", "source")
    story.submit(ledger, bob, source=persuasion)
    story.submit(ledger, alice, source=emma)
    story.submit(ledger, alice, source=emma)
    with pytest.raises(LimitReachedError, match="100 bytes are stored and 100 asked"):
        story.submit(ledger, alice, source=persuasion)  # that bob has it is nothing to alice


def test_refused_submit_leaves_nothing_behind(open_ledger: OpenLedger) -> None:
    ledger = open_ledger(max_stored_bytes=1)
    alice = story.tenant(ledger)
    with pytest.raises(LimitReachedError):
        story.submit(ledger, alice, source=story.stored("s", "source"), idempotency_key="k")
    assert ledger.jobs.page(alice) == []
    assert ledger.jobs.replay(alice, "k", "") is None
