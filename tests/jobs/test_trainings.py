"""Trainings in the ledger: never outside their windows, laid down and taken up again, metered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.clock import SetClock
from jobs.errors import LeaseLostError, MoveRefusedError
from jobs.ledger import Ledger
from jobs.ledger.timetables import AHEAD, BEHIND
from jobs.ledger.training_values import Energy, TrainingProgress
from jobs.ledger.values import URGENT, Claim, StepError
from jobs.schedule.timetable import union_opening
from jobs.schedule.windows import Window
from jobs.states import JobKind, JobState, StepKind
from tests.jobs import story
from tests.jobs.conftest import OpenLedger, empty
from tests.jobs.test_windows import at, windows

TRAINING = {"name": "ada", "base": "draft", "language": "en", "consent": "yes", "when": "off-peak"}
NIGHT = "22:00-06:00 Europe/Berlin"
HOUR = 3600.0
GPU_KINDS = [StepKind.SYNTHESIZE, StepKind.PREPARE, StepKind.TRAIN, StepKind.PUBLISH]


@pytest.fixture
def clock() -> SetClock:
    return SetClock(at("2026-10-24T12:00+02:00"))


@pytest.fixture
def ledger(open_ledger: OpenLedger, clock: SetClock) -> Ledger:
    """Noon before the night in which Berlin's clocks go back."""
    return open_ledger(clock=clock, window=NIGHT, price_per_kwh=0.3)


@pytest.fixture
def alice(ledger: Ledger) -> str:
    return story.tenant(ledger)


def submit(ledger: Ledger, tenant: str, *, priority: int = 5, **more: Any) -> str:
    spec = {**TRAINING, **more}
    return ledger.jobs.submit(tenant, JobKind.TRAINING, spec, title="ada", priority=priority).job_id


def claim(ledger: Ledger, *kinds: StepKind) -> Claim | None:
    claims = ledger.steps.claim(kinds or GPU_KINDS, owner="worker", lease_seconds=60, most=4)
    return claims[0] if claims else None


def take(ledger: Ledger, kind: StepKind) -> Claim:
    claimed = claim(ledger)
    assert claimed is not None
    assert claimed.kind == kind
    return claimed


def prepared(ledger: Ledger, tenant: str, *, priority: int = 5, **more: Any) -> str:
    job_id = submit(ledger, tenant, priority=priority, **more)
    ledger.steps.finish(take(ledger, StepKind.PREPARE))
    return job_id


def speak(ledger: Ledger, tenant: str) -> str:
    (chapter,) = story.planned("speech", [1])
    return ledger.jobs.submit(
        tenant, JobKind.NARRATION, {"voice": "draft"}, speech=chapter, weights_digest=story.WEIGHTS
    ).job_id


def kinds_of(ledger: Ledger, tenant: str, job_id: str, kind: str) -> list[dict[str, Any]]:
    return [event.detail for event in ledger.jobs.events(tenant, job_id) if event.kind == kind]


# --- when ---


def test_a_night_that_daylight_saving_makes_longer(ledger: Ledger, clock: SetClock, alice: str) -> None:
    job_id = prepared(ledger, alice)
    assert claim(ledger) is None
    assert ledger.jobs.get(alice, job_id).goes_on_at == at("2026-10-24T22:00+02:00")
    clock.seconds = at("2026-10-24T21:59:59+02:00")
    assert claim(ledger) is None
    clock.seconds = at("2026-10-24T22:00+02:00")
    train = take(ledger, StepKind.TRAIN)
    assert train.open_seconds == 9 * HOUR
    clock.seconds = at("2026-10-25T05:00+01:00")
    ledger.steps.finish(train)
    publish = take(ledger, StepKind.PUBLISH)  # at once: its window is open
    assert publish.open_seconds == HOUR
    ledger.steps.finish(publish, artefacts=[story.stored("plot", "plot", name="loss.png")])
    job = ledger.jobs.get(alice, job_id)
    assert job.state == JobState.SUCCEEDED
    assert [file.name for file in ledger.jobs.artefacts(alice, job_id)] == ["loss.png"]


