"""A window that closes while chunks are in hand: nothing more is begun, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from jobs.ledger.keys import LOCAL_TENANT
from jobs.ledger.values import EventView
from jobs.settings import Settings
from jobs.states import JobState, StepKind
from jobs.tables import Step
from tests.worker.conftest import Submit, hastened
from worker.drain import Drain
from worker.sweep import sweep
from worker.workshop import Workshop

STORY = "\n\n".join(f"The lamp of house {number} went out." for number in range(20))
A_LOOK = 1_000.0
"""The watch's clock moves on so many seconds whenever somebody looks at it."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"window": "00:00-24:00 UTC", "chunk_utterances": 8})


@pytest.fixture
def hasty(workshop: Workshop) -> Iterator[Workshop]:
    with hastened(workshop, A_LOOK) as fast:
        yield fast


def drain(workshop: Workshop, *kinds: StepKind) -> None:
    drained = Drain(workshop, kinds)
    drained.run()
    drained.close()


def events(workshop: Workshop, job_id: str) -> list[EventView]:
    return workshop.ledger.jobs.events(LOCAL_TENANT, job_id)


def close_after(workshop: Workshop, seconds: float) -> None:
    """Has the window of all chunks close so long from now."""
    with workshop.ledger.database.write() as tx:
        closing = workshop.ledger.database.clock.now() + seconds
        tx.execute(update(Step).where(Step.closes_at.is_not(None)).values(closes_at=closing))


@pytest.mark.parametrize("careful", [False, True])
def test_chunks_go_back_when_their_window_closes_and_others_go_on(
    hasty: Workshop, submit: Submit, careful: bool
) -> None:
    night = submit(STORY, when="off-peak")
    drain(hasty, StepKind.PLAN)
    close_after(hasty, 7 * A_LOOK)  # after so many looks, which are fewer than there are utterances
    if careful:  # an earlier worker vanished with these chunks in hand
        hasty.ledger.steps.claim([StepKind.SYNTHESIZE], owner="gone", lease_seconds=60, most=9)
        hasty.ledger.steps.lapse(owner="gone")
    day = submit(STORY.replace("lamp", "light"))
    drain(hasty, StepKind.PLAN)
    drain(hasty, StepKind.SYNTHESIZE)  # the window is open by the database's clock: they are claimed again
    reasons: dict[str, set[Any]] = {
        job_id: {event.detail.get("reason") for event in events(hasty, job_id) if event.kind == "step.ready"}
        for job_id in (night, day)
    }
    assert "the window closed" in reasons[night]
    assert reasons[day] == {None}  # its master: no chunk of it ever came back
    attempts = [event.detail["attempt"] for event in events(hasty, night) if event.kind == "step.leased"]
    assert max(attempts) == (2 if careful else 1)  # to give back costs none
    for job_id in (night, day):
        job = hasty.ledger.jobs.get(LOCAL_TENANT, job_id)
        assert job.n_utterances_done == job.n_utterances == 20
    renders = hasty.ledger.jobs.artefacts(LOCAL_TENANT, night, kinds=("render",))
    drain(hasty, StepKind.MASTER, StepKind.BIND)
    assert hasty.ledger.jobs.get(LOCAL_TENANT, night).state == JobState.SUCCEEDED
    assert len(renders) > 3  # of three chunks: what was spoken was kept each time


def test_the_sweep_gives_what_went_back_the_next_opening(workshop: Workshop, submit: Submit) -> None:
    job_id = submit(STORY, when="off-peak")
    drain(workshop, StepKind.PLAN)
    close_after(workshop, -1)
    drain(workshop, StepKind.SYNTHESIZE)
    assert workshop.ledger.jobs.get(LOCAL_TENANT, job_id).n_utterances_done == 0
    sweep(workshop.ledger, workshop.objects, lambda _knocks: None)
    assert [event.kind for event in events(workshop, job_id)].count("window.set") == 2
    drain(workshop, StepKind.SYNTHESIZE, StepKind.MASTER, StepKind.BIND)
    assert workshop.ledger.jobs.get(LOCAL_TENANT, job_id).state == JobState.SUCCEEDED
