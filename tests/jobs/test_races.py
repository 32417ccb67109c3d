"""Two or more at once: threads behind a barrier, real connections, one winner."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from jobs.errors import IdempotencyMismatchError, LeaseLostError, LimitReachedError, MoveRefusedError
from jobs.ledger import Ledger
from jobs.ledger.values import StepError
from jobs.states import JobState, StepKind
from tests.jobs import story
from tests.jobs.conftest import OpenLedger

ROUNDS = 8
"""A race that is lost one time in ten shows itself."""


def at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """Runs all of them at the same moment: their answers, or what they raised, in order."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return act()
        except (LeaseLostError, MoveRefusedError, LimitReachedError, IdempotencyMismatchError) as error:
            return error

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_eight_workers_claim_each_step_once(ledger: Ledger) -> None:
    story.submit(ledger, story.tenant(ledger))
    story.plan(ledger, [40])

    def work() -> list[int]:
        mine: list[int] = []
        while claims := ledger.steps.claim(
            [StepKind.SYNTHESIZE], owner="worker", lease_seconds=60, most=3, weights=story.WEIGHTS
        ):
            mine += [claim.step_id for claim in claims]
        return mine

    claimed = Counter(step for steps in at_once([work] * 8) for step in steps)
    assert len(claimed) == 40
    assert set(claimed.values()) == {1}