def test_a_training_that_names_no_window_for_itself_needs_none(
    ledger: Ledger, clock: SetClock, alice: str
) -> None:
    job_id = prepared(ledger, alice, when="now")
    assert ledger.jobs.get(alice, job_id).goes_on_at is None
    assert kinds_of(ledger, alice, job_id, "window.set") == []
    ledger.steps.finish(take(ledger, StepKind.TRAIN))
    ledger.steps.finish(take(ledger, StepKind.PUBLISH))
    assert ledger.jobs.get(alice, job_id).state == JobState.SUCCEEDED


def test_windows_of_its_own_go_before_the_operators(ledger: Ledger, clock: SetClock, alice: str) -> None:
    job_id = prepared(ledger, alice, windows=["13:00-14:00 Europe/Berlin", "sun 03:30-05:00 UTC"])
    assert ledger.jobs.get(alice, job_id).goes_on_at == at("2026-10-24T13:00+02:00")
    clock.seconds = at("2026-10-24T13:30+02:00")
    train = take(ledger, StepKind.TRAIN)
    assert train.open_seconds == HOUR / 2
    clock.seconds = at("2026-10-24T14:00+02:00")
    ledger.trainings.put_back(train, reason="the window closed")
    clock.seconds = at("2026-10-24T23:00+02:00")  # the operator's window is open
    ledger.windows.move_on()
    assert claim(ledger) is None
    clock.seconds = at("2026-10-25T03:30+00:00")
    assert take(ledger, StepKind.TRAIN).open_seconds == 1.5 * HOUR


def test_put_back_at_the_end_costs_no_attempt_and_goes_on_the_next_night(
    ledger: Ledger, clock: SetClock, alice: str
) -> None:
    job_id = prepared(ledger, alice)
    first = datetime(2026, 10, 24, 22, tzinfo=Window.parse(NIGHT).zone)
    for night in range(12):  # four times as often as a step may fail
        clock.seconds = (first + timedelta(days=night)).timestamp()
        train = take(ledger, StepKind.TRAIN)
        assert train.attempt == 1
        assert train.open_seconds is not None
        clock.seconds += train.open_seconds
        ledger.trainings.put_back(train, reason="the window closed")
        assert claim(ledger) is None
    job = ledger.jobs.get(alice, job_id)
    assert job.state == JobState.RUNNING
    assert job.goes_on_at == at("2026-11-05T22:00+01:00")
    assert len(kinds_of(ledger, alice, job_id, "window.set")) == 13


def test_a_moment_before_the_end_nobody_begins_again(ledger: Ledger, clock: SetClock, alice: str) -> None:
    prepared(ledger, alice)
    clock.seconds = at("2026-10-25T05:59:50+01:00")
    ledger.windows.move_on()
    train = take(ledger, StepKind.TRAIN)
    ledger.trainings.put_back(train, reason="the window closed")  # the worker's clock is ahead
    assert claim(ledger) is None
    clock.seconds = at("2026-10-25T22:00+01:00")
    assert take(ledger, StepKind.TRAIN).attempt == 1


def test_what_is_left_of_an_opening_may_be_too_short_for_an_update(
    ledger: Ledger, clock: SetClock, alice: str
) -> None:
    job_id = prepared(ledger, alice)
    clock.seconds = at("2026-10-25T05:55:00+01:00")
    ledger.windows.move_on()
    train = take(ledger, StepKind.TRAIN)
    ledger.trainings.put_back(train, reason="the window closes", past_opening=True)
    assert claim(ledger) is None  # five minutes are left, and not enough
    assert ledger.jobs.get(alice, job_id).goes_on_at == at("2026-10-25T22:00+01:00")
    clock.seconds = at("2026-10-25T22:00+01:00")
    assert take(ledger, StepKind.TRAIN).attempt == 1


