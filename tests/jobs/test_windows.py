"""Off-peak jobs in the ledger: due in the operator's window only, by the database's clock."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from jobs.clock import SetClock
from jobs.ledger import Ledger
from jobs.ledger.steps import Steps
from jobs.ledger.values import Claim, StepError
from jobs.ledger.windows import BEHIND, Windows
from jobs.messages import Knock
from jobs.schedule.windows import Window
from jobs.states import JobState, StepKind
from jobs.tables import Step
from tests.jobs import story
from tests.jobs.conftest import OpenLedger, empty

CHUNKS = [StepKind.SYNTHESIZE]
OFF_PEAK = {"voice": "draft", "when": "off-peak"}
HOUR = 3600.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


@pytest.fixture
def clock() -> SetClock:
    return SetClock(at("2026-10-24T12:00+02:00"))


@pytest.fixture
def ledger(open_ledger: OpenLedger, clock: SetClock) -> Ledger:
    """Noon before the night in which Berlin's clocks go back: its 01:00-04:00 last four hours."""
    return open_ledger(clock=clock, window="01:00-04:00 Europe/Berlin")


@pytest.fixture
def alice(ledger: Ledger) -> str:
    return story.tenant(ledger)


def planned(ledger: Ledger, tenant: str, n: int = 4, **more: object) -> str:
    job_id = story.submit(ledger, tenant, spec={**OFF_PEAK, **more}).job_id
    story.plan(ledger, [n])
    return job_id


def chunks(ledger: Ledger, most: int = 9) -> list[Claim]:
    return ledger.steps.claim(CHUNKS, owner="worker", lease_seconds=60, most=most)


def hours_told(ledger: Ledger, tenant: str, job_id: str) -> list[dict[str, str]]:
    return [event.detail for event in ledger.jobs.events(tenant, job_id) if event.kind == "window.set"]


def test_off_peak_chunks_wait_for_the_window_and_all_else_does_not(
    ledger: Ledger, clock: SetClock, alice: str
) -> None:
    job_id = planned(ledger, alice)
    assert chunks(ledger) == []
    assert ledger.steps.due() == []
    assert ledger.jobs.get(alice, job_id).goes_on_at == at("2026-10-25T01:00+02:00")
    assert hours_told(ledger, alice, job_id) == [
        {"opens_at": "2026-10-24T23:00:00Z", "closes_at": "2026-10-25T03:00:00Z"}
    ]
    clock.seconds = at("2026-10-25T00:59:59+02:00")
    assert chunks(ledger) == []
    clock.seconds = at("2026-10-25T01:00+02:00")
    assert ledger.steps.due() == [Knock(StepKind.SYNTHESIZE)]
    claims = chunks(ledger)
    assert [claim.open_seconds for claim in claims] == [4 * HOUR] * 4
    assert ledger.jobs.get(alice, job_id).goes_on_at is None
    clock.seconds = at("2026-10-25T12:00+01:00")
    for claim in claims:  # a worker that was slow: what it has made is accepted
        story.finish(ledger, claim)
    assert story.drain(ledger) == 2  # the master and the bind step, at noon
    assert ledger.jobs.get(alice, job_id).state == JobState.SUCCEEDED


def test_the_hour_that_comes_twice_is_open_twice(ledger: Ledger, clock: SetClock, alice: str) -> None:
    planned(ledger, alice)
    for moment in ("2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00", "2026-10-25T03:59+01:00"):
        clock.seconds = at(moment)
        assert len(chunks(ledger, most=1)) == 1
    clock.seconds = at("2026-10-25T04:00+01:00")
    assert chunks(ledger) == []


def test_what_is_left_at_the_end_waits_for_the_next_night(
    ledger: Ledger, clock: SetClock, alice: str
) -> None:
    job_id = planned(ledger, alice)
    clock.seconds = at("2026-10-25T01:00+02:00")
    first, second = chunks(ledger, most=2)
    story.finish(ledger, first)
    clock.seconds = at("2026-10-25T04:00:01+01:00")
    ledger.steps.release(second, reason="the window closed")
    before = ledger.jobs.get(alice, job_id)
    assert before.goes_on_at == at("2026-10-26T01:00+01:00")  # foretold before the sweep has come by
    assert ledger.windows.move_on() == 1
    assert ledger.windows.move_on() == 0
    job = ledger.jobs.get(alice, job_id)
    assert job.goes_on_at == before.goes_on_at
    assert job.version > before.version
    assert len(hours_told(ledger, alice, job_id)) == 2
    assert chunks(ledger) == []
    clock.seconds = at("2026-10-26T01:00+01:00")
    assert [claim.attempt for claim in chunks(ledger)] == [1, 1, 1]


