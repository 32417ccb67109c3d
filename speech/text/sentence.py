"""Where sentences and clauses end, in any language, by rules.

All functions work on offsets into a text and change nothing in it. When the rules are in doubt they do
not cut: two sentences spoken in one pass sound right, a sentence torn at "Mr." does not.

Why not sentencex (1.0.32: rule-based, alive, lossless, 0.01 s for a novel where these rules take 0.03 s)?
It takes a quotation for one sentence, whatever stands in it: of The Adventures of Sherlock Holmes it left
2,237 ends uncut, and cut in 8 places where none is. It also cut "M. Dupont", "t.ex. bra", "Kl. 3",
"Im 19. Jahrhundert" and "「行こう。」と彼は言った". Elsewhere it agrees: a good examiner of these rules.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final

from speech.text.abbreviations import ORDINAL_LANGUAGES, STARTERS, Abbreviations, abbreviations_of

_WIDE_ENDS: Final = "。！？｡"  # end a sentence with no space after them
_NARROW_ENDS: Final = ".!?．‽⁇⁈⁉؟۔।॥։።፧။។\u037e"
_CLOSERS: Final = "\"'”’»›)]}）］｝」』】〕〉》〗〙"
_OPENERS: Final = "\"'“‘”’„‚«»‹›(\\[{（［｛「『【〔〈《〖〘¿¡*_—–―‒-"
_BLANK: Final = "[ \u00a0\u2009\u200a\u202f]"

_END: Final = re.compile(
    rf"(?P<marks>\.(?:{_BLANK}\.)+|[{_WIDE_ENDS}{_NARROW_ENDS}…‥]+)"
    rf"(?P<closers>(?:[{re.escape(_CLOSERS)}]|[“‘«‹](?=[\s,.;:!?)—–]|$)"
    rf"|{_BLANK}[»”](?=[\s,.;:!?)]|$))*)"
)
"""Marks that may end a sentence, with the quotes and brackets that close after them.

