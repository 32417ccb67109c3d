"""Every chaos script, small enough for each run of the tests; their heads say how to run them in full."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import brokers, databases, kills, poison, recovery, stores, submits, zombies

pytestmark = [pytest.mark.slow, pytest.mark.services]

needs_unshare = pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")


def test_random_kills_lose_nothing_and_change_no_bit(tmp_path: Path) -> None:
    figures = kills.run(tmp_path, chapters=6, sentences=240, kills=6, seed=7)
    assert figures["state"] == "succeeded", figures
    assert figures["broken_invariants"] == []
    assert figures["lost"] == 0
    assert figures["bit_identical"]
    assert figures["claimed_again"] <= figures["claimed_again_limit"]


@needs_unshare
def test_a_dead_workers_chunk_is_claimed_again_soon(tmp_path: Path) -> None:
    figures = recovery.run(tmp_path, repeats=1, production=False)
    assert figures["worst"] < 10  # 3 s is the aim on a quiet machine; this one may be busy


@needs_unshare
def test_workers_that_wake_after_their_lease_commit_nothing(tmp_path: Path) -> None:
    figures = zombies.run(tmp_path, times=3, seed=3)
    assert figures["state"] == "succeeded", figures
    assert figures["stale_commits"] == 0
    assert figures["bit_identical"]
    assert figures["broken_invariants"] == []


def test_a_flushed_and_killed_redis_costs_nothing(tmp_path: Path) -> None:
    figures = brokers.run(tmp_path, flushes=4, down_seconds=6)
    assert set(figures["answers"]) == {202}
    assert figures["ends"] == {"succeeded": figures["jobs"]}
    assert figures["broken_invariants"] == []


def test_postgres_crashing_costs_nothing(tmp_path: Path) -> None:
    figures = databases.run(tmp_path, stops=3, seed=5)
    assert set(figures["answers"]) <= {"202", "503 with Retry-After"}
    assert figures["ends"] == {"succeeded": figures["jobs"]}
    assert figures["broken_invariants"] == []


def test_a_faulty_object_store_corrupts_no_book(tmp_path: Path) -> None:
    figures = stores.run(tmp_path, books=2, sentences=40, seed=11)
    assert figures["ends"] == {"succeeded": 2}
    assert figures["corrupt_or_missing"] == []
    assert figures["faults"]["errors"] > 0


def test_poisoned_sentences_are_named_and_all_others_done(tmp_path: Path) -> None:
    figures = poison.run(tmp_path, sentences=100)
    assert figures["state"] == "failed"
    assert figures["takes"] == figures["sentences"] - len(poison.KINDS)
    assert figures["named"] == sorted(kind.value for kind in poison.KINDS)
    assert max(figures["claims_of_poisoned_chunks"]) <= 4  # three attempts, and one claim for the others
    assert figures["broken_invariants"] == []


def test_each_client_gets_one_job_though_the_api_is_killed(tmp_path: Path) -> None:
    figures = submits.run(tmp_path, clients=150, kills=2)
    assert figures["jobs"] == figures["distinct_ids"] == 150


def test_a_training_killed_and_closed_again_and_again_changes_no_bit() -> None:
    # The seed draws a window of one update, then a death, and no more. A process of its own, because it
    # forks: this one has threads by now, and a lock that one of them held would never open in the child.
    command = [sys.executable, "-m", "tests.chaos.trainings", "--ends", "2", "--seed", "20"]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=600)
    figures = json.loads(told.stdout)
    assert figures["killed"] == 1
    assert figures["windows_ended"] == 1
    assert figures["bit_identical"]
    assert 0 <= figures["updates_lost"] <= figures["updates_lost_limit"]
    assert figures["updates_outside_the_window"] == 0
