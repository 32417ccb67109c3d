"""A chunk in a worker's hands: what is known of its takes, and the end it comes to.

Finished, failed with every utterance that was refused, or given back: what was spoken is stored and recorded
in each case, and is not spoken again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from jobs.errors import LeaseLostError
from jobs.ledger.values import Claim, StepError
from jobs.messages import Knock
from models_store.scripts import Script
from speech.units import SAMPLE_RATE
from speech.voice import Take
from worker.about import about_step
from worker.renders import Render, store_render
from worker.workshop import Workshop

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Chunk:
    """A claimed chunk and what has been spoken of it."""

    claim: Claim
    script: Script
    known: dict[str, int]
    """Digest -> samples of the takes that are stored."""
    spoken: dict[str, Take] = field(default_factory=dict)
    """Digest -> the takes that are not stored yet."""
    refused: dict[int, StepError] = field(default_factory=dict)
    """Utterance index -> why it cannot be spoken."""
    is_closed: bool = False
    """Finished, failed, given back or lost: nothing more is to be done for it."""

    @property
    def indexes(self) -> range:
        """The utterances of the chunk."""
        first = self.claim.first_utterance or 0
        return range(first, first + (self.claim.n_utterances or 0))

    @property
    def missing(self) -> list[int]:
        """The utterances still to be spoken."""
        return [
            index
            for index in self.indexes
            if index not in self.refused
            and self.script.keys[index] not in self.known
            and self.script.keys[index] not in self.spoken
        ]

    @property
    def audio_seconds(self) -> float:
        """The sound of all its takes."""
        lengths = self.known | {key: take.samples.size for key, take in self.spoken.items()}
        return sum(lengths.get(self.script.keys[index], 0) for index in self.indexes) / SAMPLE_RATE


def open_chunk(workshop: Workshop, claim: Claim, script: Script | None = None) -> Chunk:
    """The chunk with the takes the ledger knows of already."""
    script = script or workshop.script_of(claim)
    first = claim.first_utterance or 0
    keys = script.keys[first : first + (claim.n_utterances or 0)]
    found = workshop.insist(lambda: workshop.ledger.takes.find(claim.tenant_id, keys))
    return Chunk(claim, script, {key: take.n_samples for key, take in found.items()})


def keep_spoken(workshop: Workshop, chunk: Chunk) -> None:
    """Stores and records what was spoken of a chunk that goes on, or back.

    Raises:
        LeaseLostError: the step is no longer this claim's.
    """
    render = _store_spoken(workshop, chunk)
    if render is None:
        return
    workshop.insist(
        lambda: workshop.ledger.steps.keep(chunk.claim, artefacts=[render.artefact], takes=render.takes)
    )
    chunk.known |= {key: take.samples.size for key, take in chunk.spoken.items()}
    chunk.spoken.clear()


def _store_spoken(workshop: Workshop, chunk: Chunk) -> Render | None:
    """The render of what was spoken and is not stored yet; None if nothing was."""
    if not chunk.spoken:
        return None
    with workshop.scratch() as folder:
        return store_render(workshop.objects, chunk.claim.tenant_id, chunk.spoken.values(), folder)


def close_chunk(workshop: Workshop, chunk: Chunk) -> None:
    """Stores what was spoken and ends the step: finished, or failed with every utterance that was refused."""
    with about_step(chunk.claim):
        _close(workshop, chunk)


def _close(workshop: Workshop, chunk: Chunk) -> None:
    render = _store_spoken(workshop, chunk)
    try:
        knocks = workshop.insist(lambda: _record(workshop, chunk, render))
    except LeaseLostError:
        log.warning("the step was lost: its result is dropped")
        return
    finally:
        chunk.is_closed = True
        workshop.watch.drop(chunk.claim)
    done = "done" if not chunk.refused else f"done but for {len(chunk.refused)} of its utterances"
    log.info("the step is %s", done, extra={"count": len(chunk.indexes)})
    workshop.doorbell.ring(knocks)


def _record(workshop: Workshop, chunk: Chunk, render: Render | None) -> list[Knock]:
    steps = workshop.ledger.steps
    artefacts = [render.artefact] if render else []
    takes = render.takes if render else ()
    if not chunk.refused:
        return steps.finish(chunk.claim, artefacts=artefacts, takes=takes, audio_seconds=chunk.audio_seconds)
    if render:
        steps.keep(chunk.claim, artefacts=artefacts, takes=takes)
    first, *others = (chunk.refused[index] for index in sorted(chunk.refused))
    return steps.fail(chunk.claim, first.with_others(others))


def lay_aside(workshop: Workshop, chunk: Chunk) -> bool:
    """Keeps what was spoken of a chunk that this worker will go on with; False if it is no longer ours."""
    try:
        keep_spoken(workshop, chunk)
    except LeaseLostError:
        workshop.watch.drop(chunk.claim)
        return False
    return True


def return_chunk(workshop: Workshop, chunk: Chunk) -> None:
    """Keeps what was spoken of the chunk and gives it back unharmed."""
    chunk.is_closed = True
    with about_step(chunk.claim):
        _return(workshop, chunk)


def _return(workshop: Workshop, chunk: Chunk) -> None:
    claim = chunk.claim
    try:
        if not workshop.watch.is_lost(claim):
            keep_spoken(workshop, chunk)
        reason = "the window closed" if workshop.watch.is_over(claim) else "the worker stops"
        workshop.insist(lambda: workshop.ledger.steps.release(claim, reason=reason))
    except LeaseLostError:
        log.info("the step was lost before it could be given back")
    finally:
        workshop.watch.drop(claim)
