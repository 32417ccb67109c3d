"""What a master does about takes that are lost: they are spoken again, and it waits.

A render may vanish or rot in the object store after its chunk has succeeded, and one chapter's mend may drop
takes that another chapter shares. Nobody looks for that in advance; the first to notice is who needs them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from jobs.ledger.values import Claim, FoundTake
from jobs.messages import Knock
from jobs.objects import CorruptObjectError, ObjectMissingError
from models_store.scripts import Script
from speech.units import SAMPLE_RATE
from worker.errors import LostTakeError
from worker.workshop import Workshop

log = logging.getLogger(__name__)


def takes_of(workshop: Workshop, claim: Claim, script: Script) -> dict[str, FoundTake]:
    """Digest -> the takes of the chapter that the ledger knows of."""
    return workshop.insist(lambda: workshop.ledger.takes.find(claim.tenant_id, set(script.keys)))


def mend(workshop: Workshop, claim: Claim, script: Script) -> list[Knock]:
    """Looks at every render of the chapter and has spoken again what is lost; returns the knocks now due.

    Raises:
        LostTakeError: the step has no attempt left; or what was lost is there again.
        LeaseLostError: the step is no longer this claim's.
    """
    takes = takes_of(workshop, claim, script)
    unreadable = _unreadable(workshop, takes.values())
    dropped = [take for take in takes.values() if take.render_key in unreadable]
    kept = {key: take for key, take in takes.items() if take.render_key not in unreadable}
    lost = [index for index, key in enumerate(script.keys) if key not in kept]
    if not lost:
        raise LostTakeError(f"chapter {claim.chapter_index}: a take was lost, and is there again")
    log.warning("%d takes are lost with %d renders: they are made again", len(lost), len(unreadable))
    knocks = workshop.insist(
        lambda: workshop.ledger.steps.mend(
            claim,
            lost=lost,
            drop=dropped,
            kept_seconds=sum(kept[key].n_samples for key in script.keys if key in kept) / SAMPLE_RATE,
            chunk_utterances=workshop.settings.chunk_utterances,
        )
    )
    if knocks is None:
        raise LostTakeError(
            f"chapter {claim.chapter_index}: takes are lost again and again, {len(lost)} now: "
            "look at the object store"
        )
    return knocks


def _unreadable(workshop: Workshop, takes: Iterable[FoundTake]) -> frozenset[str]:
    """The renders that are missing or corrupt."""
    found = set()
    with workshop.scratch() as folder:
        for key, sha256 in sorted({(take.render_key, take.render_sha256) for take in takes}):
            workshop.watch.check()
            try:
                workshop.objects.fetch(key, folder / "render.flac", sha256=sha256)
            except (ObjectMissingError, CorruptObjectError) as error:
                log.warning("a render is lost: %s: %s", key, error)
                found.add(key)
    return frozenset(found)