def test_at_the_end_of_a_chosen_hour_too_it_waits_for_the_next_stretch(
    ledger: Ledger, clock: SetClock, alice: str
) -> None:
    job_id = prepared(ledger, alice, when="now")
    clock.seconds = at("2026-10-24T21:55:00+02:00")  # its place in line changes at ten
    train = take(ledger, StepKind.TRAIN)
    ledger.trainings.put_back(train, reason="the window closes", past_opening=True)
    assert claim(ledger) is None
    assert ledger.jobs.get(alice, job_id).goes_on_at == at("2026-10-24T22:00+02:00")
    clock.seconds = at("2026-10-24T22:00+02:00")
    assert take(ledger, StepKind.TRAIN).priority == AHEAD


def test_a_worker_that_died_costs_an_attempt_and_the_next_checkpoint_gives_it_back(
    ledger: Ledger, clock: SetClock, alice: str
) -> None:
    job_id = prepared(ledger, alice, when="now")
    for n in range(12):  # more often than `max_losses` lets a step get nowhere
        train = take(ledger, StepKind.TRAIN)
        file = story.stored(f"checkpoint {n}", "checkpoint", name="decoder")
        former = ledger.trainings.checkpoint(train, file)
        assert former == (() if n == 0 else (f"checkpoint {n - 1}",))
        clock.seconds += 61
        ledger.steps.lapse()
    last = take(ledger, StepKind.TRAIN)
    assert last.attempt == 2
    latest = ledger.trainings.latest_checkpoint(last, "decoder")
    assert latest is not None
    assert latest.key == "checkpoint 11"
    assert ledger.trainings.latest_checkpoint(last, "semantic") is None
    assert (
        ledger.trainings.checkpoint(last, story.stored("checkpoint 11", "checkpoint", name="decoder")) == ()
    )
    ledger.steps.finish(last)
    publish = take(ledger, StepKind.PUBLISH)
    assert ledger.trainings.drop_checkpoints(publish) == ("checkpoint 11",)
    assert ledger.jobs.artefacts(alice, job_id, kinds=["checkpoint"]) == []


def test_what_a_worker_without_its_lease_tells_is_not_written(
    ledger: Ledger, clock: SetClock, alice: str
) -> None:
    job_id = prepared(ledger, alice, when="now")
    lost = take(ledger, StepKind.TRAIN)
    clock.seconds += 61
    ledger.steps.lapse()
    take(ledger, StepKind.TRAIN)
    with pytest.raises(LeaseLostError):
        ledger.trainings.checkpoint(lost, story.stored("late", "checkpoint"))
    with pytest.raises(LeaseLostError):
        ledger.trainings.note_progress(lost, TrainingProgress("decoder", 1, 2))
    with pytest.raises(LeaseLostError):
        ledger.trainings.note_energy(lost, 1.0, "nvml")
    assert ledger.trainings.put_back(lost, reason="the window closed") == []
    job = ledger.jobs.get(alice, job_id)
    assert (job.training, job.energy) == (None, None)
    assert ledger.jobs.artefacts(alice, job_id, kinds=["checkpoint"]) == []


def test_cancelled_paused_failed_and_tried_again(ledger: Ledger, clock: SetClock, alice: str) -> None:
    cancelled = prepared(ledger, alice, when="now")
    train = take(ledger, StepKind.TRAIN)
    ledger.jobs.cancel(alice, cancelled)
    assert ledger.steps.renew([train], lease_seconds=60) == frozenset()
    assert claim(ledger) is None
    with pytest.raises(MoveRefusedError):
        ledger.jobs.retry(alice, cancelled)

    job_id = prepared(ledger, alice, when="now")
    train = take(ledger, StepKind.TRAIN)
    assert ledger.trainings.gives_way(train, GPU_KINDS) is None
    ledger.jobs.pause(alice, job_id)
    reason = ledger.trainings.gives_way(train, GPU_KINDS)
    assert reason == "the job is paused"
    ledger.trainings.put_back(train, reason=reason)
    assert claim(ledger) is None
    ledger.jobs.resume(alice, job_id)
    train = take(ledger, StepKind.TRAIN)
    assert train.attempt == 1
    ledger.steps.fail(train, StepError("training", "the loss is not finite"))
    job = ledger.jobs.get(alice, job_id)
    assert job.state == JobState.FAILED
    assert job.error is not None
    ledger.jobs.retry(alice, job_id)
    ledger.steps.finish(take(ledger, StepKind.TRAIN))
    ledger.steps.finish(take(ledger, StepKind.PUBLISH))
    assert ledger.jobs.get(alice, job_id).state == JobState.SUCCEEDED


