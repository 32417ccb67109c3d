"""An utterance: the stretch of text spoken in one pass."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple


class Span(NamedTuple):
    """A run of text in one language (BCP 47, lower case)."""

    text: str
    language: str


class Boundary(enum.StrEnum):
    """What stands after an utterance in the book; it decides the pause after its sound."""

    CLAUSE = "clause"
    """Cut inside a sentence because it was too long to speak in one pass."""
    SENTENCE = "sentence"
    PARAGRAPH = "paragraph"
    HEADING = "heading"
    BREAK = "break"
    """A section break."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """The stretch of text spoken in one pass, and what follows it."""

    spans: tuple[Span, ...]
    boundary: Boundary = Boundary.SENTENCE

    @property
    def text(self) -> str:
        """The whole text, as it stands in the book."""
        return "".join(span.text for span in self.spans)

    @property
    def language(self) -> str:
        """The language of most of its characters."""
        n_characters: dict[str, int] = {}
        for span in self.spans:
            n_characters[span.language] = n_characters.get(span.language, 0) + len(span.text)
        return max(n_characters, key=n_characters.__getitem__)
