"""The bind step: the chapters' files become the book's: an m4b, zips, subtitles and the manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from book.bind import Bound, Member, bind_m4b, bind_zip
from book.encode import Format
from book.manifest import BookFile
from book.subtitles import shifted, srt, vtt
from book.track import Cue
from jobs.ledger.values import ChapterView, Claim, Stored
from jobs.messages import Knock
from jobs.specs import NarrationSpec
from jobs.states import StepKind
from worker.files import store
from worker.manifests import write_manifest
from worker.tagging import book_tags, file_title
from worker.workshop import Workshop

SUBTITLES = {".srt": (srt, "application/x-subrip"), ".vtt": (vtt, "text/vtt")}


@dataclass(frozen=True, slots=True)
class ChapterFile:
    """One delivered file of a chapter, and what is heard in it."""

    chapter: ChapterView
    delivered: dict[str, Any]
    """What the master step told of it."""
    cues: tuple[Cue, ...]
    """Counted from the start of the file."""

    @property
    def format(self) -> Format:
        """What it is encoded in."""
        return Format(self.delivered["file"]["format"])


def bind(workshop: Workshop, claim: Claim) -> list[Knock]:
    """Does the step; returns the knocks now due."""
    spec = NarrationSpec.model_validate(claim.spec)
    ledger = workshop.ledger
    chapters = workshop.insist(lambda: ledger.jobs.chapters(claim.tenant_id, claim.job_id))
    plan = workshop.insist(lambda: ledger.jobs.results(claim.job_id, StepKind.PLAN))[0]
    masters = workshop.insist(lambda: ledger.jobs.results(claim.job_id, StepKind.MASTER))
    files = [file for chapter in chapters for file in _files(workshop, chapter, masters[chapter.index])]
    title = file_title(plan["title"])
    with workshop.scratch() as folder:
        artefacts: list[Stored] = []
        books: list[tuple[Stored, float]] = []
        for wanted in map(Format, spec.formats):
            of_format = [file for file in files if file.format is wanted]
            if wanted is Format.M4B:
                book, seconds, subtitles = _bind_m4b(workshop, claim, plan, of_format, title, folder)
                artefacts += subtitles
            else:
                book, seconds = _bind_zip(workshop, claim, of_format, title, folder)
            books.append((book, seconds))
        manifest = write_manifest(
            plan,
            chapters,
            [(file.chapter.index, file.delivered["file"]) for file in files],
            [BookFile(book.name, seconds, book.n_bytes, book.sha256) for book, seconds in books],
            [told for chapter in chapters for told in masters[chapter.index].get("doubtful", [])],
            spec,
        )
        artefacts.append(_store(workshop, claim, manifest, "manifest.json", "application/json"))
        artefacts = [*(book for book, _ in books), *artefacts]
    return workshop.insist(lambda: ledger.steps.finish(claim, artefacts=artefacts))


def _files(workshop: Workshop, chapter: ChapterView, told: dict[str, Any]) -> Iterator[ChapterFile]:
    said = json.loads(workshop.objects.get(told["cues"]["key"], sha256=told["cues"]["sha256"]))
    cues = [Cue(start, end, text) for start, end, text in said]
    for delivered in told["files"]:
        first, n_cues = delivered["first_cue"], delivered["n_cues"]
        heard = shifted(cues[first : first + n_cues], delivered["shift_seconds"])
        yield ChapterFile(chapter, delivered, heard)


def _fetch(workshop: Workshop, file: ChapterFile, folder: Path) -> Path:
    workshop.watch.check()
    path = folder / Path(file.delivered["key"]).name
    if not path.exists():
        workshop.objects.fetch(file.delivered["key"], path, sha256=file.delivered["sha256"])
    return path


def _bind_m4b(
    workshop: Workshop,
    claim: Claim,
    plan: dict[str, Any],
    files: Sequence[ChapterFile],
    title: str,
    folder: Path,
) -> tuple[Stored, float, list[Stored]]:
    """The bound book, its seconds, and its subtitles."""
    bound = bind_m4b(
        [Bound(file.chapter.title, _fetch(workshop, file, folder)) for file in files],
        tags=book_tags(workshop, plan, title=plan["title"]),
        path=folder / "book.m4b",
    )
    book = _store(workshop, claim, bound.path, f"{title}.m4b", "audio/mp4")
    cues = [
        cue
        for file, start in zip(files, bound.starts_seconds, strict=True)
        for cue in shifted(file.cues, start)
    ]
    subtitles = [
        _store(workshop, claim, write(cues).encode(), f"{title}{suffix}", media_type)
        for suffix, (write, media_type) in SUBTITLES.items()
    ]
    return book, bound.duration_seconds, subtitles


def _bind_zip(
    workshop: Workshop, claim: Claim, files: Sequence[ChapterFile], title: str, folder: Path
) -> tuple[Stored, float]:
    """One file for each chapter, each with its subtitles beside it; and the seconds of all."""

    def members() -> Iterator[Member]:
        for file in files:
            name = file.delivered["file"]["name"]
            yield Member(name, _fetch(workshop, file, folder))
            for suffix, (write, _) in SUBTITLES.items():
                yield Member(str(Path(name).with_suffix(suffix)), write(file.cues).encode())

    wanted = files[0].format
    path = folder / f"{wanted}.zip"
    bind_zip(members(), path=path)
    seconds = sum(file.delivered["file"]["duration_seconds"] for file in files)
    return _store(workshop, claim, path, f"{title} ({wanted}).zip", "application/zip"), seconds


def _store(workshop: Workshop, claim: Claim, source: Path | bytes, name: str, media_type: str) -> Stored:
    return store(
        workshop.objects,
        source,
        folder=f"t/{claim.tenant_id}/jobs/{claim.job_id}",
        kind="book",
        media_type=media_type,
        name=name,
        suffix=Path(name).suffix,
    )
