"""How long a text will be as sound, before any of it is rendered.

Rates are those of audiobook narration, pauses included, in characters of the written text (spaces counted):

* English: 9,300 words make a finished hour (ACX, "How long will my audiobook be?"), 5.7 characters a word
  with its space (counted on *The Adventures of Sherlock Holmes*): 14.7 characters per second.
* Japanese: 300 characters a minute, the rate taught to NHK announcers: 5.0 per second.
* The others follow from their syllable rates in reading aloud relative to English (6.19 per second) or
  Japanese (7.84): Pellegrino, Coupé and Marsico, "A cross-language perspective on speech information rate",
  Language 87 (2011), table 1: Mandarin 5.18, French 7.18, German 5.97, Italian 6.99, Spanish 7.82. One Han
  character or hangul block is one syllable, and pauses take a sixth of the time. Cantonese and Korean are
  taken beside Mandarin and Japanese, Korean with a space for every three blocks.

Expect ±15 % for a given voice: this is for planning, not for billing.
"""

from __future__ import annotations

from book.language import primary
from book.structure import Block, BlockKind, Chapter

CHARACTERS_PER_SECOND = {
    "en": 14.7,
    "de": 15.0,
    "fr": 15.5,
    "es": 16.0,
    "it": 15.5,
    "pt": 15.5,
    "nl": 15.0,
    "ru": 14.0,
    "zh": 4.3,
    "yue": 4.6,
    "ja": 5.0,
    "ko": 7.0,
}
DEFAULT_CHARACTERS_PER_SECOND = 14.7

PAUSE_AFTER_SECONDS = {BlockKind.HEADING: 1.2, BlockKind.PARAGRAPH: 0.4, BlockKind.BREAK: 1.5}
"""What a block adds beyond the pauses inside the rates."""


def estimate_seconds(text: str, language: str) -> float:
    """Seconds of narration that this text makes in this language (BCP 47).

    An unknown one is taken as English.
    """
    rate = CHARACTERS_PER_SECOND.get(primary(language), DEFAULT_CHARACTERS_PER_SECOND)
    return len(text) / rate


def estimate_chapter_seconds(chapter: Chapter) -> float:
    """Seconds of narration of a chapter, span by span, with the pauses between its blocks."""
    return sum(_block_seconds(block) for block in chapter.blocks)


def _block_seconds(block: Block) -> float:
    spoken = sum(estimate_seconds(span.text, span.language) for span in block.spans)
    return spoken + PAUSE_AFTER_SECONDS[block.kind]
