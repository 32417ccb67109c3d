"""What the manifest of a finished narration says, put together from what its steps told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from book.loudness import Figures
from book.manifest import (
    BookEntry,
    BookFile,
    ChapterEntry,
    ChapterFile,
    DoubtfulTake,
    LeftOutEntry,
    Manifest,
    Narrator,
)
from book.master import Mastered
from jobs.ledger.values import ChapterView, FoundTake, storable
from jobs.specs import NarrationSpec
from models_store.scripts import Script
from worker.tagging import GENERATOR


def tell_file(mastered: Mastered, name: str) -> dict[str, Any]:
    """A delivered file as a step's result."""
    return asdict(ChapterFile.of(mastered, name))


def tell_doubts(chapter_index: int, script: Script, takes: Mapping[str, FoundTake]) -> list[dict[str, Any]]:
    """What of a chapter somebody should listen to, as a step's result; `takes` by digest."""
    told = []
    for index, (utterance, key) in enumerate(zip(script.utterances, script.keys, strict=True)):
        remarks = [script.remarks[index]] if index in script.remarks else []
        if reasons := [*remarks, *takes[key].doubts]:
            text, reason = storable(utterance.text), storable("; ".join(reasons))
            told.append(asdict(DoubtfulTake(chapter_index, index + 1, text, reason)))
    return told


def _heard_file(told: dict[str, Any]) -> ChapterFile:
    return ChapterFile(**{**told, "figures": Figures(**told["figures"])})


def write_manifest(
    plan: dict[str, Any],
    chapters: Sequence[ChapterView],
    files: Sequence[tuple[int, dict[str, Any]]],
    book_files: Sequence[BookFile],
    doubtful: Sequence[dict[str, Any]],
    spec: NarrationSpec,
) -> bytes:
    """`manifest.json`.

    Args:
        plan: what the plan step told of the book.
        chapters: in the order of narration.
        files: chapter index, and what `tell_file` told of a file of it.
        book_files: what holds the whole book.
        doubtful: what `tell_doubts` told of each chapter, in order.
        spec: what was asked for.
    """
    manifest = Manifest(
        generator=GENERATOR,
        book=BookEntry(
            title=plan["title"],
            authors=tuple(plan["authors"]),
            language=plan["language"],
            publisher=plan["publisher"],
            published=plan["published"],
            source_sha256=spec.source.sha256,
        ),
        narrator=Narrator(plan["voice"]["name"], plan["voice"]["version"], plan["narrator"]),
        profile=spec.profile,
        chapters=tuple(
            ChapterEntry(
                index=chapter.index,
                title=chapter.title,
                utterances=chapter.n_utterances,
                characters=chapter.n_characters,
                files=tuple(_heard_file(told) for index, told in files if index == chapter.index),
            )
            for chapter in chapters
        ),
        book_files=tuple(book_files),
        doubtful_takes=tuple(DoubtfulTake(**told) for told in doubtful),
        left_out=tuple(LeftOutEntry(**entry) for entry in plan["left_out"]),
    )
    return manifest.to_json().encode()
