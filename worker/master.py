"""The master step: a chapter's takes become its track, and the track one file for each format asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from book.encode import DELIVERIES, Format
from book.errors import MasteringError
from book.master import Mastered, parts
from book.master import master as master_part
from book.profiles import profile_named
from book.tags import Tags
from book.track import Cue, Spoken, join
from jobs.ledger.values import Claim, FoundTake, Stored
from jobs.messages import Knock
from jobs.specs import NarrationSpec
from jobs.states import StepKind
from models_store.scripts import Script, thaw
from speech.units import SAMPLE_RATE
from worker.errors import LostTakeError
from worker.files import store
from worker.manifests import tell_doubts, tell_file
from worker.mend import mend, takes_of
from worker.renders import RenderReader
from worker.tagging import book_tags, chapter_file_name
from worker.workshop import Workshop


def master(workshop: Workshop, claim: Claim) -> list[Knock]:
    """Does the step; returns the knocks now due.

    Where takes are lost it is not done: they are spoken again first.

    Raises:
        MasteringError: the chapter cannot meet its profile; the message says where and by how much.
        LostTakeError: takes are lost again and again.
    """
    spec = NarrationSpec.model_validate(claim.spec)
    chapters = workshop.insist(lambda: workshop.ledger.jobs.chapters(claim.tenant_id, claim.job_id))
    chapter = next(chapter for chapter in chapters if chapter.index == claim.chapter_index)
    plan = workshop.insist(lambda: workshop.ledger.jobs.results(claim.job_id, StepKind.PLAN))[0]
    script = thaw(workshop.objects.get(chapter.script_key, sha256=chapter.script_sha256))
    takes = takes_of(workshop, claim, script)
    with workshop.scratch() as folder:
        track = folder / "track.flac"
        try:
            cues = join(_spoken(workshop, script, takes, folder), sample_rate=SAMPLE_RATE, path=track)
            tags = book_tags(workshop, plan, title=chapter.title, number=chapter.index, total=len(chapters))
            files = [
                delivered
                for wanted in spec.formats
                for delivered in _deliver(workshop, claim, spec, Format(wanted), track, cues, tags, folder)
            ]
        except MasteringError as error:
            raise MasteringError(f"chapter {chapter.index} ({chapter.title}): {error}") from error
        except LostTakeError:
            return mend(workshop, claim, script)
    said = store(
        workshop.objects,
        json.dumps([[cue.start_seconds, cue.end_seconds, cue.text] for cue in cues]).encode(),
        folder=f"t/{claim.tenant_id}/jobs/{claim.job_id}",
        kind="script",
        media_type="application/json",
        suffix=".json",
    )
    return workshop.insist(
        lambda: workshop.ledger.steps.finish(
            claim,
            artefacts=[said, *(file.stored for file in files)],
            audio_seconds=sum(
                file.mastered.duration_seconds for file in files if file.mastered.format == spec.formats[0]
            ),
            result={
                "doubtful": tell_doubts(chapter.index, script, takes),
                "cues": {"key": said.key, "sha256": said.sha256},
                "files": [file.as_json() for file in files],
            },
        )
    )


@dataclass(frozen=True, slots=True)
class Delivered:
    """One file of a chapter, mastered and stored."""

    mastered: Mastered
    stored: Stored
    first_cue: int
    n_cues: int
    """The utterances heard in it."""
    shift_seconds: float
    """What their times in the track are shifted by."""

    def as_json(self) -> dict[str, Any]:
        """What the bind step must know of it."""
        return {
            "key": self.stored.key,
            "sha256": self.stored.sha256,
            "first_cue": self.first_cue,
            "n_cues": self.n_cues,
            "shift_seconds": self.shift_seconds,
            "file": tell_file(self.mastered, self.stored.name),
        }


def _spoken(
    workshop: Workshop, script: Script, takes: Mapping[str, FoundTake], folder: Path
) -> Iterator[Spoken]:
    """The sound of every take of the chapter, in order."""
    if absent := [key for key in script.keys if key not in takes]:
        raise LostTakeError(f"{len(absent)} takes have no row")
    samples = RenderReader(workshop.objects, folder).read(takes[key] for key in script.keys)
    for utterance, sound in zip(script.utterances, samples, strict=True):
        workshop.watch.check()
        yield Spoken(sound, utterance.boundary.value, utterance.text)


def _deliver(
    workshop: Workshop,
    claim: Claim,
    spec: NarrationSpec,
    wanted: Format,
    track: Path,
    cues: tuple[Cue, ...],
    tags: Tags,
    folder: Path,
) -> Iterator[Delivered]:
    """The chapter's files in one format: one, or several where the profile limits the length of a file."""
    profile = profile_named(spec.profile)
    divided = parts(cues, profile=profile, format=wanted)
    delivery = DELIVERIES[wanted]
    first_cue = 0
    for number, part in enumerate(divided, start=1):
        workshop.watch.check()
        path = folder / f"{wanted}-{number}{delivery.suffix}"
        mastered = master_part(track, profile=profile, format=wanted, path=path, tags=tags, part=part)
        stored = store(
            workshop.objects,
            path,
            folder=f"t/{claim.tenant_id}/jobs/{claim.job_id}",
            kind="chapter",
            media_type=delivery.media_type,
            name=chapter_file_name(
                tags.number, tags.total, tags.title, delivery.suffix, part=number if len(divided) > 1 else 0
            ),
            chapter_index=claim.chapter_index,
        )
        path.unlink()
        shift = mastered.sound_starts_seconds - part.start_seconds
        yield Delivered(mastered, stored, first_cue, len(part.cues), shift)
        first_cue += len(part.cues)
