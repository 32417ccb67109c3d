"""What workers count reaches the ledger once, and is added to what others counted."""

from __future__ import annotations

import pytest

from jobs.clock import SetClock
from jobs.errors import LeaseLostError, LedgerUnavailableError
from jobs.ledger import Ledger
from jobs.ledger.counts import Counts
from tests.jobs import story


@pytest.fixture
def ledger(still_ledger: Ledger) -> Ledger:
    return still_ledger


def test_counts_of_several_workers_are_added_up(ledger: Ledger) -> None:
    first, second = Counts(ledger.database), Counts(ledger.database)
    first.note("voice_loads", "asked")
    first.note("voice_load_seconds", amount=0.25)
    second.note("voice_loads", "asked", 2)
    for counts in (first, second, first):
        counts.write()
    assert dict(first.read()) == {("voice_loads", "asked"): 3, ("voice_load_seconds", ""): 0.25}


def test_what_cannot_be_written_is_kept(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = Counts(ledger.database)
    counts.note("voice_hits")

    def down() -> None:
        raise LedgerUnavailableError

    with monkeypatch.context() as patched:
        patched.setattr(ledger.database, "write", down)
        with pytest.raises(LedgerUnavailableError):
            counts.write()
    counts.note("voice_hits")
    counts.write()
    assert counts.read()["voice_hits", ""] == 2


def test_leases_that_ran_out_and_results_that_came_too_late_are_counted(
    ledger: Ledger, clock: SetClock
) -> None:
    ledger.counts.write()
    before = dict(ledger.counts.read())
    story.submit(ledger, story.tenant(ledger))
    story.plan(ledger, [2])
    late = story.claim(ledger)
    clock.seconds += 61
    ledger.steps.lapse()
    ledger.steps.lapse()
    with pytest.raises(LeaseLostError):
        story.finish(ledger, late)
    ledger.steps.release(story.claim(ledger), reason="the worker stops")
    ledger.counts.write()
    counted = {
        what: amount - before.get(what, 0)
        for what, amount in ledger.counts.read().items()
        if amount != before.get(what, 0) and not what[0].startswith("claim")
    }
    assert counted == {
        ("leases_expired", ""): 1,
        ("units_retried", "lapsed"): 1,
        ("units_retried", "the worker stops"): 1,
        ("fenced_writes", ""): 1,
    }
