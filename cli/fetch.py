"""Artefacts on their way out of the object store, and the figures that were measured of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.console import count, tell
from cli.errors import CommandError
from cli.home import Home
from cli.order import SUFFIXES, Destination, Order
from jobs.ledger.values import ArtefactView, JobView
from jobs.objects import Objects
from jobs.states import JobState

MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What lies on the user's disk now."""

    paths: tuple[Path, ...] = ()
    loudness: dict[str, float] | None = None
    """Measured of the encoded chapters in the first format: the range over all of them."""
    doubtful: tuple[dict[str, Any], ...] = ()
    """The takes that somebody should listen to, as the manifest tells them."""


def fetch(home: Home, objects: Objects, job: JobView, order: Order) -> Fetched:
    """The finished book where it was wanted; of a failed job, the chapters that are done, in a folder beside.

    Raises:
        CommandError: a file cannot be written.
    """
    formats = order.narration.formats
    if job.state is JobState.SUCCEEDED:
        books = home.ledger.jobs.artefacts(home.tenant_id, job.id, kinds=("book",))
        paths = save(objects, place(books, order.destination, formats))
        manifest = _read_manifest(objects, books)
        return Fetched(paths, measured(manifest, formats[0]), tuple(manifest["doubtful_takes"]))
    chapters = home.ledger.jobs.artefacts(home.tenant_id, job.id, kinds=("chapter",))
    if not chapters:
        return Fetched()
    stem = Path(order.destination.file_name or order.book.name).stem
    folder = order.destination.folder / f"{stem} (unfinished)"
    paths = save(objects, [(chapter, folder / chapter.name) for chapter in chapters])
    tell(f"{count(len(paths), 'finished chapter file')} in {folder}")
    return Fetched(paths)


def place(
    artefacts: Sequence[ArtefactView], destination: Destination, formats: Sequence[str]
) -> list[tuple[ArtefactView, Path]]:
    """Which artefacts are wanted, and the path of each. The books themselves come first."""
    suffixes = {SUFFIXES[wanted] for wanted in formats}
    books = [artefact for artefact in artefacts if Path(artefact.name).suffix in suffixes]
    if destination.file_name is not None:
        return [(book, destination.folder / destination.file_name) for book in books[:1]]
    wanted = [(book, destination.folder / book.name) for book in books]
    if destination.everything:
        stem = Path(books[0].name).stem.removesuffix(f" ({formats[0]})") if books else "book"
        wanted += [
            (artefact, destination.folder / _beside(artefact.name, stem))
            for artefact in artefacts
            if artefact not in books
        ]
    return wanted


def _beside(name: str, stem: str) -> str:
    """The artefact's name; the manifest's says whose it is, for a folder may hold many books."""
    return f"{stem}.{name}" if name == MANIFEST else name


def save(objects: Objects, wanted: Sequence[tuple[ArtefactView, Path]]) -> tuple[Path, ...]:
    """The paths, once each artefact lies at its own."""
    for artefact, path in wanted:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            objects.fetch(artefact.key, path, sha256=artefact.sha256)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror or error}") from error
    return tuple(path for _, path in wanted)


def measured(manifest: dict[str, Any], wanted: str) -> dict[str, float] | None:
    """The range of the figures of all chapter files of one format, as the manifest gives them.

    None where nothing is loud enough to be measured.
    """
    figures = [
        file["figures"]
        for chapter in manifest["chapters"]
        for file in chapter["files"]
        if file["format"] == wanted
    ]
    lufs = [each["integrated_lufs"] for each in figures if each["integrated_lufs"] is not None]
    if not lufs:
        return None
    return {
        "lowest_lufs": min(lufs),
        "highest_lufs": max(lufs),
        "lowest_rms_dbfs": min(each["rms_dbfs"] for each in figures),
        "highest_rms_dbfs": max(each["rms_dbfs"] for each in figures),
        "highest_true_peak_dbtp": max(each["true_peak_dbtp"] for each in figures),
    }


def _read_manifest(objects: Objects, artefacts: Sequence[ArtefactView]) -> dict[str, Any]:
    (manifest,) = (artefact for artefact in artefacts if artefact.name == MANIFEST)
    content: dict[str, Any] = json.loads(objects.get(manifest.key, sha256=manifest.sha256))
    return content
