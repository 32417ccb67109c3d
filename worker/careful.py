"""A chunk that a worker was lost with: spoken one utterance at a time, each noted before and kept after.

So a second crash names its suspect, and everything spoken before it is safe. An utterance that has been in
hand at `CRASHES_ALONE` such crashes is not tried again: with the first one, where it had company, that makes
three attempts. One over which the voice stumbles with an error of ours (too much memory, say) has its
attempts here, one after the other. The step then fails and says which utterance and why; its neighbours are
done. A voice that stumbles over two utterances of a chunk is itself at fault, and the error goes on.
"""

from __future__ import annotations

import logging

from jobs.errors import LeaseLostError
from jobs.ledger.lapses import CRASHES_ALONE
from jobs.ledger.values import Claim, StepError
from speech.errors import BadTakeError, UnreadableTextError
from speech.voice import Take, Voice
from worker.chunks import Chunk, close_chunk, keep_spoken, open_chunk, return_chunk
from worker.errors import describe
from worker.pulse import heard_by
from worker.workshop import Workshop

log = logging.getLogger(__name__)


def synthesize_carefully(workshop: Workshop, voice: Voice, claim: Claim) -> None:
    """Does the step; on a stop, or when its window closes, gives it back with what is spoken so far."""
    chunk = open_chunk(workshop, claim)
    try:
        with workshop.watch.progress() as got_further, heard_by(voice, got_further):
            for index in chunk.missing:
                if workshop.watch.stopping or workshop.watch.is_over(claim):
                    return_chunk(workshop, chunk)
                    return
                if claim.suspects.get(index, 0) >= CRASHES_ALONE:
                    chunk.refused[index] = _crashed(chunk, index)
                elif index in chunk.missing:  # not spoken meanwhile as an equal sentence
                    _speak(workshop, voice, chunk, index)
                got_further()
    except LeaseLostError:
        workshop.watch.drop(claim)
        return
    close_chunk(workshop, chunk)


def _speak(workshop: Workshop, voice: Voice, chunk: Chunk, index: int) -> None:
    claim, steps = chunk.claim, workshop.ledger.steps
    workshop.insist(lambda: steps.hold(claim, index))
    take = _try(voice, chunk, index)
    workshop.insist(lambda: steps.hold(claim, None))  # what follows is not the utterance's fault
    if take is not None:
        chunk.spoken[take.key] = take
        keep_spoken(workshop, chunk)


def _try(voice: Voice, chunk: Chunk, index: int) -> Take | None:
    """The utterance's take; None once it is refused: by the voice, or by an error at each of its attempts.

    Raises what the voice raises if it has stumbled over another utterance of the chunk before.
    """
    place = chunk.claim.chapter_index
    for attempt in range(1, CRASHES_ALONE + 1):
        try:
            (take,) = voice.speak(iter([chunk.script.request(index)]))
        except (UnreadableTextError, BadTakeError) as error:
            chunk.refused[index] = describe(error, chapter_index=place, utterance_index=index)
            return None
        except Exception as error:
            if any(other != index and refusal.code == "stumble" for other, refusal in chunk.refused.items()):
                raise
            log.exception("the voice stumbled over utterance %d, alone, for the %d. time", index + 1, attempt)
            chunk.refused[index] = _stumbled(chunk, index, error)
        else:
            chunk.refused.pop(index, None)
            return take
    return None


def _stumbled(chunk: Chunk, index: int, error: Exception) -> StepError:
    chapter = chunk.claim.chapter_index
    said = " ".join(str(error).split())
    return StepError(
        "stumble",
        f"chapter {chapter}, utterance {index + 1} failed at each of {CRASHES_ALONE + 1} attempts: "
        f"{_shown(chunk, index)}: {type(error).__name__}: {said}",
        chapter,
        index,
    )


def _crashed(chunk: Chunk, index: int) -> StepError:
    return StepError(
        "crash",
        f"chapter {chunk.claim.chapter_index}, utterance {index + 1} ended the worker at each of "
        f"{CRASHES_ALONE + 1} attempts: {_shown(chunk, index)}",
        chunk.claim.chapter_index,
        index,
    )


def _shown(chunk: Chunk, index: int) -> str:
    text = " ".join(chunk.script.utterances[index].text.split())
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
