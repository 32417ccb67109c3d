"""The very query of scaler.yaml, on a real ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from jobs.ledger.keys import LOCAL_TENANT
from jobs.ledger.values import Claim, Stored
from jobs.migrate import upgrade
from jobs.settings import Settings
from jobs.specs import NarrationRequest, Source
from jobs.states import JobKind, StepKind
from tests.docker.files import DOCKER, read_yaml
from worker.drain import Drain
from worker.workshop import Workshop, open_workshop

(SCALED,) = [
    thing for thing in read_yaml(DOCKER / "kubernetes" / "scaler.yaml") if thing["kind"] == "ScaledObject"
]
QUERY = SCALED["spec"]["triggers"][0]["metadata"]["query"]
TEXT = "\n\n".join(f"The lamp of house {number} went out." for number in range(10))


@pytest.fixture
def workshop(tmp_path: Path, empty_postgres_url: str) -> Iterator[Workshop]:
    """A workshop whose ledger is PostgreSQL's; a chunk is four utterances."""
    upgrade(empty_postgres_url)
    opened = open_workshop(
        Settings(home=tmp_path, ledger=empty_postgres_url, stub_voice=True, chunk_utterances=4)
    )
    yield opened
    opened.watch.stop()
    opened.ledger.close()


def submit(workshop: Workshop) -> str:
    content = TEXT.encode()
    digest = hashlib.sha256(content).hexdigest()
    tenant = workshop.ledger.keys.local().tenant_id
    key = f"t/{tenant}/sources/{digest}"
    workshop.objects.put(key, content, media_type="text/plain")
    spec = NarrationRequest(voice="stub", profile="none", formats=("wav",)).narrate(
        Source(key=key, sha256=digest, n_bytes=len(content), name="book.txt")
    )
    source = Stored("source", key, digest, len(content), "text/plain")
    return workshop.ledger.jobs.submit(
        tenant, JobKind.NARRATION, spec.model_dump(mode="json"), source=source
    ).job_id


def drain(workshop: Workshop, *kinds: StepKind) -> None:
    drained = Drain(workshop, kinds)
    drained.run()
    drained.close()


def claim(workshop: Workshop) -> Claim:
    (claimed,) = workshop.ledger.steps.claim([StepKind.SYNTHESIZE], owner="test", lease_seconds=60)
    return claimed


def backlog(workshop: Workshop) -> int:
    with psycopg.connect(workshop.settings.ledger) as connection:
        rows = connection.execute(QUERY).fetchall()
    ((utterances,),) = rows
    assert type(utterances) is int  # KEDA takes nothing else
    return utterances


def test_an_empty_ledger_needs_nobody(workshop: Workshop) -> None:
    assert backlog(workshop) == 0


def test_the_backlog_is_every_utterance_to_be_spoken(workshop: Workshop) -> None:
    for n_books in (1, 2):
        submit(workshop)
        drain(workshop, StepKind.PLAN)
        assert backlog(workshop) == 10 * n_books


def test_what_is_in_hand_still_counts_and_what_is_done_does_not(workshop: Workshop) -> None:
    submit(workshop)
    drain(workshop, StepKind.PLAN)
    claimed = claim(workshop)
    assert backlog(workshop) == 10
    workshop.ledger.steps.finish(claimed, audio_seconds=1.0)
    assert backlog(workshop) == 6
    drain(workshop, StepKind.SYNTHESIZE)
    assert backlog(workshop) == 0


def test_what_may_not_begin_yet_does_not_count(workshop: Workshop) -> None:
    job_id = submit(workshop)
    drain(workshop, StepKind.PLAN)
    workshop.ledger.steps.release(claim(workshop), reason="objects unavailable", wait_seconds=3600)
    assert backlog(workshop) == 6
    workshop.ledger.jobs.pause(LOCAL_TENANT, job_id)
    assert backlog(workshop) == 0
    workshop.ledger.jobs.resume(LOCAL_TENANT, job_id)
    assert backlog(workshop) == 6
    workshop.ledger.jobs.cancel(LOCAL_TENANT, job_id)
    assert backlog(workshop) == 0