# --- who goes first ---


def test_nobody_who_waits_for_a_speech_waits_for_a_training(
    ledger: Ledger, clock: SetClock, alice: str
) -> None:
    prepared(ledger, alice)
    clock.seconds = at("2026-10-24T22:00+02:00")
    train = take(ledger, StepKind.TRAIN)
    assert train.priority < URGENT
    assert ledger.trainings.gives_way(train, GPU_KINDS) is None
    speech = speak(ledger, alice)
    assert ledger.trainings.gives_way(train, GPU_KINDS) is None  # an idle worker may take it at once
    clock.seconds += 0.5
    assert ledger.trainings.gives_way(train, [StepKind.TRAIN]) is None  # this one could not speak it
    reason = ledger.trainings.gives_way(train, GPU_KINDS)
    assert reason == "a speech waits"
    ledger.trainings.put_back(train, reason=reason)
    story.finish(ledger, take(ledger, StepKind.SYNTHESIZE))
    assert ledger.jobs.get(alice, speech).state == JobState.SUCCEEDED
    again = take(ledger, StepKind.TRAIN)
    assert again.attempt == 1
    assert again.open_seconds == 9 * HOUR - 0.5


@pytest.mark.parametrize("policy", ["as shipped", "the other way round"])
def test_renders_go_first_by_day_and_trainings_by_night(
    open_ledger: OpenLedger, clock: SetClock, policy: str
) -> None:
    swapped = {"first_by_day": "trainings", "first_by_night": "renders"}
    ledger = open_ledger(clock=clock, window=NIGHT, **(swapped if policy != "as shipped" else {}))
    alice = story.tenant(ledger)
    training = prepared(ledger, alice, when="now")
    book = story.submit(ledger, alice).job_id
    story.plan(ledger, [6])
    for moment, is_night in (("T14:00+02:00", False), ("T22:30+02:00", True)):
        clock.seconds = at(f"2026-10-24{moment}")
        ledger.windows.move_on()
        first = claim(ledger)
        assert first is not None
        renders_first = is_night is (policy != "as shipped")
        assert first.job_id == (book if renders_first else training)
        if first.job_id == training:
            assert first.priority == AHEAD
            clock.seconds += 60
            assert ledger.trainings.gives_way(first, GPU_KINDS) is None
            ledger.trainings.put_back(first, reason="the day begins")
        else:
            train = claim(ledger, StepKind.TRAIN)
            assert train is not None
            assert train.priority == 5 - BEHIND
            clock.seconds += 6
            assert ledger.trainings.gives_way(train, GPU_KINDS) == "a synthesize step goes before it"
            ledger.trainings.put_back(train, reason="a render goes first")


def test_at_the_turn_of_the_night_a_training_in_hand_is_put_into_line_anew(
    ledger: Ledger, clock: SetClock, alice: str
) -> None:
    prepared(ledger, alice, when="now")
    train = take(ledger, StepKind.TRAIN)
    assert (train.priority, train.open_seconds) == (5 - BEHIND, 10 * HOUR)
    clock.seconds += 10 * HOUR
    ledger.trainings.put_back(train, reason="the window closed")
    train = take(ledger, StepKind.TRAIN)
    assert (train.priority, train.open_seconds) == (AHEAD, 9 * HOUR)


# --- the best hours ---


@pytest.fixture
def signal(tmp_path: Path) -> str:
    """Green at two in the morning (+02:00) and at four, from noon on; a day of it."""
    lines = ["start,value"]
    for hour in range(40):
        moment = datetime.fromtimestamp(at("2026-10-24T12:00+02:00") + hour * HOUR, UTC)
        lines.append(f"{moment.isoformat()},{100 if hour in (14, 16) else 400}")
    (tmp_path / "signal.csv").write_text("\n".join(lines) + "\n")
    return f"csv:{tmp_path / 'signal.csv'}"