def test_leases_that_lapse_after_the_window_wait_for_the_next(
    ledger: Ledger, clock: SetClock, alice: str
) -> None:
    planned(ledger, alice)
    clock.seconds = at("2026-10-25T03:59:30+01:00")
    assert len(chunks(ledger)) == 4
    clock.seconds += 120
    ledger.steps.lapse()
    assert chunks(ledger) == []
    assert ledger.windows.move_on() == 1
    clock.seconds = at("2026-10-26T01:00+01:00")
    assert len(chunks(ledger)) == 1  # one careful claim


def test_a_retry_by_day_waits_for_the_night(ledger: Ledger, clock: SetClock, alice: str) -> None:
    job_id = planned(ledger, alice, n=1)
    clock.seconds = at("2026-10-25T02:00+01:00")
    ledger.steps.fail(chunks(ledger)[0], StepError("unreadable-text", "no"))
    clock.seconds = at("2026-10-25T12:00+01:00")
    ledger.jobs.retry(alice, job_id)
    assert chunks(ledger) == []
    ledger.windows.move_on()
    assert chunks(ledger) == []
    clock.seconds = at("2026-10-26T01:00+01:00")
    assert len(chunks(ledger)) == 1


def test_takes_that_are_lost_are_spoken_again_in_the_window(
    ledger: Ledger, clock: SetClock, alice: str
) -> None:
    job_id = planned(ledger, alice)
    clock.seconds = at("2026-10-25T02:00+01:00")
    for claim in chunks(ledger):
        story.finish(ledger, claim)
    clock.seconds = at("2026-10-25T12:00+01:00")
    master = story.claim(ledger, StepKind.MASTER)
    ledger.steps.mend(master, lost=[1], drop=[], kept_seconds=3.0, chunk_utterances=4)
    assert chunks(ledger) == []
    assert ledger.jobs.get(alice, job_id).goes_on_at == at("2026-10-26T01:00+01:00")
    clock.seconds = at("2026-10-26T01:00+01:00")
    assert len(chunks(ledger)) == 1


def test_off_peak_stands_behind_all_others_in_the_window_too(
    ledger: Ledger, clock: SetClock, alice: str
) -> None:
    clock.seconds = at("2026-10-25T02:00+01:00")
    night = story.submit(ledger, alice, spec=OFF_PEAK, priority=9).job_id
    story.plan(ledger, [1])
    day = story.submit(ledger, alice, priority=0).job_id
    story.plan(ledger, [1])
    assert [claim.job_id for _ in range(2) for claim in chunks(ledger, most=1)] == [day, night]
    with ledger.database.read() as tx:
        priorities = tx.execute(select(Step.priority).where(Step.job_id == night).distinct()).scalars()
        assert set(priorities) == {9, 9 - BEHIND}


def test_figures_of_the_operator_do_not_take_waiting_for_the_window_for_a_backlog(
    ledger: Ledger, clock: SetClock, alice: str
) -> None:
    planned(ledger, alice)
    backlog = ledger.operations.backlog()
    assert backlog.steps_by_state[("synthesize", "waiting")] == 4
    assert ("synthesize", "ready") not in backlog.steps_by_state
    assert (backlog.utterances_waiting, backlog.oldest_ready_seconds) == (0, {})
    clock.seconds = at("2026-10-25T01:00:30+02:00")
    backlog = ledger.operations.backlog()
    assert backlog.steps_by_state[("synthesize", "ready")] == 4
    assert (backlog.utterances_waiting, backlog.oldest_ready_seconds) == (4, {"synthesize": 30.0})


def test_the_end_foretold_has_the_closed_hours_in_it(ledger: Ledger, clock: SetClock, alice: str) -> None:
    job_id = planned(ledger, alice, n=500)
    clock.seconds = at("2026-10-25T03:00+01:00")
    (claim,) = chunks(ledger, most=1)
    clock.seconds += 60
    story.finish(ledger, claim)
    # 499 minutes at one a minute: 59 this night, 180 in each of two more, 80 in a third
    end = at("2026-10-28T02:20+01:00")
    assert ledger.jobs.get(alice, job_id).eta_seconds == pytest.approx(end - clock.seconds)


