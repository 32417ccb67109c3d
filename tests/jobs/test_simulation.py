"""The ledger under random schedules of crashes, frozen workers, lost answers, cancels and jumps of time."""

from __future__ import annotations

import gc
import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import jobs.ledger.steps
from jobs.ledger.values import Claim
from jobs.tables import Step
from tests.jobs.simulation import ViolationError, World, open_stage

N_CHOICES = 40
N_IN_CI = 10_000
N_PROCESSES = 2


def _prepare_process() -> None:
    gc.freeze()
    gc.set_threshold(50_000)  # SQL expressions are many small cycles


@contextmanager
def _stage() -> Iterator[Callable[[bytes], World]]:
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
        open_stage(Path(folder)) as play,
    ):
        yield play


def _simulate(n: int, seed_of_all: int, *, shrink: bool = True) -> Counter[str]:
    """Plays n schedules and counts how their jobs ended and what happened on the way."""
    seen: Counter[str] = Counter()
    with _stage() as play:

        @seed(seed_of_all)
        @settings(
            max_examples=n,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        )
        @given(st.binary(min_size=N_CHOICES, max_size=N_CHOICES))
        def every_schedule_holds(choices: bytes) -> None:
            world = play(choices)
            seen["schedules"] += 1
            seen["crashes"] += world.n_crashes
            seen["claims lost"] += world.n_claims_lost
            seen.update(world.job_states.values())
            seen.update(line.split()[0] for line in world.trace)

        every_schedule_holds()
    return seen


def test_schedules_hold() -> None:
    seen = _simulate(100, 1)
    assert seen["schedules"] >= 100


@pytest.mark.slow
@pytest.mark.timeout(1_800)  # three minutes on two cores of one's own
def test_ten_thousand_schedules_hold() -> None:
    spawn = multiprocessing.get_context("spawn")
    share = N_IN_CI // N_PROCESSES
    seen: Counter[str] = Counter()
    with ProcessPoolExecutor(N_PROCESSES, spawn, _prepare_process) as pool:
        for part in pool.map(_simulate, [share] * N_PROCESSES, range(N_PROCESSES)):
            seen.update(part)
    print(dict(seen))
    assert seen["schedules"] >= N_IN_CI
    # a simulation in which nothing happens proves nothing
    for what in (
        "succeeded",
        "failed",
        "cancelled",
        "crashes",
        "claims lost",
        "haunt",
        "lapse",
        "hold",
        "retry",
    ):
        assert seen[what] > N_IN_CI / 100, f"hardly any {what}"


def test_broken_epoch_check_is_found_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one patch of our own code in these tests: it shows that the simulation finds what it looks for."""

    def own_without_epoch(claim: Claim) -> tuple[object, ...]:
        return (Step.id == claim.step_id,)

    monkeypatch.setattr(jobs.ledger.steps, "_own", own_without_epoch)
    started = time.monotonic()
    with pytest.raises(ViolationError, match="lost claim"):
        _simulate(1_000, 2, shrink=False)
    assert time.monotonic() - started < 30
