"""A render that is lost from the object store is spoken again, on both ledgers and both stores."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from jobs.ids import LOCAL_TENANT
from jobs.ledger.values import ArtefactView
from jobs.migrate import upgrade
from jobs.settings import Settings
from jobs.states import JobState, StepKind
from jobs.tables import Step, Take
from tests.services.s3 import S3Account
from tests.worker.conftest import Submit
from worker.drain import Drain
from worker.workshop import Workshop

ALL = (StepKind.PLAN, StepKind.SYNTHESIZE, StepKind.MASTER, StepKind.BIND)
SPEAKING = (StepKind.PLAN, StepKind.SYNTHESIZE)
STORY = "Chapter 1\n\n" + "\n\n".join(f"The lamp of house {n} went out." for n in range(9))


EVERYWHERE = [
    "sqlite-folder",
    pytest.param("postgresql-folder", marks=pytest.mark.services),
    pytest.param("sqlite-s3", marks=pytest.mark.services),
]


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """The room's settings, on the ledger and the object store that a test names."""
    place: str = getattr(request, "param", "sqlite-folder")
    update: dict[str, Any] = {}
    if place.startswith("postgresql"):
        update["ledger"] = request.getfixturevalue("empty_postgres_url")
        upgrade(update["ledger"])
    if place.endswith("s3"):
        account: S3Account = request.getfixturevalue("s3_server")
        update |= {
            "objects": account.url,
            "s3_endpoint": account.endpoint,
            "s3_region": account.region,
            "s3_key_id": account.access_key,
            "s3_secret": account.secret_key,
            "s3_addressing": "path",
        }
    return Settings.model_validate({**settings.model_dump(), **update})


def drain(workshop: Workshop, *kinds: StepKind) -> None:
    drained = Drain(workshop, kinds or ALL)
    drained.run()
    drained.close()


def renders(workshop: Workshop, job_id: str) -> list[ArtefactView]:
    return workshop.ledger.jobs.artefacts(LOCAL_TENANT, job_id, kinds=("render",))


def count(workshop: Workshop, *conditions: Any) -> int:
    with workshop.ledger.database.read() as tx:
        return int(tx.execute(select(func.count()).select_from(Step).where(*conditions)).scalar_one())


@pytest.mark.parametrize("settings", EVERYWHERE, indirect=True)
def test_lost_renders_are_spoken_again_and_the_book_is_whole(workshop: Workshop, submit: Submit) -> None:
    job_id = submit(STORY)
    drain(workshop, *SPEAKING)
    missing, corrupt, whole = renders(workshop, job_id)
    workshop.objects.delete(missing.key)
    workshop.objects.put(corrupt.key, b"rot", media_type=corrupt.media_type)
    untouched = workshop.objects.head(whole.key)
    drain(workshop)
    job = workshop.ledger.jobs.get(LOCAL_TENANT, job_id)
    assert job.state == JobState.SUCCEEDED, job.error
    assert job.n_utterances_done == job.n_utterances == 10
    for render in (missing, corrupt):  # of a repeatable voice the same sound, so the same file
        workshop.objects.get(render.key, sha256=render.sha256)
    assert workshop.objects.head(whole.key) == untouched
    assert count(workshop, Step.kind == StepKind.SYNTHESIZE) == 3 + 2
    (event,) = [
        event for event in workshop.ledger.jobs.events(LOCAL_TENANT, job_id) if event.kind == "step.blocked"
    ]
    assert (event.detail["reason"], event.detail["utterances"]) == ("takes lost", 8)


def test_a_take_another_chapter_found_lost_is_found_lost_too(workshop: Workshop, submit: Submit) -> None:
    """Two books share their sentences: the first to be mastered drops takes that the second wants."""
    first = submit(STORY)
    drain(workshop, *SPEAKING)
    second = submit(STORY, title="A Second Edition")
    drain(workshop, *SPEAKING)
    with workshop.ledger.database.read() as tx:
        digests = list(tx.execute(select(Take.digest)).scalars())
    workshop.ledger.takes.forget(LOCAL_TENANT, digests[:3])
    drain(workshop)
    for job_id in (first, second):
        job = workshop.ledger.jobs.get(LOCAL_TENANT, job_id)
        assert job.state == JobState.SUCCEEDED, job.error
        assert job.n_utterances_done == 10


def test_a_store_that_loses_every_render_fails_the_job_in_the_end(workshop: Workshop, submit: Submit) -> None:
    job_id = submit(STORY)
    for _ in range(10):
        drain(workshop, *SPEAKING)
        for render in renders(workshop, job_id):
            workshop.objects.delete(render.key)
        drain(workshop, StepKind.MASTER)
        if (job := workshop.ledger.jobs.get(LOCAL_TENANT, job_id)).state == JobState.FAILED:
            break
    assert job.error is not None
    assert job.error["message"] == (
        "LostTakeError: chapter 1: takes are lost again and again, 10 now: look at the object store"
    )
    assert count(workshop, Step.kind == StepKind.SYNTHESIZE) == 3 + 2 * 3
    workshop.ledger.jobs.retry(LOCAL_TENANT, job_id)  # the operator has looked
    drain(workshop)
    assert workshop.ledger.jobs.get(LOCAL_TENANT, job_id).state == JobState.SUCCEEDED
