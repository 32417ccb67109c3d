"""How Korean syllables change each other, after the Standard Pronunciation (표준 발음법, 2017).

Numbers in parentheses are its articles. Changes cross one blank, as in speech without a pause; the sound of a
final consonant moving over to a vowel does not (upstream's voices were trained so).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_STOP: Final = (
    dict.fromkeys("ㄱㄲㅋㄳㄺ", "ㄱ") | dict.fromkeys("ㄷㅅㅆㅈㅊㅌ", "ㄷ") | dict.fromkeys("ㅂㅍㅄㄿ", "ㅂ")
)
"""(9-11) The stop that final obstruents become."""
_SONORANT: Final = {"ㄵ": "ㄴ", "ㄶ": "ㄴ", "ㄻ": "ㅁ", "ㄼ": "ㄹ", "ㄽ": "ㄹ", "ㄾ": "ㄹ", "ㅀ": "ㄹ"}
"""(10, 11) The sonorant that other final clusters become."""
_NASAL: Final = {"ㄱ": "ㅇ", "ㄷ": "ㄴ", "ㅂ": "ㅁ"}
_TENSE: Final = {"ㄱ": "ㄲ", "ㄷ": "ㄸ", "ㅂ": "ㅃ", "ㅅ": "ㅆ", "ㅈ": "ㅉ"}
_ASPIRATED: Final = {"ㄱ": "ㅋ", "ㄷ": "ㅌ", "ㅈ": "ㅊ"}
_WITH_H: Final = (
    {"ㄱ": ("", "ㅋ"), "ㄲ": ("", "ㅋ"), "ㅋ": ("", "ㅋ"), "ㄳ": ("", "ㅋ"), "ㄺ": ("ㄹ", "ㅋ")}
    | dict.fromkeys("ㄷㅅㅆㅊㅌ", ("", "ㅌ"))
    | {"ㅈ": ("", "ㅊ"), "ㄵ": ("ㄴ", "ㅊ"), "ㅂ": ("", "ㅍ"), "ㅍ": ("", "ㅍ"), "ㄼ": ("ㄹ", "ㅍ"), "ㄿ": ("", "ㅍ"), "ㅄ": ("", "ㅍ")}
)  # fmt: skip
"""(12.1) A final consonant before ㅎ: what stays, and what ㅎ becomes."""
_H: Final = {"ㅎ": "", "ㄶ": "ㄴ", "ㅀ": "ㄹ"}
"""What is left of finals that lose their ㅎ."""
_MOVES: Final = (
    {coda: ("", coda) for coda in "ㄱㄲㄴㄷㄹㅁㅂㅅㅆㅈㅊㅋㅌㅍ"}
    | {"ㄳ": ("ㄱ", "ㅆ"), "ㄵ": ("ㄴ", "ㅈ"), "ㄺ": ("ㄹ", "ㄱ"), "ㄻ": ("ㄹ", "ㅁ"), "ㄼ": ("ㄹ", "ㅂ"), "ㄽ": ("ㄹ", "ㅆ")}
    | {"ㄾ": ("ㄹ", "ㅌ"), "ㄿ": ("ㄹ", "ㅍ"), "ㅄ": ("ㅂ", "ㅆ"), "ㅎ": ("", "ㅇ"), "ㄶ": ("", "ㄴ"), "ㅀ": ("", "ㄹ")}
)  # fmt: skip
"""(12.4, 13, 14) A final consonant before a vowel: what stays, and what moves over."""
_PALATAL: Final = {"ㄷ": ("", "ㅈ"), "ㅌ": ("", "ㅊ"), "ㄾ": ("ㄹ", "ㅊ")}
"""(17) The same before ㅣ and ㅕ."""


@dataclass(slots=True)
class Sound:
    """A syllable on its way from writing to sound, or a mark."""

    onset: str
    vowel: str
    coda: str
    role: str = ""
    """"P": it ends the stem of a verb or adjective; "E": an ending that ends in ㄹ; "L": after that, an
    ending which is tense then."""
    written: str = ""
    """The character itself; for marks and blanks it is all there is."""

    @property
    def is_syllable(self) -> bool:
        """Whether it is a syllable, not a mark or blank."""
        return bool(self.vowel)


def change(sounds: Sequence[Sound]) -> None:
    """Writes the sounds anew as they are pronounced."""
    for at, sound in enumerate(sounds):
        if not sound.is_syllable:
            continue
        if sound.onset in "ㅈㅉㅊ" and sound.vowel == "ㅕ":
            sound.vowel = "ㅓ"  # (5.1)
        if sound.onset != "ㅇ" and sound.onset != "ㄹ" and sound.vowel == "ㅢ":
            sound.vowel = "ㅣ"  # (5.3)
        following, apart = _following(sounds, at)
        if following is not None:
            _tense_by_grammar(sound, following, apart=apart)
    for at, sound in enumerate(sounds):
        if sound.is_syllable and sound.coda:
            following, apart = _following(sounds, at)
            _meet(sound, following, apart=apart)


def _following(sounds: Sequence[Sound], at: int) -> tuple[Sound | None, bool]:
    """The next syllable, and whether a blank stands between; None before a mark or the end."""
    apart = at + 1 < len(sounds) and sounds[at + 1].written == " "
    next_at = at + 1 + apart
    if next_at < len(sounds) and sounds[next_at].is_syllable:
        return sounds[next_at], apart
    return None, apart


def _tense_by_grammar(sound: Sound, following: Sound, *, apart: bool) -> None:
    """(11.1, 24, 25, 27) Tension that depends on what a syllable is, not on its sound alone."""
    if sound.role == "P" and not apart:
        if sound.coda == "ㄺ" and following.onset in "ㄱㄲ":
            sound.coda, following.onset = "ㄹ", "ㄲ"
        elif sound.coda in {"ㄴ", "ㅁ", "ㄵ", "ㄻ", "ㄼ", "ㄾ"} and following.onset in {
            "ㄱ",
            "ㄷ",
            "ㅅ",
            "ㅈ",
        }:
            following.onset = _TENSE[following.onset]
    elif (
        sound.role == "E"
        and sound.coda == "ㄹ"
        and following.onset in _TENSE
        and (apart or following.role == "L")
    ):
        following.onset = _TENSE[following.onset]


def _meet(sound: Sound, following: Sound | None, *, apart: bool) -> None:
    """A final consonant and what comes after it."""
    coda = sound.coda
    if following is None or (apart and following.onset == "ㅇ"):
        sound.coda = _STOP.get(coda) or _SONORANT.get(coda) or {"ㅎ": "ㄷ"}.get(coda, coda)
        return
    onset = following.onset
    if onset == "ㅇ":
        palatal = following.vowel in "ㅣㅕ" and coda in _PALATAL
        if coda != "ㅇ":
            sound.coda, following.onset = _PALATAL[coda] if palatal else _MOVES[coda]
        return
    if coda == "ㄷ" and onset == "ㅎ" and following.vowel == "ㅣ" and not apart:
        sound.coda, following.onset = "", "ㅊ"  # (17) 굳히다
        return
    if apart and onset == "ㄴ" and sound.written in {"을", "를"}:
        return  # the object's particle is apart from its verb, as upstream's voices learnt it
    sound.coda, following.onset = _pair(sound, coda, onset)


def _pair(sound: Sound, coda: str, onset: str) -> tuple[str, str]:
    """A final consonant and the consonant after it, as they are pronounced."""
    if onset == "ㅎ":
        return _WITH_H.get(coda) or (_H.get(coda, _SONORANT.get(coda, coda)), "ㅎ")
    if coda in _H:
        rest = _H[coda]
        if onset == "ㄴ":
            return ("ㄹ", "ㄹ") if rest == "ㄹ" else ("ㄴ", "ㄴ")
        if onset == "ㄹ" and rest:
            return "ㄹ", "ㄹ"
        return rest, "ㅆ" if onset == "ㅅ" else _ASPIRATED.get(onset, onset)
    if coda == "ㄼ" and ((sound.onset == "ㅂ" and sound.vowel == "ㅏ") or onset in "ㄴㅁ"):
        # (10) 밟- is [밥]; before a nasal upstream takes every ㄼ so.
        coda = "ㅂ"
    stop = _STOP.get(coda)
    if stop:
        if onset in "ㄴㅁ":
            return _NASAL[stop], onset  # (18)
        if onset == "ㄹ":
            return _NASAL[stop], "ㄴ"  # (19)
        return stop, _TENSE.get(onset, onset)  # (23)
    rest = _SONORANT.get(coda, coda)
    if coda in {"ㄼ", "ㄽ"}:
        onset = _TENSE.get(onset, onset)
    if {rest, onset} == {"ㄴ", "ㄹ"} or (rest == "ㄹ" and onset == "ㄴ"):
        return "ㄹ", "ㄹ"  # (20)
    if onset == "ㄹ" and rest in "ㅁㅇ":
        return rest, "ㄴ"  # (19)
    return rest, onset
