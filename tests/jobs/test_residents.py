"""What a worker holds goes first, within bounds; and what it will be given next it may ask."""

from __future__ import annotations

import pytest

from jobs.clock import SetClock
from jobs.ledger import Ledger
from jobs.ledger.claims import MOST_RESIDENT, Ahead
from jobs.states import StepKind
from tests.jobs import story

CHUNKS = [StepKind.SYNTHESIZE]
FIRST, SECOND, THIRD = ("1" * 64, "2" * 64, "3" * 64)


@pytest.fixture
def ledger(still_ledger: Ledger) -> Ledger:
    return still_ledger


@pytest.fixture
def alice(ledger: Ledger) -> str:
    return story.tenant(ledger)


def _books(ledger: Ledger, alice: str, *weights: str, priority: int = 5) -> list[str]:
    """A book of two chunks for each of these weights, in line in this order; their jobs."""
    jobs = []
    for digest in weights:
        jobs.append(story.submit(ledger, alice, priority=priority).job_id)
        story.plan(ledger, [2], weights=digest)
    return jobs


def _claimed(
    ledger: Ledger, weights: str | None, *resident: str, most: int = 9, longest_wait_seconds: float = 60.0
) -> str | None:
    """The weights of what was claimed."""
    claims = ledger.steps.claim(
        CHUNKS,
        owner="worker",
        lease_seconds=60,
        most=most,
        weights=weights,
        resident=resident,
        longest_wait_seconds=longest_wait_seconds,
    )
    return claims[0].weights_digest if claims else None


def test_resident_weights_go_before_others_and_those_in_use_before_them(ledger: Ledger, alice: str) -> None:
    _books(ledger, alice, FIRST, SECOND, THIRD)
    assert _claimed(ledger, THIRD, THIRD, SECOND) == THIRD
    assert _claimed(ledger, THIRD, THIRD, SECOND) == SECOND
    assert _claimed(ledger, THIRD, THIRD, SECOND) == FIRST


def test_of_resident_weights_the_first_in_line_is_claimed(ledger: Ledger, alice: str) -> None:
    _books(ledger, alice, FIRST, SECOND, THIRD)
    assert _claimed(ledger, None, THIRD, SECOND) == SECOND


def test_resident_weights_give_way_to_whoever_waited_too_long(
    ledger: Ledger, alice: str, clock: SetClock
) -> None:
    _books(ledger, alice, FIRST, SECOND)
    clock.seconds += 61
    assert _claimed(ledger, None, SECOND, most=1, longest_wait_seconds=float("inf")) == SECOND
    assert _claimed(ledger, None, SECOND, most=1) == FIRST


def test_resident_weights_give_way_to_a_higher_priority(ledger: Ledger, alice: str) -> None:
    _books(ledger, alice, FIRST)
    _books(ledger, alice, SECOND, priority=9)
    assert _claimed(ledger, None, FIRST) == SECOND


def test_resident_weights_of_a_higher_priority_win_over_those_in_use(ledger: Ledger, alice: str) -> None:
    _books(ledger, alice, FIRST)
    _books(ledger, alice, SECOND, priority=9)
    assert _claimed(ledger, FIRST, FIRST, SECOND) == SECOND


def test_chunks_of_paused_jobs_are_not_looked_at(ledger: Ledger, alice: str) -> None:
    jobs = _books(ledger, alice, FIRST, SECOND, THIRD)
    ledger.jobs.pause(alice, jobs[1])
    assert _claimed(ledger, None, SECOND, THIRD) == THIRD
    assert _claimed(ledger, None, SECOND, THIRD) == FIRST
    assert _claimed(ledger, None, SECOND, THIRD) is None


def test_only_so_many_resident_weights_are_looked_at(ledger: Ledger, alice: str) -> None:
    _books(ledger, alice, FIRST, SECOND)
    others = [f"{n:064x}" for n in range(16, 16 + MOST_RESIDENT)]
    assert _claimed(ledger, None, *others, SECOND) == FIRST
    assert _claimed(ledger, None, *others[1:], SECOND) == SECOND


def test_look_ahead_says_what_a_claim_would_bring_and_takes_nothing(
    ledger: Ledger, alice: str, clock: SetClock
) -> None:
    jobs = _books(ledger, alice, FIRST, SECOND)
    for _ in range(2):
        assert ledger.steps.look_ahead(CHUNKS, owner="worker") == Ahead(alice, jobs[0], 1, FIRST)
    assert ledger.steps.look_ahead(CHUNKS, owner="worker", weights=SECOND) == Ahead(alice, jobs[1], 1, SECOND)
    assert ledger.steps.look_ahead(CHUNKS, owner="worker", resident=[SECOND]) == Ahead(
        alice, jobs[1], 1, SECOND
    )
    clock.seconds += 61
    assert ledger.steps.look_ahead(CHUNKS, owner="worker", weights=SECOND, resident=[SECOND]) == Ahead(
        alice, jobs[0], 1, FIRST
    )
    assert _claimed(ledger, None) == FIRST
    assert ledger.steps.look_ahead(CHUNKS, owner="worker") == Ahead(alice, jobs[1], 1, SECOND)


def test_look_ahead_sees_chunks_only(ledger: Ledger, alice: str) -> None:
    assert ledger.steps.look_ahead(story.ALL_KINDS, owner="worker") is None
    story.submit(ledger, alice)
    assert ledger.steps.look_ahead(story.ALL_KINDS, owner="worker") is None
    story.plan(ledger, [1], weights=FIRST)
    found = ledger.steps.look_ahead(story.ALL_KINDS, owner="worker")
    assert found is not None
    assert found.weights_digest == FIRST
