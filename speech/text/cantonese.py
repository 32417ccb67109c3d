"""Cantonese: Jyutping by ToJyutping, each symbol with the Y that keeps it apart from Mandarin."""

from __future__ import annotations

import re
from typing import Final

from speech.text.chinese import numbers
from speech.text.chinese.normalise import normalise as normalise_chinese
from speech.text.reading import Reading
from speech.text.symbols import IDS, MARKS, UNKNOWN
from speech.text.traced import TracedText

_INITIAL: Final = re.compile(r"(?:gw|kw|ng(?=[a-z])|(?!ng)[bpmfdtnlgkhwzcsj](?=[a-z]))")
_SYLLABLE: Final = re.compile(r"[a-z]+[1-6]")
_PLEASE: Final = re.compile(r"[請请](?![客假帖人飲饮食]|[你佢我哋]{1,3}[飲饮食睇去])")
"""請 as "please", cing2; ToJyutping has only "to invite", ceng2, which also stands in 請客 and 請你食飯."""


_TELEPHONE: Final = re.compile(r"(?<![\d-])(?:2[1-9]|[3569]\d|8[0-8])\d\d[- ]\d{4}(?![\d-])")
"""As in Hong Kong: eight figures in two groups; what could be two years is none."""


def _telephone(match: re.Match[str]) -> str:
    """Figure by figure; 一 is 一 here, nobody says 幺."""
    return "，".join(numbers.digits(group) for group in re.split("[- ]", match.group()))


def normalise(text: TracedText) -> TracedText:
    """The text as spoken, in the characters it is written in (upstream simplifies them first, which makes
    one character of 乾, 幹 and 干 before it looks up how each is said), and `, . ? ! …`.

    Raises:
        UnreadableTextError: a character has no way to be said in Chinese.
    """
    text = text.sub(_TELEPHONE, _telephone)
    return normalise_chinese(text, simplify=False, language="yue")


def split(syllable: str) -> tuple[str, str] | None:
    """The two symbols of a syllable such as "gwong2"; None if it is no syllable of Cantonese.

    A syllable without a consonant is cut as upstream's voices learnt it, after the first letters that
    upstream takes for an initial ("aap3" is Yaa Yp3); what the table lacks is UNK, as it was in training.
    """
    plain, tone = syllable[:-1], syllable[-1]
    match = _INITIAL.match(plain)
    if match:
        initial, final = match.group(), plain[match.end() :]
    else:
        initial, final = _bare(plain)
    first, second = f"Y{initial}", f"Y{final}{tone}"
    if first not in IDS["v2"]:
        return None
    return first, second if second in IDS["v2"] else UNKNOWN


_BARE: Final = (
    "aa", "ai", "au", "ap", "at", "ak", "a", "e", "m", "ng", "ong", "on", "ou", "oi", "ok", "o", "uk", "ung",
)  # fmt: skip
"""Beginnings that upstream takes for an initial where there is none, in the order it tries them."""


def _bare(plain: str) -> tuple[str, str]:
    for beginning in _BARE:
        if plain.startswith(beginning):
            return beginning, plain[len(beginning) :] or beginning[-1]
    return plain, plain


def pronounce(text: str) -> list[Reading]:
    """The readings of a normalised text, one for each character: two symbols, or one for a mark.

    A character that no dictionary knows has no symbols.
    """
    import ToJyutping

    readings: list[Reading] = []
    please = {match.start() for match in _PLEASE.finditer(text)}
    at = 0
    for word, said in ToJyutping.get_jyutping_list(text):
        syllables = ["cing2"] if said == "ceng2" and at in please else _SYLLABLE.findall(said or "")
        if len(word) == 1 and word in MARKS:
            symbols: tuple[str, ...] = (word,)
        else:
            symbols = tuple(symbol for syllable in syllables for symbol in split(syllable) or ())
            if len(symbols) != 2 * len(syllables):
                symbols = ()
        readings.append(Reading(symbols, at, at + len(word)))
        at += len(word)
    return readings