def test_the_greenest_hours_before_the_deadline_are_chosen_and_told(
    open_ledger: OpenLedger, clock: SetClock, signal: str
) -> None:
    ledger = open_ledger(clock=clock, window=NIGHT, signal=signal)
    alice = story.tenant(ledger)
    job_id = submit(ledger, alice, deadline="2026-10-25T09:00:00+01:00")
    prepare = take(ledger, StepKind.PREPARE)
    hours = ledger.trainings.choose_hours(prepare, 1.5 * HOUR)
    assert hours is not None
    green = [(at(f"2026-10-25T0{hour}:00+02:00"), at(f"2026-10-25T0{hour + 1}:00+02:00")) for hour in (2, 4)]
    assert list(hours.openings) == green
    assert hours.meets_deadline
    assert hours.saving == pytest.approx(0.75)
    ledger.steps.finish(prepare)
    assert ledger.jobs.get(alice, job_id).hours == hours
    (told,) = kinds_of(ledger, alice, job_id, "hours.chosen")
    assert told["openings"][0] == {"opens_at": "2026-10-25T00:00:00Z", "closes_at": "2026-10-25T01:00:00Z"}
    for start, end in green:
        clock.seconds = start - 1
        ledger.windows.move_on()
        assert claim(ledger) is None
        clock.seconds = start
        train = take(ledger, StepKind.TRAIN)
        assert train.open_seconds == end - start
        clock.seconds = end
        ledger.trainings.put_back(train, reason="the window closed")
    # it took longer than foretold: what is left runs in the rest of the night
    assert take(ledger, StepKind.TRAIN).open_seconds == at("2026-10-25T06:00+01:00") - green[-1][1]


def test_a_deadline_that_cannot_be_met_takes_all_there_is_and_says_so(
    open_ledger: OpenLedger, clock: SetClock, signal: str
) -> None:
    ledger = open_ledger(clock=clock, window=NIGHT, signal=signal)
    alice = story.tenant(ledger)
    submit(ledger, alice, deadline="2026-10-24T23:00:00+02:00")
    prepare = take(ledger, StepKind.PREPARE)
    hours = ledger.trainings.choose_hours(prepare, 5 * HOUR)
    assert hours is not None
    assert not hours.meets_deadline
    assert hours.openings == ((at("2026-10-24T22:00+02:00"), at("2026-10-24T23:00+02:00")),)
    now = submit(ledger, alice, when="now")
    prepare_now = take(ledger, StepKind.PREPARE)
    assert prepare_now.job_id == now
    assert ledger.trainings.choose_hours(prepare_now, HOUR) is None


def test_hours_chosen_for_another_window_do_not_open_a_closed_one(
    open_ledger: OpenLedger, clock: SetClock, signal: str
) -> None:
    before = open_ledger(clock=clock, window=NIGHT, signal=signal)
    alice = story.tenant(before)
    submit(before, alice)
    prepare = take(before, StepKind.PREPARE)
    before.trainings.choose_hours(prepare, HOUR / 2)
    after = open_ledger(clock=clock, window="23:00-01:00 Europe/Berlin", signal=signal)
    after.steps.finish(prepare)
    clock.seconds = at("2026-10-25T02:10+02:00")
    assert claim(after) is None
    clock.seconds = at("2026-10-24T23:00+02:00")
    assert take(after, StepKind.TRAIN).open_seconds == 2 * HOUR


# --- what it tells ---


def test_progress_is_told_now_and_then_and_foretells_the_end(
    ledger: Ledger, clock: SetClock, alice: str
) -> None:
    job_id = prepared(ledger, alice)
    clock.seconds = at("2026-10-25T05:30+01:00")
    train = take(ledger, StepKind.TRAIN)
    for n in range(1, 11):
        clock.seconds += 1
        ledger.trainings.note_progress(train, TrainingProgress("decoder", n, 4000, 1.0))
    job = ledger.jobs.get(alice, job_id)
    assert job.training is not None
    assert job.training.updates_done == 6
    assert len(kinds_of(ledger, alice, job_id, "training.progress")) == 2
    left = at("2026-10-25T06:00+01:00") - clock.seconds
    assert job.eta_seconds == pytest.approx(left + 16 * HOUR + 3994 - left)  # 16 hours of day lie between
    ledger.trainings.note_progress(train, TrainingProgress("decoder", 4000, 4000, 1.0))
    ledger.trainings.note_progress(train, TrainingProgress("semantic", 0, 4000, 1.0))
    assert [event["stage"] for event in kinds_of(ledger, alice, job_id, "training.progress")] == [
        *("decoder", "decoder", "decoder", "semantic")
    ]


