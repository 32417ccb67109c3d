"""`manifest.json`: what was read, by which voice, into which files, and what they measure.

    {
      "format": "lectorium-manifest/1",
      "generator": "Lectorium 0.1.0",             program and version
      "ai_generated": true,                       always
      "created": "2026-01-31T12:00:00Z" | null,   only if the caller passes a time in
      "book": {"title", "authors": [..], "language", "publisher", "published", "source_sha256"},
      "narrator": {"voice", "version", "name"},   voice, digest of its version, name shown as narrator
      "profile": "acx" | "podcast" | "ebu-r128" | "none",
      "chapters": [{
        "index": 1, "title", "utterances": 124, "characters": 8211,
        "files": [{"name", "format", "duration_seconds", "n_bytes", "sha256", "sample_rate",
                   "gain_db", "limited_samples", "limited_db", "passes",
                   "figures": {"integrated_lufs": number | null, "rms_dbfs", "peak_dbfs", "true_peak_dbtp",
                               "noise_floor_dbfs", "voice_floor_dbfs", "head_seconds", "tail_seconds",
                               "duration_seconds"}}]
      }],
      "book_files": [{"name", "duration_seconds", "n_bytes", "sha256"}],
      "doubtful_takes": [{"chapter": 1, "utterance": 17, "text", "reason"}],
      "left_out": [{"what", "reason"}]
    }

Levels in dB, times in seconds. A bound m4b measures what its chapters measure: their packets are copied
into it and decode to the same samples. Keys stand in this order, numbers are rounded; the same book gives
the same bytes.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Final

from book.loudness import Figures
from book.master import Mastered

FORMAT: Final = "lectorium-manifest/1"


@dataclass(frozen=True, slots=True)
class ChapterFile:
    """One delivered file of a chapter and what it measures, decoded."""

    name: str
    """In the delivery; "" for a chapter that exists only inside the m4b."""
    format: str
    duration_seconds: float
    n_bytes: int
    sha256: str
    sample_rate: int
    gain_db: float
    limited_samples: int
    limited_db: float
    passes: int
    figures: Figures

    @classmethod
    def of(cls, mastered: Mastered, name: str) -> ChapterFile:
        """The entry of a file that `book.master` made."""
        return cls(
            name=name,
            format=mastered.format.value,
            duration_seconds=mastered.duration_seconds,
            n_bytes=mastered.n_bytes,
            sha256=mastered.sha256,
            sample_rate=mastered.sample_rate,
            gain_db=mastered.gain_db,
            limited_samples=mastered.limited_samples,
            limited_db=mastered.limited_db,
            passes=mastered.passes,
            figures=mastered.figures,
        )


@dataclass(frozen=True, slots=True)
class ChapterEntry:
    """A chapter as it was read."""

    index: int
    """Its place in the reading, from 1."""
    title: str
    utterances: int
    characters: int
    files: tuple[ChapterFile, ...]


@dataclass(frozen=True, slots=True)
class BookFile:
    """A file that holds the whole book."""

    name: str
    duration_seconds: float
    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class BookEntry:
    """The book that was read."""

    title: str
    authors: tuple[str, ...]
    language: str
    publisher: str = ""
    published: str = ""
    source_sha256: str = ""
    """Of the book file."""


@dataclass(frozen=True, slots=True)
class Narrator:
    """The voice that read."""

    voice: str
    version: str
    """The digest of the voice version."""
    name: str = ""
    """Shown as narrator; the voice's name if it is empty."""


@dataclass(frozen=True, slots=True)
class DoubtfulTake:
    """An utterance somebody should listen to."""

    chapter: int
    utterance: int
    """From 1, within the chapter."""
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class LeftOutEntry:
    """Something of the book that was not read."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """All there is to say about a delivery."""

    generator: str
    book: BookEntry
    narrator: Narrator
    profile: str
    chapters: tuple[ChapterEntry, ...]
    book_files: tuple[BookFile, ...] = ()
    doubtful_takes: tuple[DoubtfulTake, ...] = ()
    left_out: tuple[LeftOutEntry, ...] = ()
    created: str | None = None
    """RFC 3339 time, where the caller wants one; this room looks at no clock."""

    def to_json(self) -> str:
        """The text of `manifest.json`, with a newline at its end."""
        document = {
            "format": FORMAT,
            "generator": self.generator,
            "ai_generated": True,
            "created": self.created,
            "book": _plain(self.book),
            "narrator": _plain(self.narrator),
            "profile": self.profile,
            "chapters": _plain(self.chapters),
            "book_files": _plain(self.book_files),
            "doubtful_takes": _plain(self.doubtful_takes),
            "left_out": _plain(self.left_out),
        }
        return json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _plain(value: object) -> object:
    """Dataclasses as objects in the order of their fields, floats to the microsecond or millionth of a dB."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return round(value, 6) if isinstance(value, float) else value
