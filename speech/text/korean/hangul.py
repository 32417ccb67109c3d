"""Hangul syllables and their letters, by Unicode's arithmetic (The Unicode Standard, section 3.12)."""

from __future__ import annotations

from typing import Final, NamedTuple

ONSETS: Final = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS: Final = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
CODAS: Final = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
_FIRST: Final = 0xAC00
_LAST: Final = 0xD7A3


class Syllable(NamedTuple):
    """The letters of a syllable; `onset` ㅇ is silent, `coda` may be empty."""

    onset: str
    vowel: str
    coda: str


def take_apart(character: str) -> Syllable | None:
    """The letters of a hangul syllable; None for any other character."""
    if not _FIRST <= ord(character) <= _LAST:
        return None
    rest, coda = divmod(ord(character) - _FIRST, len(CODAS))
    onset, vowel = divmod(rest, len(VOWELS))
    return Syllable(ONSETS[onset], VOWELS[vowel], CODAS[coda])


def coda_of(character: str) -> str:
    """The final consonant of a character; empty without one."""
    syllable = take_apart(character)
    return syllable.coda if syllable else ""


SPLIT: Final = {
    "ㅘ": "ㅗㅏ", "ㅙ": "ㅗㅐ", "ㅚ": "ㅗㅣ", "ㅝ": "ㅜㅓ", "ㅞ": "ㅜㅔ", "ㅟ": "ㅜㅣ", "ㅢ": "ㅡㅣ", "ㅑ": "ㅣㅏ",
    "ㅒ": "ㅣㅐ", "ㅕ": "ㅣㅓ", "ㅖ": "ㅣㅔ", "ㅛ": "ㅣㅗ", "ㅠ": "ㅣㅜ",
}  # fmt: skip
"""Vowels that the symbol table writes with two others."""