def test_a_window_that_never_opens_leaves_the_job_waiting(
    ledger: Ledger, clock: SetClock, alice: str, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = planned(ledger, alice)
    clock.seconds = at("2026-10-25T12:00+01:00")
    closed = Window((), Window.parse("00:00-24:00 UTC").zone)
    assert Windows(ledger.database, closed).move_on() == 0
    assert "does not open" in caplog.text
    assert ledger.jobs.get(alice, job_id).state == JobState.RUNNING
    assert ledger.windows.move_on() == 1


def test_looking_for_other_work_does_not_look_past_what_waits_for_the_night(
    ledger: Ledger, alice: str
) -> None:
    if not ledger.database.on_postgresql:
        pytest.skip("EXPLAIN of PostgreSQL")
    planned(ledger, alice, n=5_000)
    story.submit(ledger, alice)
    story.plan(ledger, [20])
    asked: list[tuple[str, Any]] = []

    def note(_1: object, _2: object, statement: str, parameters: Any, *_3: object) -> None:
        if "FROM steps JOIN jobs" in statement:
            asked.append((statement, parameters))

    with ledger.database.write() as tx:
        tx.connection.exec_driver_sql("ANALYZE steps")
    event.listen(ledger.database.engine, "before_cursor_execute", note)
    try:
        assert len(chunks(ledger)) == 9
    finally:
        event.remove(ledger.database.engine, "before_cursor_execute", note)
    assert len(asked) == 2  # the head of the line, and those alike
    with ledger.database.write() as tx:
        for statement, parameters in asked:
            explained = tx.connection.exec_driver_sql(
                f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters
            ).scalar_one()
            told = json.dumps(explained)
            assert "ix_steps_ready" in told
            assert "Seq Scan on steps" not in told
            passed_over = [int(n) for n in re.findall(r'"Rows Removed by Filter": (\d+)', told)]
            assert sum(passed_over) <= 9  # those leased a moment ago


# --- by property ---


@st.composite
def windows(draw: st.DrawFn) -> str:
    zone = draw(st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]))
    stretches = []
    for _ in range(draw(st.integers(1, 2))):
        start = draw(st.integers(0, 23 * 4))
        end = (start + draw(st.integers(1, 90))) % 96 or 96
        days = draw(st.sampled_from(["", "mon-fri ", "sat sun ", "wed "]))
        stretches.append(f"{days}{_hour(start)}-{_hour(end)}")
    return f"{', '.join(stretches)} {zone}"


def _hour(quarter: int) -> str:
    return f"{quarter // 4:02d}:{quarter % 4 * 15:02d}"


ACTIONS = ("sweep", "claim", "claim", "finish", "release", "lapse")


SPRING = datetime(2026, 3, 20, tzinfo=UTC)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    windows(),
    st.integers(0, 235 * 24 * 60),  # minutes from spring on: both changes of the clocks lie within
    st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 40_000)), max_size=16),
)
def test_no_claim_outside_the_window_and_all_is_done_in_the_end(
    ledger: Ledger, clock: SetClock, text: str, start: int, actions: list[tuple[str, int]]
) -> None:
    window = Window.parse(text)
    nights = Windows(ledger.database, window)
    steps = Steps(ledger.database, nights, ledger.counts, max_losses=1_000)
    held: list[Claim] = []

    def is_open(seconds: float) -> bool:
        return window.is_open(datetime.fromtimestamp(seconds, UTC))

    def take() -> None:
        claims = steps.claim(CHUNKS, owner="worker", lease_seconds=600, most=2)
        held.extend(claims)
        for claim in claims:
            assert is_open(clock.seconds)
            assert claim.open_seconds is not None
            assert is_open(clock.seconds + claim.open_seconds - 1)

    def finish() -> None:
        for claim in held:
            key = f"{claim.step_id}/{claim.epoch}"
            steps.finish(claim, artefacts=[story.stored(key)], takes=story.takes_of(claim, key))
        held.clear()

    def release() -> None:
        while held:
            steps.release(held.pop(), reason="the window closed")

    def lapse() -> None:
        steps.lapse(owner="worker")
        held.clear()

    if ledger.database.on_postgresql:
        pytest.skip("the same moves; quicker on SQLite")
    empty(ledger)
    clock.seconds = SPRING.timestamp() + 60 * start
    alice = story.tenant(ledger)
    job_id = story.submit(ledger, alice, spec=OFF_PEAK).job_id
    plan = story.claim(ledger, StepKind.PLAN)
    steps.plan(
        plan,
        title="A Book",
        chapters=story.planned(job_id, [6]),
        weights_digest=story.WEIGHTS,
        chunk_utterances=1,
    )
    do = {"sweep": nights.move_on, "claim": take, "finish": finish, "release": release, "lapse": lapse}
    for action, seconds in actions:
        do[action]()
        clock.seconds += seconds
    release()
    n_nights = 0
    while ledger.jobs.get(alice, job_id).n_utterances_done < 6:  # the nights that follow
        nights.move_on()
        opening = window.opening(datetime.fromtimestamp(clock.seconds, UTC))
        assert opening is not None
        clock.seconds = max(clock.seconds, opening.start.timestamp())
        take()
        finish()
        n_nights += 1
        assert n_nights <= 8
        clock.seconds = opening.end.timestamp()
