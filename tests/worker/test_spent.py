"""Checkpoints go when nobody will go on from them: of trainings that ended, and of old failures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from jobs.clock import SetClock
from jobs.ledger import Ledger
from jobs.ledger.keys import LOCAL_TENANT
from jobs.ledger.spent import LOOK_BACK_SECONDS, REST_SECONDS, RETRY_SECONDS
from jobs.ledger.values import Claim, StepError
from jobs.states import JobKind, StepKind
from worker.schooling import keep
from worker.sweep import clear_spent
from worker.workshop import Workshop

SPEC = {"name": "ada", "base": "base", "language": "en", "consent": "yes", "when": "now"}


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def shop(workshop: Workshop, clock: SetClock) -> Iterator[Workshop]:
    """The workshop on a ledger whose time is set."""
    with Ledger(workshop.settings, clock=clock) as ledger:
        ledger.keys.local()
        yield replace(workshop, ledger=ledger)


def take(shop: Workshop, kind: StepKind) -> Claim:
    (claim,) = shop.ledger.steps.claim([kind], owner="worker", lease_seconds=60)
    return claim


def begun(shop: Workshop) -> Claim:
    """A training with features, a report and one checkpoint; the claim of its train step."""
    shop.ledger.jobs.submit(LOCAL_TENANT, JobKind.TRAINING, SPEC)
    claim = take(shop, StepKind.PREPARE)
    files = [
        keep(shop, claim, b"numbers", "features", "application/octet-stream"),
        keep(shop, claim, b"{}", "report", "application/json", name="report.json"),
    ]
    shop.ledger.steps.finish(claim, artefacts=files)
    claim = take(shop, StepKind.TRAIN)
    shop.ledger.trainings.checkpoint(claim, keep(shop, claim, b"weights", "checkpoint", "application/x-tar"))
    return claim


def stored(shop: Workshop, claim: Claim) -> set[bytes]:
    """What lies in the object store for this job."""
    folder = f"t/{LOCAL_TENANT}/jobs/{claim.job_id}/"
    return {shop.objects.get(head.key) for head in shop.objects.list(folder)}


def rows(shop: Workshop, claim: Claim) -> set[str]:
    kinds = ("checkpoint", "features", "report")
    return {file.kind for file in shop.ledger.jobs.artefacts(LOCAL_TENANT, claim.job_id, kinds=kinds)}


def test_a_cancelled_training_keeps_its_report_alone(shop: Workshop, clock: SetClock) -> None:
    claim, other = begun(shop), begun(shop)
    shop.ledger.jobs.cancel(LOCAL_TENANT, claim.job_id)
    keep(
        shop, claim, b"too late", "checkpoint", "application/x-tar"
    )  # by a worker that has not heard of it yet
    clock.seconds += REST_SECONDS / 2
    assert clear_spent(shop.ledger, shop.objects) == 0
    clock.seconds += REST_SECONDS
    assert clear_spent(shop.ledger, shop.objects) == 3
    assert stored(shop, claim) == {b"{}"}
    assert rows(shop, claim) == {"report"}
    assert stored(shop, other) == {b"weights", b"numbers", b"{}"}  # it goes on
    assert clear_spent(shop.ledger, shop.objects) == 0
    clock.seconds += LOOK_BACK_SECONDS
    keep(shop, claim, b"nobody's", "checkpoint", "application/x-tar")
    assert clear_spent(shop.ledger, shop.objects) == 0  # not looked through for ever


def test_a_finished_training_keeps_its_report_alone(shop: Workshop, clock: SetClock) -> None:
    claim = begun(shop)
    shop.ledger.steps.finish(claim)
    shop.ledger.steps.finish(take(shop, StepKind.PUBLISH))
    clock.seconds += 2 * REST_SECONDS
    assert clear_spent(shop.ledger, shop.objects) == 2
    assert stored(shop, claim) == {b"{}"}


def test_a_failed_training_can_be_tried_again_from_its_checkpoint_for_a_month(
    shop: Workshop, clock: SetClock
) -> None:
    claim, other = begun(shop), begun(shop)
    for failed in (claim, other):
        shop.ledger.steps.fail(failed, StepError("training", "the gradient is not finite"))
    clock.seconds += RETRY_SECONDS - REST_SECONDS
    assert clear_spent(shop.ledger, shop.objects) == 0
    shop.ledger.jobs.retry(LOCAL_TENANT, other.job_id)
    clock.seconds += 2 * REST_SECONDS
    assert clear_spent(shop.ledger, shop.objects) == 1
    assert rows(shop, claim) == {"features", "report"}
    assert rows(shop, other) == {"features", "report", "checkpoint"}
    shop.ledger.jobs.retry(LOCAL_TENANT, claim.job_id)  # from the beginning, then
    shop.ledger.windows.move_on()
    again = [take(shop, StepKind.TRAIN) for _ in range(2)]
    assert {each.job_id for each in again} == {claim.job_id, other.job_id}
    latest = {each.job_id: shop.ledger.trainings.latest_checkpoint(each) for each in again}
    assert latest[claim.job_id] is None
    assert latest[other.job_id] is not None
