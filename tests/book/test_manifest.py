from __future__ import annotations

import json
from pathlib import Path

from book.encode import Format
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
from book.master import master
from book.profiles import PODCAST
from tests.book.speaking import chapter


def manifest(tmp_path: Path, created: str | None = None) -> Manifest:
    chapter(tmp_path / "track.flac", 2)
    made = master(tmp_path / "track.flac", profile=PODCAST, format=Format.OPUS, path=tmp_path / "x.opus")
    return Manifest(
        generator="Lectorium 0.1.0",
        book=BookEntry("Öde", ("A", "B"), "de", source_sha256="ab" * 32),
        narrator=Narrator("nora", "cd" * 32),
        profile="podcast",
        chapters=(ChapterEntry(1, "Eins", 2, 31, (ChapterFile.of(made, "01 - Eins.opus"),)),),
        book_files=(BookFile("Öde.m4b", 7.25, 1000, "ef" * 32),),
        doubtful_takes=(DoubtfulTake(1, 2, "Sentence 2.", "too short"),),
        left_out=(LeftOutEntry("footnotes (12)", "not read aloud"),),
        created=created,
    )


def test_manifest_says_what_was_read_by_whom_and_what_it_measures(tmp_path: Path) -> None:
    made = manifest(tmp_path)
    document = json.loads(made.to_json())
    assert list(document) == [
        "format", "generator", "ai_generated", "created", "book", "narrator",
        "profile", "chapters", "book_files", "doubtful_takes", "left_out",
    ]  # fmt: skip
    assert document["ai_generated"] is True
    assert document["created"] is None
    assert document["book"]["authors"] == ["A", "B"]
    assert document["narrator"]["version"] == "cd" * 32
    file = document["chapters"][0]["files"][0]
    assert file["name"] == "01 - Eins.opus"
    assert -19.5 <= file["figures"]["integrated_lufs"] <= -18.5
    assert file["sha256"] == made.chapters[0].files[0].sha256
    assert document["doubtful_takes"][0]["utterance"] == 2


def test_manifest_is_the_same_text_each_time_and_readable(tmp_path: Path) -> None:
    text = manifest(tmp_path).to_json()
    assert text == manifest(tmp_path).to_json()
    assert "Öde" in text
    assert text.endswith("}\n")


def test_manifest_takes_a_time_only_from_its_caller(tmp_path: Path) -> None:
    made = manifest(tmp_path, created="2026-01-31T12:00:00Z")
    assert json.loads(made.to_json())["created"] == "2026-01-31T12:00:00Z"
