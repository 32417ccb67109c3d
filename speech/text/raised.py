"""Characters above and below the line: exponents, charges, fractions, marks of notes, indices.

What they say depends on what they stand at, and each language has its own words for it; what is the same in
all languages is here.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

RAISED: Final = "⁰¹²³⁴⁵⁶⁷⁸⁹"
"""Figures above the line."""
LOWERED: Final = "₀₁₂₃₄₅₆₇₈₉"
"""Figures below the line."""
FRACTION: Final = re.compile(
    rf"(?P<whole>\d)?(?:(?P<sign>[½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒])|(?P<top>[{RAISED}]+)[⁄/](?P<bottom>[{LOWERED}]+))"
)
"""A fraction in one character or with figures above and below, and the last figure of what it is added to."""

_SENTENCE_ENDS: Final = frozenset(".?!…。！？．")
_MARKS: Final = _SENTENCE_ENDS | frozenset(",;:，、；：")
_CLOSING: Final = "\"'”’»)]』」）"
_MARK_FOLLOWS: Final = re.compile(
    rf"[\s{re.escape(_CLOSING)}]*(?:[{''.join(map(re.escape, sorted(_MARKS)))}]|$)"
)


def on_the_line(characters: str) -> str:
    """The same characters on the line: "⁻³" is "-3", "₁₂" is "12", "ⁿ" is "n"."""
    return unicodedata.normalize("NFKC", characters).replace("−", "-")


def fraction(match: re.Match[str], between: str) -> str:
    """A match of `FRACTION` written with a slash, "2½" as "2 1/2".

    Args:
        match: of `FRACTION`.
        between: what joins the whole and the rest.
    """
    if match["sign"]:
        plain = on_the_line(match["sign"]).replace("⁄", "/")
    else:
        plain = f"{on_the_line(match['top'])}/{on_the_line(match['bottom'])}"
    return plain if match["whole"] is None else f"{match['whole']}{between}{plain}"


def note(match: re.Match[str], said: str) -> str:
    """The mark of a note, spoken apart from what it stands at: commas around it, or the sentence's end.

    Args:
        match: the figures, wherever they stand.
        said: what is said for them.
    """
    before = match.string[: match.start()].rstrip(" " + _CLOSING)[-1:]
    lead = "" if not before or before in _MARKS else ","
    stop = "." if before in _SENTENCE_ENDS and before else ","
    trail = "" if _MARK_FOLLOWS.match(match.string, match.end()) else stop
    return f"{lead} {said}{trail}"