def test_eight_workers_start_each_job_once(ledger: Ledger) -> None:
    alice = story.tenant(ledger)
    job_ids = [story.submit(ledger, alice).job_id for _ in range(12)]

    def work() -> list[str]:
        mine: list[str] = []
        while claims := ledger.steps.claim(story.ALL_KINDS, owner="worker", lease_seconds=60):
            mine += [claim.job_id for claim in claims]
        return mine

    claimed = [job_id for ids in at_once([work] * 8) for job_id in ids]
    assert sorted(claimed) == sorted(job_ids)
    for job_id in job_ids:
        kinds = [event.kind for event in ledger.jobs.events(alice, job_id)]
        assert kinds.count("job.running") == 1


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_last_two_chunks_release_the_master_once(ledger: Ledger, _round: int) -> None:
    alice = story.tenant(ledger)
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [2])
    chunks = ledger.steps.claim([StepKind.SYNTHESIZE], owner="worker", lease_seconds=60, most=2)
    knocks = at_once([lambda chunk=chunk: story.finish(ledger, chunk) for chunk in chunks])
    assert sorted(len(each) for each in knocks) == [0, 1]
    assert ledger.jobs.get(alice, job_id).n_utterances_done == 2
    assert story.drain(ledger) == 2
    assert ledger.jobs.get(alice, job_id).state == JobState.SUCCEEDED


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_last_two_failures_end_the_job_once(ledger: Ledger, _round: int) -> None:
    alice = story.tenant(ledger)
    job_id = story.submit(ledger, alice, spec={"webhook": {"url": "https://example.org"}}).job_id
    story.plan(ledger, [1, 1])
    chunks = ledger.steps.claim([StepKind.SYNTHESIZE], owner="worker", lease_seconds=60, most=2)
    at_once([lambda chunk=chunk: ledger.steps.fail(chunk, StepError("no", "no")) for chunk in chunks])
    job = ledger.jobs.get(alice, job_id)
    assert job.state == JobState.FAILED
    assert job.error is not None
    assert job.error["n_errors"] == 2
    assert len(ledger.deliveries.claim()) == 1


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_finish_twice_at_once_counts_once(ledger: Ledger, _round: int) -> None:
    alice = story.tenant(ledger)
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [1])
    chunk = story.claim(ledger, StepKind.SYNTHESIZE)
    knocks = at_once([lambda: story.finish(ledger, chunk)] * 4)
    assert sorted(len(each) for each in knocks) == [0, 0, 0, 1]
    job = ledger.jobs.get(alice, job_id)
    assert (job.n_utterances_done, job.audio_seconds) == (1, 1.0)


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_cancel_and_last_finish_agree(ledger: Ledger, _round: int) -> None:
    alice = story.tenant(ledger)
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [1])
    story.finish(ledger, story.claim(ledger, StepKind.SYNTHESIZE))
    story.finish(ledger, story.claim(ledger, StepKind.MASTER))
    bind = story.claim(ledger, StepKind.BIND)
    finished, cancelled = at_once(
        [lambda: story.finish(ledger, bind), lambda: ledger.jobs.cancel(alice, job_id)]
    )
    state = ledger.jobs.get(alice, job_id).state
    if isinstance(cancelled, MoveRefusedError):
        assert (state, finished, cancelled.state) == ("succeeded", [], "succeeded")
    else:
        assert state == "cancelled"
        assert isinstance(finished, LeaseLostError)
    ends = [event.kind for event in ledger.jobs.events(alice, job_id) if event.kind == f"job.{state}"]
    assert len(ends) == 1


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_cancel_and_claim_of_a_queued_job_do_not_deadlock(ledger: Ledger, _round: int) -> None:
    """The claim holds the step and wants the job, the cancel holds the job and wants the step."""
    alice = story.tenant(ledger)
    job_ids = [story.submit(ledger, alice).job_id for _ in range(4)]
    steps = ledger.steps
    claims = [lambda: steps.claim(story.ALL_KINDS, owner="worker", lease_seconds=60)] * 4
    cancels = [lambda job_id=job_id: ledger.jobs.cancel(alice, job_id) for job_id in job_ids]
    at_once([*claims, *cancels])
    assert {ledger.jobs.get(alice, job_id).state for job_id in job_ids} == {JobState.CANCELLED}
    assert steps.owners("worker") == []


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_cancel_renew_and_finish_do_not_deadlock(ledger: Ledger, _round: int) -> None:
    alice = story.tenant(ledger)
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [12])
    claims = ledger.steps.claim([StepKind.SYNTHESIZE], owner="worker", lease_seconds=60, most=12)
    backwards = claims[::-1]
    at_once(
        [
            lambda: ledger.jobs.cancel(alice, job_id),
            *[lambda: ledger.steps.renew(backwards, lease_seconds=60)] * 3,
            *[lambda claim=claim: story.finish(ledger, claim) for claim in backwards[:4]],
        ]
    )
    assert ledger.jobs.get(alice, job_id).state == JobState.CANCELLED
    assert ledger.steps.owners("worker") == []


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_pause_and_claim_leave_no_step_in_between(ledger: Ledger, _round: int) -> None:
    alice = story.tenant(ledger)
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [6])
    at_once(
        [
            lambda: ledger.jobs.pause(alice, job_id),
            *[lambda: ledger.steps.claim([StepKind.SYNTHESIZE], owner="worker", lease_seconds=60)] * 4,
        ]
    )
    assert ledger.jobs.get(alice, job_id).state == JobState.PAUSED
    assert ledger.steps.claim(story.ALL_KINDS, owner="late", lease_seconds=60) == []
    ledger.jobs.resume(alice, job_id)
    ledger.steps.lapse(owner="worker")
    assert story.drain(ledger) == 8
    assert ledger.jobs.get(alice, job_id).state == JobState.SUCCEEDED


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_lapse_and_keep_agree_on_the_attempts(ledger: Ledger, _round: int) -> None:
    """What was kept is progress: a lapse at the same moment must not fail the step for its old attempts."""
    alice = story.tenant(ledger)
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [2], chunk=2)
    for _ in range(9):
        story.claim(ledger, StepKind.SYNTHESIZE, owner="dead")
        ledger.steps.lapse(owner="dead")
    chunk = story.claim(ledger, StepKind.SYNTHESIZE, owner="dead")
    take = story.takes_of(chunk, "r")[:1]
    kept, _ = at_once(
        [
            lambda: ledger.steps.keep(chunk, artefacts=[story.stored("r")], takes=take),
            lambda: ledger.steps.lapse(owner="dead"),
        ]
    )
    state = ledger.jobs.get(alice, job_id).state
    assert state == (JobState.FAILED if isinstance(kept, LeaseLostError) else JobState.RUNNING)


def test_retry_and_lapse_of_the_same_job(ledger: Ledger) -> None:
    alice = story.tenant(ledger)
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [1, 1])
    first, second = ledger.steps.claim([StepKind.SYNTHESIZE], owner="dead", lease_seconds=60, most=2)
    ledger.steps.fail(first, StepError("no", "no"))
    ledger.steps.fail(second, StepError("no", "no"))
    answers = at_once(
        [*[lambda: ledger.jobs.retry(alice, job_id)] * 3, lambda: ledger.steps.lapse(owner="dead")]
    )
    assert sum(isinstance(answer, MoveRefusedError) for answer in answers) == 2
    story.drain(ledger)
    assert ledger.jobs.get(alice, job_id).state == JobState.SUCCEEDED


