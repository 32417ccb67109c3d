"""What a book is once it has been read: title, authors, language, chapters, blocks, spans."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple


class Span(NamedTuple):
    """A run of text in one language. A plain tuple, so that rooms below need not know this class."""

    text: str
    language: str
    """BCP 47 tag, lower case: "en", "zh", "pt-br"; "und" where the book does not say."""


class BlockKind(enum.StrEnum):
    """What sort of block a stretch of the book is; it decides the pause after it."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    BREAK = "break"
    """A section break (a rule, asterisks, a blank ornament): silence and no text."""


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, a paragraph or a section break, in reading order."""

    kind: BlockKind
    spans: tuple[Span, ...] = ()

    @property
    def text(self) -> str:
        """The block's whole text."""
        return "".join(span.text for span in self.spans)


class Matter(enum.StrEnum):
    """Where in the book a chapter stands. Only the body is read aloud unless asked otherwise."""

    FRONT = "front"
    BODY = "body"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Chapter:
    """A unit of the book's own contents list."""

    title: str
    blocks: tuple[Block, ...]
    matter: Matter = Matter.BODY
    reason: str = ""
    """Why it is not body, for `inspect`: "epub:type=colophon", "title: Imprint", ...; "" for body."""

    @property
    def n_characters(self) -> int:
        """Characters that would be read aloud."""
        return sum(len(block.text) for block in self.blocks)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something of the file that is not read aloud, and why."""

    what: str
    """"footnotes (12)", "page numbers (310)", "chapter: Imprint", ..."""
    reason: str


@dataclass(frozen=True, slots=True)
class Cover:
    """The cover picture as it stands in the book file."""

    media_type: str
    """"image/jpeg" or "image/png"."""
    content: bytes


@dataclass(frozen=True, slots=True)
class Book:
    """A book that has been read from its file, in the order it is narrated."""

    title: str
    authors: tuple[str, ...]
    language: str
    """BCP 47 tag of the book as a whole; "und" if neither file nor text tells."""
    chapters: tuple[Chapter, ...]
    """All of them, front and back matter included; `matter` tells which are left out by default."""
    cover: Cover | None = None
    left_out: tuple[LeftOut, ...] = ()
    publisher: str = ""
    published: str = ""
    """Year or date as the book gives it; "" if it does not."""
    description: str = ""
