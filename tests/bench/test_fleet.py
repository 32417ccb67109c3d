"""The benches of the claim, small: what they measure is there, and it holds."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from bench.backlog import Backlog
from bench.claims import Order, measure
from bench.fleet import Device, Policy, SimulatedWorker, Tally, do_not_sync
from bench.pair import simulate
from jobs.clock import SetClock
from jobs.ledger import Ledger
from jobs.migrate import upgrade
from jobs.settings import Settings
from jobs.states import StepKind
from jobs.tables import Step
from tests.jobs import story

START = 1_000_000.0
N_BOOKS, CHUNKS_A_BOOK, N_WORKERS = 15, 8, 4
DEVICE = Device(
    audio_seconds_a_second=21.6, n_resident=4, load_seconds=0.5
)  # a chunk of one sentence: 0.25 s


@pytest.fixture
def clock() -> SetClock:
    return SetClock(START)


@pytest.fixture
def ledger(tmp_path: Path, clock: SetClock) -> Iterator[Ledger]:
    """Fifteen books of fifteen voices, all of which have waited for longer than a minute."""
    settings = Settings(home=tmp_path)
    upgrade(settings.ledger_url)
    with Ledger(settings, clock=clock) as opened:
        do_not_sync(opened)
        alice = story.tenant(opened)
        for number in range(N_BOOKS):
            story.submit(opened, alice)
            story.plan(opened, [CHUNKS_A_BOOK], weights=f"{number:064x}")
        clock.seconds += 100
        yield opened


def _spoken(ledger: Ledger, clock: SetClock, policy: Policy) -> tuple[Tally, list[int]]:
    """What four workers did by a simulated clock, and in which order the chunks were finished."""
    tally = Tally()
    workers = [
        SimulatedWorker(ledger, f"worker-{n}", DEVICE, policy, tally, lambda: clock.seconds)
        for n in range(N_WORKERS)
    ]
    due = [(clock.seconds + 0.1 * n, n) for n in range(N_WORKERS)]
    while due:
        at, number = heapq.heappop(due)
        clock.seconds = at
        busy = workers[number].turn()
        if busy is not None:
            heapq.heappush(due, (clock.seconds + busy, number))
    with ledger.database.read() as tx:
        chunks = select(Step.id).where(Step.kind == StepKind.SYNTHESIZE, Step.state == "succeeded")
        return tally, list(tx.execute(chunks.order_by(Step.ended_at, Step.id)).scalars())


def test_a_backlog_of_many_voices_is_spoken_in_line_and_loads_are_hidden(
    ledger: Ledger, clock: SetClock
) -> None:
    tally, finished = _spoken(ledger, clock, Policy.AHEAD)
    assert tally.n_chunks == len(finished) == N_BOOKS * CHUNKS_A_BOOK
    n_claims = len(tally.claim_seconds)
    assert tally.n_waits <= n_claims / 2
    in_line = {step_id: place for place, step_id in enumerate(sorted(finished))}
    furthest = max(abs(in_line[step_id] - place) for place, step_id in enumerate(finished))
    assert furthest <= 4 * N_WORKERS * 4, "nobody is overtaken by more than some turns of all workers"


def test_naming_the_last_voice_alone_waits_for_each_book(ledger: Ledger, clock: SetClock) -> None:
    tally, finished = _spoken(ledger, clock, Policy.LAST)
    assert len(finished) == N_BOOKS * CHUNKS_A_BOOK
    assert tally.n_waits > len(tally.claim_seconds) / 2


def test_two_machines_do_nearly_twice_as_much_as_one() -> None:
    assert simulate(1_000, 8)["share_of_double"] >= 0.97


def test_the_load_test_runs_small(empty_postgres_url: str) -> None:
    device = Device(audio_seconds_a_second=5 * 4 * 16 * 5.4, n_resident=4, load_seconds=0.05)  # a turn: 0.2 s
    order = Order(Backlog(500, 10, n_history=100), device, Policy.AHEAD, 4, n_processes=1, seconds=2.0)
    figures = measure(empty_postgres_url, order)
    assert figures["claims_per_second"] > 0
    assert figures["claims_asked_per_second"] > 0
    assert figures["claim_p50_ms"] > figures["claim_on_server_p50_ms"] > 0
    assert figures["swaps_per_hour"] > 0
    assert figures["claim_p95_ms"] >= figures["claim_p50_ms"] > 0
    assert figures["oldest_wait_seconds"] > 0
    assert 0 <= figures["left_behind_chunks"] < 500


def test_the_load_test_leaves_other_machines_alone() -> None:
    order = Order(Backlog(), Device(), Policy.AHEAD)
    with pytest.raises(ValueError, match="must be one of this machine"):
        measure("postgresql://postgres@db.example/postgres", order)
