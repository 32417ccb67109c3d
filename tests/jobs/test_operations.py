"""What the operator sees, and whose turn the sweep is."""

from __future__ import annotations

import pytest

from jobs.clock import SetClock
from jobs.ledger import Ledger
from jobs.states import StepKind
from tests.jobs import story


@pytest.fixture
def ledger(still_ledger: Ledger) -> Ledger:
    return still_ledger


def test_backlog_counts_what_waits(ledger: Ledger, clock: SetClock) -> None:
    alice = story.tenant(ledger)
    story.submit(ledger, alice, source=story.stored("s", "source"))
    story.plan(ledger, [5], chunk=2)
    story.submit(ledger, alice, spec={"webhook": {"url": "https://example.org"}})
    paused = story.submit(ledger, alice).job_id
    story.plan(ledger, [1])
    story.claim(ledger, StepKind.SYNTHESIZE)
    story.plan(ledger, [1])
    ledger.jobs.pause(alice, paused)
    clock.seconds += 30
    backlog = ledger.operations.backlog()
    assert backlog.jobs_by_state == {("narration", "running"): 2, ("narration", "paused"): 1}
    assert backlog.steps_by_state == {
        ("synthesize", "ready"): 4,
        ("synthesize", "leased"): 1,
        ("master", "blocked"): 3,
        ("bind", "blocked"): 3,
    }
    assert backlog.oldest_ready_seconds == {"synthesize": 30.0}
    assert backlog.utterances_waiting == 3 + 1 + 1
    assert backlog.stored_bytes == 4 * 100
    assert backlog.swept_seconds_ago is None
    assert backlog.jobs_started == {"narration": 3}


def test_backlog_adds_up_what_is_done_over_all_jobs(ledger: Ledger) -> None:
    alice = story.tenant(ledger)
    story.submit(ledger, alice)
    story.plan(ledger, [3])
    story.drain(ledger)
    story.submit(ledger, alice, spec={"webhook": {"url": "https://example.org"}})
    story.plan(ledger, [2])
    story.drain(ledger)
    cancelled = story.submit(ledger, alice, spec={"webhook": {"url": "https://example.org"}}).job_id
    ledger.jobs.cancel(alice, cancelled)
    due, _ = ledger.deliveries.claim()
    ledger.deliveries.delivered(due)
    backlog = ledger.operations.backlog()
    assert backlog.jobs_by_state == {("narration", "succeeded"): 2, ("narration", "cancelled"): 1}
    assert backlog.jobs_started == {"narration": 2}
    assert backlog.utterances_done == 5
    assert backlog.deliveries_by_state == {"delivered": 1, "waiting": 1}


def test_backlog_of_nothing_is_zero(ledger: Ledger) -> None:
    backlog = ledger.operations.backlog()
    assert (backlog.utterances_waiting, backlog.audio_seconds, backlog.stored_bytes) == (0, 0.0, 0)


def test_sweep_takes_turns(ledger: Ledger, clock: SetClock) -> None:
    assert ledger.operations.take_turn()
    assert not ledger.operations.take_turn()
    clock.seconds += 9
    assert not ledger.operations.take_turn()
    assert ledger.operations.backlog().swept_seconds_ago == 9
    clock.seconds += 1
    assert ledger.operations.take_turn()


def test_sweep_goes_on_when_the_clock_was_set_back(ledger: Ledger, clock: SetClock) -> None:
    """Otherwise no lease would lapse for the whole hour."""
    ledger.operations.take_turn()
    clock.seconds -= 3_600
    assert ledger.operations.take_turn()
    assert not ledger.operations.take_turn()
