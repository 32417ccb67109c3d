"""How long the reading is silent after each sort of boundary."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite
from typing import Final

LONGEST_PAUSE_SECONDS: Final = 10.0
"""More than this sounds like a player that has stopped."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds of silence between the last sound of one utterance and the first sound of the next.

    The defaults are a reader's, not a machine's. Campione and Véronis ("A large-scale multilingual study of
    silent pause duration", Speech Prosody 2002) find the pauses of read speech in three groups: brief
    (under 0.2 s), medium (0.2 to 1 s) and long (over 1 s). A cut inside a sentence takes a brief one,
    sentences and paragraphs a medium one far enough apart to be told from each other, and what ends a
    thought of the book (a heading, a section) a long one.
    """

    clause: float = 0.15
    """After an utterance cut inside a sentence: no longer than a comma, so that the cut is not heard."""
    sentence: float = 0.45
    """After a sentence."""
    paragraph: float = 0.8
    """After a paragraph: close to twice a sentence's, the least that the ear takes for a different thing."""
    heading: float = 1.2
    """After a heading, before the text it announces."""
    section_break: float = 2.0
    """After a section break: the listener must notice that time or place has changed."""

    def __post_init__(self) -> None:
        """Refuse what is not a pause; the message names the field."""
        for field in fields(self):
            seconds = getattr(self, field.name)
            if not (isfinite(seconds) and 0 <= seconds <= LONGEST_PAUSE_SECONDS):
                raise ValueError(
                    f"pauses.{field.name}: {seconds} is not between 0 and {LONGEST_PAUSE_SECONDS:g} seconds"
                )

    def after(self, boundary: str) -> float:
        """Seconds of silence after an utterance that ends at this boundary.

        Raises ValueError for a word that names no boundary.
        """
        match boundary:
            case "clause":
                return self.clause
            case "sentence":
                return self.sentence
            case "paragraph":
                return self.paragraph
            case "heading":
                return self.heading
            case "break":
                return self.section_break
        raise ValueError(f"boundary {boundary!r} is not one of clause, sentence, paragraph, heading, break")


DEFAULT_PAUSES: Final = Pauses()
