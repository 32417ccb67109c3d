"""A workshop on a real ledger and a real folder of objects, and books for it to read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from jobs.ledger.values import Stored
from jobs.migrate import upgrade
from jobs.settings import Settings
from jobs.specs import NarrationRequest, Source
from jobs.states import JobKind
from worker.lease import Watch
from worker.workshop import Workshop, open_workshop

Submit = Callable[..., str]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Short leases, small chunks, the stub voice."""
    return Settings(
        home=tmp_path, stub_voice=True, chunk_utterances=4, lease_seconds=5, renew_seconds=1, hang_seconds=30
    )


@pytest.fixture
def workshop(settings: Settings) -> Iterator[Workshop]:
    """The workshop of this very process."""
    upgrade(settings.ledger_url)
    opened = open_workshop(settings)
    yield opened
    left = opened.watch.in_hand()
    for claim in left:  # or the watch would give them back and then end this process, as it should a worker's
        opened.watch.drop(claim)
    opened.watch.stop()
    opened.voices.close()
    opened.ledger.close()
    assert left == [], "work ended with claims under watch"


@contextmanager
def hastened(workshop: Workshop, look_seconds: float) -> Iterator[Workshop]:
    """The same workshop, where time flies: so many seconds whenever somebody looks at the watch's clock."""
    looks = count()
    watch = Watch(workshop.ledger, workshop.settings, clock=lambda: next(looks) * look_seconds)
    yield replace(workshop, watch=watch)
    left = watch.in_hand()
    for claim in left:
        watch.drop(claim)
    watch.stop()
    assert left == [], "work ended with claims under watch"


@pytest.fixture
def submit(workshop: Workshop) -> Submit:
    """Submits a text, or a file of another name; returns the job's id."""

    def submit_text(text: str, *, name: str = "book.txt", **asked: Any) -> str:
        content = text.encode()
        digest = hashlib.sha256(content).hexdigest()
        tenant = workshop.ledger.keys.local().tenant_id
        key = f"t/{tenant}/sources/{digest}"
        workshop.objects.put(key, content, media_type="text/plain")
        spec = NarrationRequest(**{"voice": "stub", "profile": "none", "formats": ("wav",), **asked}).narrate(
            Source(key=key, sha256=digest, n_bytes=len(content), name=name)
        )
        return workshop.ledger.jobs.submit(
            tenant,
            JobKind.NARRATION,
            spec.model_dump(mode="json"),
            source=Stored("source", key, digest, len(content), "text/plain"),
        ).job_id

    return submit_text
