"""Sentences of books that the user points to, in the letters flite reads.

Any file that Lectorium reads will do. Novels in the public domain are at Standard Ebooks and Project
Gutenberg; the figures of docs/log.md are of *The Adventures of Sherlock Holmes*, Standard Ebooks' edition.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from book.read import read as read_book
from book.structure import Matter
from speech.text.script import count_letters
from speech.text.script import read as read_script

LETTERS: Final = (8, 90)
"""The shortest and the longest sentence that is taken: about one and eight seconds."""

_PLAIN: Final = str.maketrans(
    {"“": '"', "”": '"', "‘": "'", "’": "'", "—": " - ", "–": " - ", "…": "...", "\u2011": "-", "\n": " "}
)


def sentences_of(paths: Iterable[Path]) -> Iterator[str]:
    """The sentences of the books' bodies, each once, in their order; those flite could not read are left out.

    Raises:
        UnreadableBookError: a file is no book.
    """
    seen: set[str] = set()
    for path in paths:
        for chapter in read_book(path).chapters:
            if chapter.matter is not Matter.BODY:
                continue
            for utterance in read_script([(block.kind.value, block.spans) for block in chapter.blocks]):
                text = plain(utterance.text)
                if text is not None and text not in seen:
                    seen.add(text)
                    yield text


def plain(text: str) -> str | None:
    """The text in ASCII, with one blank between words; None if it is too short, too long or cannot be."""
    without_accents = "".join(
        c for c in unicodedata.normalize("NFKD", text.translate(_PLAIN)) if not unicodedata.combining(c)
    )
    cleaned = " ".join(without_accents.split())
    low, high = LETTERS
    return cleaned if cleaned.isascii() and low <= count_letters(cleaned) <= high else None
