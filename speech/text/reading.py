"""What a language's reader gives back, and what all of them do with marks and unreadable characters."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

from speech.errors import UnreadableTextError
from speech.text.traced import Place, TracedText


class Reading(NamedTuple):
    """The symbols of the characters `start`...`stop` of a normalised text."""

    symbols: tuple[str, ...]
    start: int
    stop: int


_SILENT: Final = frozenset({"Ps", "Pe", "Pi", "Pf", "Zs", "Zl", "Zp", "Cf"})
"""Kinds of characters that are seen and not heard: brackets, quotes, blanks, marks of direction."""
_ORNAMENTS: Final = frozenset("\"'`´*_|\\<>#^~•·●○■□◆◇★☆※†‡§¶▪▫►—–―‒-\t\n\r\v\f\ufe0e\ufe0f〃〆")
"""The same, not told by their kind; each reader has given those it speaks their words before."""

_REPEATED_MARKS: Final = re.compile(r"([!,\-.?…])[!,\-.?…]+")


def is_silent(character: str) -> bool:
    """Whether a character is seen and not heard, in any language."""
    return character in _ORNAMENTS or unicodedata.category(character) in _SILENT


def silence(text: TracedText, readable: re.Pattern[str], *, by: str = "", language: str) -> TracedText:
    """The text with its silent characters replaced by `by`, after all else was made readable.

    Raises:
        UnreadableTextError: a character is neither readable nor silent; the first of them is named.
    """
    for index, character in enumerate(text.text):
        if not readable.fullmatch(character) and not is_silent(character):
            raise unreadable(character, text.places[index], language)
    keep = re.compile(rf"(?!{readable.pattern}).", re.DOTALL)
    return text.sub(keep, by)


def collapse_marks(text: TracedText) -> TracedText:
    """The text with the first of each run of marks, as upstream: runs let the prompt leak into the sound."""
    return text.sub(_REPEATED_MARKS, r"\1")


def unreadable(characters: str, place: Place, language: str) -> UnreadableTextError:
    """The error for characters that cannot be read in a language."""
    names = ", ".join(f"U+{ord(c):04X} {unicodedata.name(c, 'without a name')}" for c in characters[:1])
    return UnreadableTextError(
        f"character {place.start + 1}: {characters!r} ({names}) cannot be read in {language!r}"
    )
