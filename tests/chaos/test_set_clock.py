"""The database whose time is set: whoever asks the ledger's clock is told so, claims and leases too."""

from __future__ import annotations

from datetime import UTC, datetime

from jobs.ledger import Ledger
from jobs.ledger.keys import LOCAL_TENANT
from jobs.migrate import upgrade
from jobs.settings import Settings
from jobs.states import JobKind, StepKind
from tests.chaos.night import at
from tests.chaos.set_clock import SetDatabase

SPEC = {"name": "ada", "base": "base", "language": "en", "consent": "yes", "when": "off-peak"}


def test_what_waits_for_the_night_is_claimed_once_it_is_set_to_night(empty_postgres_url: str) -> None:
    clock = SetDatabase(empty_postgres_url)
    clock.set(at("2026-06-21T12:00+00:00"))
    upgrade(empty_postgres_url)
    with Ledger(Settings(ledger=empty_postgres_url, window="22:00-06:00 UTC")) as ledger:
        ledger.keys.local()
        now = ledger.trainings.now()
        assert 0 <= (now - datetime(2026, 6, 21, 12, tzinfo=UTC)).total_seconds() < 60
        job_id = ledger.jobs.submit(LOCAL_TENANT, JobKind.TRAINING, SPEC).job_id
        (prepare,) = ledger.steps.claim([StepKind.PREPARE], owner="worker", lease_seconds=60)
        ledger.steps.finish(prepare)
        assert not ledger.steps.claim([StepKind.TRAIN], owner="worker", lease_seconds=60)
        clock.set(at("2026-06-21T23:00+00:00"))
        (train,) = ledger.steps.claim([StepKind.TRAIN], owner="worker", lease_seconds=60)
        assert train.job_id == job_id
        assert train.open_seconds is not None
        assert 0 <= 7 * 3600 - train.open_seconds < 60
        clock.set(at("2026-06-21T23:30+00:00"))  # its lease has lapsed
        assert ledger.steps.lapse() != []
