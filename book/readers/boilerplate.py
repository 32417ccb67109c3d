"""Project Gutenberg's header and licence, which stand around the text of its books in every format."""

from __future__ import annotations

import re
from collections.abc import Sequence

from book.flow import Passage
from book.structure import Block, BlockKind, LeftOut

_START = re.compile(
    r"\*{3}\s*START OF (?:THE|THIS) PROJECT GUTENBERG|\*END\W*THE SMALL PRINT|"
    r"START OF THE PROJECT GUTENBERG EBOOK",
    re.IGNORECASE,
)
_END = re.compile(
    r"\*{3}\s*END OF (?:THE|THIS) PROJECT GUTENBERG|"
    r"^\W*END OF (?:THE |THIS )?PROJECT GUTENBERG(?:['’]S| EBOOK| ETEXT)",
    re.IGNORECASE,
)
_CREDITS = re.compile(
    r"(?:produced|prepared|transcribed|e-?text (?:prepared|produced)|"
    r"this e-?(?:book|text) was (?:produced|prepared|transcribed))"
    r"\s+(?:by|from)\b.{0,600}",
    re.IGNORECASE | re.DOTALL,
)
_FIRST_WORDS = re.compile(r"the project gutenberg e(?:book|text) (?:of|,)", re.IGNORECASE)
# The header is short; the footer's licence is some 19,000 characters.
_LONGEST_HEADER_PASSAGES = 200


def cut_gutenberg(passages: Sequence[Passage]) -> tuple[list[Passage], list[LeftOut]]:
    """The passages with Project Gutenberg's own made blank, and what was cut.

    Blank ones stay in the list: places in it, to which contents lists point, keep their numbers.
    """
    start = _find_start(passages)
    stop = next(
        (index for index in range(start, len(passages)) if _END.search(passages[index].text[:300])),
        len(passages),
    )
    if start == 0 and stop == len(passages):
        return list(passages), []
    for index in range(start, min(start + 4, stop)):
        if _CREDITS.fullmatch(passages[index].text):
            start = index + 1
    cut = [*passages[:start], *passages[stop:]]
    n_characters = sum(len(passage.text) for passage in cut)
    left_out = LeftOut(
        f"Project Gutenberg header and licence ({n_characters} characters)", "not part of the book"
    )
    kept = [passage if start <= index < stop else _blank(passage) for index, passage in enumerate(passages)]
    return kept, [left_out]


def _find_start(passages: Sequence[Passage]) -> int:
    for index, passage in enumerate(passages[:_LONGEST_HEADER_PASSAGES]):
        if _START.search(passage.text):
            return index + 1
    return 1 if passages and _FIRST_WORDS.match(passages[0].text) else 0


def _blank(passage: Passage) -> Passage:
    return Passage(Block(BlockKind.PARAGRAPH), anchors=passage.anchors)
