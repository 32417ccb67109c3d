"""A worker that lost its lease records nothing, whatever it tries and whatever has become of the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from jobs.clock import SetClock
from jobs.errors import LeaseLostError
from jobs.ledger import Ledger
from jobs.ledger.steps import Steps
from jobs.ledger.values import Claim, StepError
from jobs.states import StepKind
from jobs.tables import Base, Step
from tests.jobs import story


@pytest.fixture
def ledger(still_ledger: Ledger) -> Ledger:
    return still_ledger


@pytest.fixture
def chunk(ledger: Ledger) -> Claim:
    """A claimed chunk of a running job whose other chunk waits."""
    story.submit(ledger, story.tenant(ledger))
    story.plan(ledger, [2])
    return story.claim(ledger, StepKind.SYNTHESIZE, owner="zombie")


# Every way in which a worker speaks of a step it holds.
WAYS: dict[str, Callable[[Ledger, Claim], Any]] = {
    "finish": story.finish,
    "keep": lambda ledger, claim: ledger.steps.keep(claim, artefacts=[story.stored("x")], takes=[]),
    "hold": lambda ledger, claim: ledger.steps.hold(claim, 0),
    "fail": lambda ledger, claim: ledger.steps.fail(claim, StepError("crash", "no")),
    "fail with retry": lambda ledger, claim: ledger.steps.fail(claim, StepError("crash", "no"), retry=True),
    "release": lambda ledger, claim: ledger.steps.release(claim, reason="shutdown"),
    "renew": lambda ledger, claim: ledger.steps.renew([claim], lease_seconds=60),
}


def _lapse(ledger: Ledger, clock: SetClock, claim: Claim) -> None:
    clock.seconds += 61
    ledger.steps.lapse()
    assert ledger.steps.owners("zombie") == []


def _claimed_by_another(ledger: Ledger, clock: SetClock, claim: Claim) -> None:
    _lapse(ledger, clock, claim)
    assert story.claim(ledger, StepKind.SYNTHESIZE, owner="other").step_id == claim.step_id


def _finished_by_another(ledger: Ledger, clock: SetClock, claim: Claim) -> None:
    _lapse(ledger, clock, claim)
    story.finish(ledger, story.claim(ledger, StepKind.SYNTHESIZE, owner="other"))


def _crashed_too_often(ledger: Ledger, clock: SetClock, claim: Claim) -> None:
    """The zombie's own claim was the last attempt, so the step fails in the zombie's epoch."""
    clock.seconds += 61
    Steps(ledger.database, ledger.windows, ledger.counts, max_losses=1).lapse()
    with ledger.database.read() as tx:
        row = tx.execute(select(Step.state, Step.epoch).where(Step.id == claim.step_id)).one()
    assert row == ("failed", claim.epoch)


def _cancelled(ledger: Ledger, clock: SetClock, claim: Claim) -> None:
    ledger.jobs.cancel(claim.tenant_id, claim.job_id)


def _failed_and_retried(ledger: Ledger, clock: SetClock, claim: Claim) -> None:
    _crashed_too_often(ledger, clock, claim)
    story.finish(ledger, story.claim(ledger, StepKind.SYNTHESIZE))
    ledger.jobs.retry(claim.tenant_id, claim.job_id)


FATES = [
    _lapse,
    _claimed_by_another,
    _finished_by_another,
    _crashed_too_often,
    _cancelled,
    _failed_and_retried,
]


def _everything(ledger: Ledger) -> dict[str, list[Any]]:
    with ledger.database.read() as tx:
        return {
            table.name: sorted(map(repr, tx.execute(select(table)).all()))
            for table in Base.metadata.sorted_tables
        }


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("way", list(WAYS))
def test_lost_claim_changes_nothing(
    ledger: Ledger,
    clock: SetClock,
    chunk: Claim,
    way: str,
    fate: Callable[[Ledger, SetClock, Claim], None],
) -> None:
    fate(ledger, clock, chunk)
    before = _everything(ledger)
    if way == "release":
        assert WAYS[way](ledger, chunk) == []
    elif way == "renew":
        assert WAYS[way](ledger, chunk) == frozenset()
    else:
        with pytest.raises(LeaseLostError):
            WAYS[way](ledger, chunk)
    assert _everything(ledger) == before


def test_lost_plan_writes_no_chapter(ledger: Ledger, clock: SetClock) -> None:
    story.submit(ledger, story.tenant(ledger))
    zombie = story.claim(ledger, StepKind.PLAN, owner="zombie")
    clock.seconds += 61
    ledger.steps.lapse()
    before = _everything(ledger)
    with pytest.raises(LeaseLostError):
        ledger.steps.plan(
            zombie,
            title="Another",
            chapters=story.planned(zombie.job_id, [3]),
            weights_digest=story.WEIGHTS,
            chunk_utterances=1,
        )
    assert _everything(ledger) == before
    story.plan(ledger, [1, 1])
    assert len(ledger.jobs.chapters(zombie.tenant_id, zombie.job_id)) == 2


@pytest.mark.parametrize("way", ["finish", "keep", "hold"])
def test_late_claim_still_counts_until_another_takes_the_step(
    ledger: Ledger, clock: SetClock, chunk: Claim, way: str
) -> None:
    """A lease that ran out but was not taken back is still a lease: work is not thrown away for nothing."""
    clock.seconds += 600
    WAYS[way](ledger, chunk)


def test_finish_again_changes_nothing(ledger: Ledger, chunk: Claim) -> None:
    story.finish(ledger, chunk)
    before = _everything(ledger)
    assert story.finish(ledger, chunk) == []
    assert _everything(ledger) == before


def test_epoch_rises_with_each_claim(ledger: Ledger, clock: SetClock, chunk: Claim) -> None:
    epochs = [chunk.epoch]
    for _ in range(2):
        clock.seconds += 61
        ledger.steps.lapse()
        epochs.append(story.claim(ledger, StepKind.SYNTHESIZE).epoch)
    assert epochs == [1, 2, 3]
    with ledger.database.read() as tx:
        highest = tx.execute(select(func.max(Step.epoch))).scalar_one()
    assert highest == 3