def test_energy_adds_up_and_is_as_certain_as_its_least_certain_part(
    ledger: Ledger, clock: SetClock, alice: str
) -> None:
    job_id = prepared(ledger, alice, when="now")
    train = take(ledger, StepKind.TRAIN)
    noon = ledger.trainings.note_energy(train, 0.5, "nvml")
    assert noon == Energy(0.5, "nvml", grams=pytest.approx(0.5 * 480 * 0.95), cost=pytest.approx(0.15))
    clock.seconds = at("2026-10-25T02:30+01:00")
    total = ledger.trainings.note_energy(train, 0.5, "estimate")
    assert total.source == "estimate"
    assert total.kwh == pytest.approx(1.0)
    assert total.grams == pytest.approx(0.5 * 480 * (0.95 + 0.77))
    assert ledger.jobs.get(alice, job_id).energy == total


# --- by property ---

ACTIONS = ("sweep", "take", "put back", "finish", "lapse", "checkpoint")


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(windows(), min_size=1, max_size=2),
    st.integers(0, 235 * 24 * 60),  # minutes from spring on: both changes of the clocks lie within
    st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 40_000)), max_size=16),
)
def test_no_training_outside_its_windows_and_all_is_done_in_the_end(
    ledger: Ledger, clock: SetClock, texts: list[str], start: int, actions: list[tuple[str, int]]
) -> None:
    if ledger.database.on_postgresql:
        pytest.skip("the same moves; quicker on SQLite")
    own = tuple(map(Window.parse, texts))
    held: list[Claim] = []

    def is_open(seconds: float) -> bool:
        return any(window.is_open(datetime.fromtimestamp(seconds, UTC)) for window in own)

    def take_one() -> None:
        claimed = claim(ledger, StepKind.TRAIN, StepKind.PUBLISH)
        if claimed is not None:
            held.append(claimed)
            assert is_open(clock.seconds)
            assert claimed.open_seconds is not None
            assert is_open(clock.seconds + claimed.open_seconds - 1)

    def put_back() -> None:
        while held:
            ledger.trainings.put_back(held.pop(), reason="the window closed")

    def finish() -> None:
        while held:
            ledger.steps.finish(held.pop())

    def lapse() -> None:
        ledger.steps.lapse(owner="worker")
        held.clear()

    def checkpoint() -> None:
        for claimed in held:
            ledger.trainings.checkpoint(claimed, story.stored(f"{clock.seconds}", "checkpoint"))

    empty(ledger)
    clock.seconds = at("2026-03-20T00:00+00:00") + 60 * start
    alice = story.tenant(ledger)
    job_id = submit(ledger, alice, windows=texts)
    prepare = take(ledger, StepKind.PREPARE)
    ledger.trainings.choose_hours(prepare, HOUR)
    ledger.steps.finish(prepare)
    do = {
        "sweep": ledger.windows.move_on,
        "take": take_one,
        "put back": put_back,
        "finish": finish,
        "lapse": lapse,
        "checkpoint": checkpoint,
    }
    for action, seconds in actions:
        do[action]()
        clock.seconds += seconds
    put_back()
    n_openings = 0
    while ledger.jobs.get(alice, job_id).state != JobState.SUCCEEDED:
        ledger.windows.move_on()
        goes_on_at = ledger.jobs.get(alice, job_id).goes_on_at
        if goes_on_at is None:
            opening = union_opening(own, datetime.fromtimestamp(clock.seconds, UTC))
            assert opening is not None
            assert opening.start.timestamp() <= clock.seconds
        else:
            clock.seconds = goes_on_at
        take_one()
        finish()
        n_openings += 1
        assert n_openings <= 6