def test_sixteen_submits_with_one_key_make_one_job(ledger: Ledger) -> None:
    alice = story.tenant(ledger)
    answers = at_once([lambda: story.submit(ledger, alice, idempotency_key="k", request_digest="d")] * 16)
    assert len({answer.job_id for answer in answers}) == 1
    assert [answer.replayed for answer in answers].count(False) == 1
    assert len(ledger.jobs.page(alice)) == 1


def test_submits_with_one_key_and_different_requests_make_one_job(ledger: Ledger) -> None:
    alice = story.tenant(ledger)
    answers = at_once(
        [
            lambda digest=digest: story.submit(ledger, alice, idempotency_key="k", request_digest=digest)
            for digest in "abcd"
        ]
    )
    assert sum(isinstance(answer, IdempotencyMismatchError) for answer in answers) == 3
    assert len(ledger.jobs.page(alice)) == 1


def test_limit_of_open_jobs_holds_under_concurrency(open_ledger: OpenLedger) -> None:
    ledger = open_ledger(max_open_jobs=3, n_connections=16)
    alice = story.tenant(ledger)
    answers = at_once([lambda: story.submit(ledger, alice)] * 12)
    assert sum(isinstance(answer, LimitReachedError) for answer in answers) == 9
    assert len(ledger.jobs.page(alice)) == 3


def test_two_books_planned_at_once_share_the_characters_of_the_day(open_ledger: OpenLedger) -> None:
    ledger = open_ledger(max_characters_a_day=1_000)
    alice = story.tenant(ledger)
    job_ids = [story.submit(ledger, alice).job_id for _ in range(4)]
    answers = at_once(
        [lambda job_id=job_id: ledger.jobs.check_characters(alice, job_id, 400) for job_id in job_ids]
    )
    assert sum(isinstance(answer, LimitReachedError) for answer in answers) == 2


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_equal_takes_of_two_jobs_are_recorded_once(ledger: Ledger, _round: int) -> None:
    """Two editions of a book finish at once, each naming the same takes in another order."""
    alice = story.tenant(ledger)
    for _ in range(2):
        story.submit(ledger, alice)
        story.plan(ledger, [40], chunk=40)
    chunks = ledger.steps.claim([StepKind.SYNTHESIZE], owner="worker", lease_seconds=60, most=2)
    takes = story.takes_of(chunks[0], "first")
    again = [replace(take, render_key="second") for take in reversed(takes)]
    at_once(
        [
            lambda: ledger.steps.finish(chunks[0], artefacts=[story.stored("first")], takes=takes),
            lambda: ledger.steps.finish(chunks[1], artefacts=[story.stored("second")], takes=again),
        ]
    )
    assert len(ledger.takes.find(alice, [take.digest for take in takes])) == 40


def test_reader_of_events_misses_none(ledger: Ledger) -> None:
    """Ids are handed out before the commit; a reader that goes on from the last one must still see all."""
    alice = story.tenant(ledger)
    job_id = story.submit(ledger, alice).job_id
    story.plan(ledger, [60])
    is_over = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while True:
            stop = is_over.is_set()
            seen.extend(
                event.id for event in ledger.jobs.events(alice, job_id, after=seen[-1] if seen else 0)
            )
            if stop:
                return
            time.sleep(0.001)  # a reader that never rests keeps the interpreter from those who write

    reader = threading.Thread(target=read)
    reader.start()

    def work() -> None:
        kinds = [StepKind.SYNTHESIZE, StepKind.MASTER, StepKind.BIND]
        while claims := ledger.steps.claim(kinds, owner="worker", lease_seconds=60, most=2):
            for claim in claims:
                story.finish(ledger, claim)

    try:
        at_once([work] * 4)
        work()
    finally:
        is_over.set()
        reader.join()
    assert seen == [event.id for event in ledger.jobs.events(alice, job_id, most=10_000)]
    assert ledger.jobs.get(alice, job_id).state == JobState.SUCCEEDED


def test_sweep_is_done_by_one_of_many(ledger: Ledger) -> None:
    assert at_once([ledger.operations.take_turn] * 8).count(True) == 1