“ and « close in German and Swedish, but open in most languages: they close if no letter follows.
"""
_END_GREEK: Final = re.compile(_END.pattern.replace("\u037e", ";\u037e"))
"""The same where ";" is the question mark."""

_AHEAD: Final = re.compile(rf"[\s{re.escape(_OPENERS)}…]*(?:(?<=['’])[snkt]\s+(?=[A-Z]))?(?P<word>[^\W_]*)")
"""The next word; Dutch sentences may begin with "’s Morgens", of which that is the second."""
_LAST_WORD: Final = re.compile(r"[^\s“”\"‘’'«»„‚‹›()\[\]{}—–―/-]*$")
_DOTTED: Final = re.compile(r"(?:[^\W\d_]{1,3}\.)+[^\W\d_]{1,3}")
_NUMERAL: Final = re.compile(r"[0-9]{1,3}|[ivxlcdm]{1,7}|[^\W\d_]", re.IGNORECASE)
_PARAGRAPH: Final = re.compile(r"\n[^\S\n]*\n|\u2029")
_QUOTATIVES: Final = ("と", "って", "などと", "なんて", "なんか", "の", "を", "が", "は", "に", "も", "で")
"""What follows a closed quotation and belongs to its sentence, in Japanese; in Korean any syllable does."""
_GOES_ON: Final = "、，,；;：:—―…‥）」』”’"
"""After a wide full stop: the sentence is not over."""
_GEORGIAN: Final = range(0x10D0, 0x1100)  # lower case by Unicode's table, but its sentences begin so


def sentence_ends(text: str, language_at: Callable[[int], str], *, lines: bool = False) -> list[int]:
    """Offsets at which a sentence ends, rising, the last one `len(text)`; blanks belong to the next one.

    Args:
        text: one block of a book.
        language_at: the BCP 47 language at an offset.
        lines: whether the end of a line ends a sentence, as in headings.
    """
    ends = {match.start() for match in _PARAGRAPH.finditer(text)}
    if lines:
        ends.update(match.start() for match in re.finditer(r"[\n\u2028]", text))
    pattern = _END_GREEK if language_at(0).startswith("el") else _END
    ends.update(match.end() for match in pattern.finditer(text) if _is_end(text, match, language_at))
    ends.add(len(text))
    ends.discard(0)
    return sorted(ends)


def _is_end(text: str, match: re.Match[str], language_at: Callable[[int], str]) -> bool:
    marks, closers, end = match["marks"], match["closers"], match.end()
    if end == len(text):
        return True
    after = text[end]
    if closers and (text.startswith(_QUOTATIVES, end) or "\uac00" <= after <= "\ud7a3"):
        return False  # 「行こう。」と, “정말요?”라고: the quotation is only a part of the sentence
    if marks[-1] in _WIDE_ENDS:
        return after not in _GOES_ON
    ahead = _AHEAD.match(text, end)
    word = ahead["word"] if ahead else ""
    if not after.isspace() and not _ends_unspaced(marks, after, word):
        return False
    if not word:
        return True  # nothing to say before the next mark: it will be added to this sentence
    if word[0].islower() and ord(word[0]) not in _GEORGIAN:
        return False
    if marks in {".", "．"} and not closers:
        return not _is_abbreviated(text, match.start(), word, language_at(match.start()))
    return True


def _ends_unspaced(marks: str, after: str, word: str) -> bool:
    """Whether a sentence ends though no blank follows: "Yes!「", "it.—Then", "Yes!好"."""
    if after in "—―":
        return word[:1].isupper()
    return marks[-1] in "!?" and (after in "「『“《" or _is_caseless(after))


def _is_abbreviated(text: str, stop: int, following: str, language: str) -> bool:
    """Whether the full stop at `stop` belongs to an abbreviation, an initial or an ordinal."""
    found = _LAST_WORD.search(text, max(0, stop - 24), stop)
    last = found.group() if found else ""
    if not last:
        return False
    lower = last.lower()
    english = language.partition("-")[0] == "en"
    starts = english and following.lower() in STARTERS
    known = abbreviations_of(language)
    if _NUMERAL.fullmatch(last) and _is_first(text, stop - len(last), last, known):
        return True
    if len(last) == 1 and (last.isupper() or last.islower()):
        return not (starts or (english and last == "I"))
    if lower in known.never:
        return True
    if lower in known.numbered:
        return following[0].isdigit() or _NUMERAL.fullmatch(following) is not None
    if lower in known.sometimes or _DOTTED.fullmatch(last):
        return english and not starts
    if last.isdigit() and len(last) <= 2:
        return language.partition("-")[0] in ORDINAL_LANGUAGES
    return False


def _is_first(text: str, start: int, last: str, known: Abbreviations) -> bool:
    """Whether a numeral stands before what it numbers: "IV. Night", "1. The bridge. 2. The ford"."""
    before = text[max(0, start - 24) : start].rstrip()
    if not before or not last.isdigit():
        return not before
    word = before.removesuffix(".").rpartition(" ")[2].lower()
    return before[-1] in ".!?:;" and word not in known.numbered and len(word) > 1


def _is_caseless(character: str) -> bool:
    return character.isalpha() and not character.islower() and not character.isupper()


_STRONG: Final = re.compile(
    rf"[\n\u2028]|[;:!?…](?:[{re.escape(_CLOSERS)}])*(?=\s)|(?<=\w\w\w\w)\.(?=\s+[^\W\dA-Z])|[；：。！？…‥]+[{re.escape(_CLOSERS)}]*"
    rf"|(?<=\S)[—―–]+(?=\s|[^\W\d_])|(?<=\s)[—―–]+(?=\s)"
)
_JOINT: Final = re.compile(
    r"\s+(?=(?:and|or|but|nor|which|who|whom|whose|that|because|when|where|while|until|as|if|than|though"
    r"|und|oder|aber|sondern|dass|daß|weil|wenn|als|ob|et|ou|mais|que|qui|dont|quand|parce|comme|y|pero|porque"
    r"|cuando|e|ma|che|perché|quando|mas|porque|en|maar|omdat|och|eller|men|som|og|i|a|ale|że|który|и|или|но|что"
    r"|который|когда|потому|to|of|in|on|with|for|by|from|at|into|mit|von|für|avec|pour|dans|con|para|com|с|на|в)\s)"
)
_WEAK: Final = re.compile(rf"[,،؛][{re.escape(_CLOSERS)}]*(?=\s)|[，、､，]|[)\]»”](?=\s)")
_SPACE: Final = re.compile(
    r"(?<![.\s])\s+"
)  # a full stop inside a sentence is an abbreviation's: "Mr. Turner"
_NOT_BEFORE: Final = re.compile(
    rf"\s*[{re.escape(_CLOSERS)},.;:!?%…‥。！？、，；：ー々ゝゞぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ\u0300-\u036f\ufe0e\ufe0f\u200d]"
)
_NO_BLANKS: Final = (
    "\u1000-\u102a\u1780-\u17b3\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"  # Burmese to Han
)
_UNSPACED: Final = re.compile(
    rf"(?<=[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff{_NO_BLANKS}])(?=[\u0e01-\u0e30\u0e40-\u0e46{_NO_BLANKS}])"
)
"""Between two letters of Thai, Lao, Burmese, Khmer, kana or Han, before none of their marks."""


def clause_ends(text: str, least: int, most: int, *, from_word: int) -> Iterator[list[int]]:
    """Offsets at which a long sentence may be cut, one list for each sort of cut, the best sort first.

    All are in `least`...`most`, both included: ends of clauses (semicolon, colon, dash, line); commas and
    brackets; blanks before a word that joins; blanks; between two letters of a script that writes none. Then
    the last blank after `from_word`, for a word that fills the whole of `least`...`most`; then between any
    two characters that are not a letter and its mark; then anywhere: never empty if `least` <= `most`.
    """
    for pattern in (_STRONG, _WEAK, _JOINT, _SPACE, _UNSPACED):
        # One character more than `most`, for patterns that look ahead.
        ends = [match.end() for match in pattern.finditer(text, least, most + 1)]
        yield [end for end in ends if least <= end <= most and not _NOT_BEFORE.match(text, end)]
    blanks = [match.end() for match in _SPACE.finditer(text, from_word, least)]
    yield [end for end in blanks[-1:] if text[from_word:end].strip()]
    yield [
        at
        for at in range(least, most + 1)
        if unicodedata.category(text[at])[0] != "M" and text[at] != "\u200d"
    ]
    yield list(range(least, most + 1))
