"""Small jobs for the tests: Alice's books, planned, claimed and finished by name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from jobs.ledger import Ledger
from jobs.ledger.values import Claim, PlannedChapter, Stored, Submitted, TakeRange
from jobs.states import JobKind, StepKind

WEIGHTS: Final = "a" * 64
OTHER_WEIGHTS: Final = "b" * 64
ALL_KINDS: Final = tuple(StepKind)
LEASE: Final = 60.0


def tenant(ledger: Ledger, name: str = "alice") -> str:
    """The id of the tenant of this name."""
    return ledger.keys.create_tenant(name)


def submit(ledger: Ledger, tenant_id: str, *, spec: dict[str, Any] | None = None, **more: Any) -> Submitted:
    """A narration."""
    return ledger.jobs.submit(tenant_id, JobKind.NARRATION, spec or {"voice": "draft"}, **more)


def stored(key: str, kind: Any = "render", **more: Any) -> Stored:
    """A file that lies in the object store."""
    sha256 = hashlib.sha256(key.encode()).hexdigest()
    return Stored(kind=kind, key=key, sha256=sha256, n_bytes=100, media_type="audio/flac", **more)


def planned(job_id: str, lengths: Sequence[int]) -> list[PlannedChapter]:
    """Chapters of so many utterances each, of ten characters each."""
    return [
        PlannedChapter(f"Chapter {index}", n * 10, n, stored(f"{job_id}/script/{index}", "script"))
        for index, n in enumerate(lengths, start=1)
    ]


def claim(ledger: Ledger, *kinds: StepKind, owner: str = "worker", lease_seconds: float = LEASE) -> Claim:
    """The one step that is first in line."""
    (claimed,) = ledger.steps.claim(kinds or ALL_KINDS, owner=owner, lease_seconds=lease_seconds)
    return claimed


def plan(ledger: Ledger, lengths: Sequence[int] = (2, 1), *, chunk: int = 1, weights: str = WEIGHTS) -> Claim:
    """Claims a plan step and finishes it."""
    claimed = claim(ledger, StepKind.PLAN)
    ledger.steps.plan(
        claimed,
        title="A Book",
        chapters=planned(claimed.job_id, lengths),
        weights_digest=weights,
        chunk_utterances=chunk,
    )
    return claimed


def takes_of(claimed: Claim, render_key: str) -> list[TakeRange]:
    """One take for each utterance of the chunk, one second long."""
    first = claimed.first_utterance or 0
    return [
        TakeRange(digest_of(claimed, index), render_key, place * 32_000, 32_000)
        for place, index in enumerate(range(first, first + (claimed.n_utterances or 0)))
    ]


def digest_of(claimed: Claim, index: int) -> str:
    """The digest of this utterance of the claim's chapter."""
    return digest(claimed.job_id, claimed.chapter_index, index)


def digest(job_id: str, chapter_index: int | None, index: int) -> str:
    """The digest of this utterance."""
    return hashlib.sha256(f"{job_id}/{chapter_index}/{index}".encode()).hexdigest()


def finish(ledger: Ledger, claimed: Claim) -> list[Any]:
    """Finishes a claimed step as its worker would."""
    if claimed.kind == StepKind.SYNTHESIZE:
        key = f"{claimed.job_id}/render/{claimed.step_id}/{claimed.epoch}"
        return ledger.steps.finish(
            claimed,
            artefacts=[stored(key)],
            takes=takes_of(claimed, key),
            audio_seconds=float(claimed.n_utterances or 0),
        )
    if claimed.kind == StepKind.MASTER:
        name = f"{claimed.chapter_index:03d}.flac"
        file = stored(
            f"{claimed.job_id}/chapter/{name}", "chapter", name=name, chapter_index=claimed.chapter_index
        )
        return ledger.steps.finish(claimed, artefacts=[file], audio_seconds=1.5)
    if claimed.kind == StepKind.BIND:
        return ledger.steps.finish(
            claimed, artefacts=[stored(f"{claimed.job_id}/book.m4b", "book", name="book.m4b")]
        )
    raise ValueError(claimed.kind)


def drain(ledger: Ledger, *, owner: str = "worker") -> int:
    """Does every due step except plans, and returns how many there were."""
    n_done = 0
    kinds = [kind for kind in StepKind if kind is not StepKind.PLAN]
    while claims := ledger.steps.claim(kinds, owner=owner, lease_seconds=LEASE, most=4):
        for claimed in claims:
            finish(ledger, claimed)
            n_done += 1
    return n_done
