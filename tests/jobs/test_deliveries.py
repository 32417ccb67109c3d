"""Webhook messages are tried until they are delivered or given up."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from jobs.clock import SetClock
from jobs.ledger import Ledger
from jobs.ledger.deliveries import WAITS_SECONDS
from jobs.tables import Delivery
from tests.jobs import story


@pytest.fixture
def ledger(still_ledger: Ledger) -> Ledger:
    return still_ledger


@pytest.fixture
def job_id(ledger: Ledger) -> str:
    """A job that ended and wants to tell of it."""
    alice = story.tenant(ledger)
    made = story.submit(ledger, alice, title="Emma", spec={"webhook": {"url": "https://example.org/hook"}})
    ledger.jobs.cancel(alice, made.job_id)
    return made.job_id


def _states(ledger: Ledger) -> list[str]:
    with ledger.database.read() as connection:
        return list(connection.execute(select(Delivery.state)).scalars())


def test_end_of_a_job_is_told(ledger: Ledger, job_id: str) -> None:
    (delivery,) = ledger.deliveries.claim()
    assert (delivery.job_id, delivery.url, delivery.attempt) == (job_id, "https://example.org/hook", 1)
    assert delivery.secret.startswith("whsec_")
    job = {"id": job_id, "state": "cancelled", "title": "Emma", "error": None}
    assert delivery.body == {"type": "job.cancelled", "job": job}
    ledger.deliveries.delivered(delivery)
    assert _states(ledger) == ["delivered"]


def test_job_without_an_address_tells_nobody(ledger: Ledger) -> None:
    alice = story.tenant(ledger)
    ledger.jobs.cancel(alice, story.submit(ledger, alice).job_id)
    assert ledger.deliveries.claim() == []


def test_claimed_delivery_is_one_workers_for_a_while(ledger: Ledger, job_id: str, clock: SetClock) -> None:
    (first,) = ledger.deliveries.claim(seconds=60)
    assert ledger.deliveries.claim() == []
    clock.seconds += 60
    (second,) = ledger.deliveries.claim()
    assert (second.id, second.attempt) == (first.id, 2)
    ledger.deliveries.delivered(first)  # too late: it is another's
    assert _states(ledger) == ["waiting"]


def test_failed_delivery_waits_longer_each_time_and_is_given_up(
    ledger: Ledger, job_id: str, clock: SetClock
) -> None:
    ids = set()
    for wait in WAITS_SECONDS:
        (delivery,) = ledger.deliveries.claim()
        ids.add(delivery.id)
        ledger.deliveries.failed(delivery, "503")
        clock.seconds += wait - 1
        assert ledger.deliveries.claim() == []
        clock.seconds += 1
    (last,) = ledger.deliveries.claim()
    ledger.deliveries.failed(last, "503")
    assert _states(ledger) == ["abandoned"]
    assert ids == {last.id}, "the receiver knows repeats by their id"


def test_delivery_that_ends_its_worker_each_time_is_given_up(
    ledger: Ledger, job_id: str, clock: SetClock
) -> None:
    n_tries = 0
    while ledger.deliveries.claim():
        n_tries += 1
        clock.seconds += 60
    assert n_tries == len(WAITS_SECONDS) + 1
    assert _states(ledger) == ["abandoned"]
