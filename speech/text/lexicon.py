"""A pronunciation lexicon: how a job or a voice wants certain words said (`docs/lexicon.md`)."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from speech.errors import SpeechError
from speech.text.symbols import IDS, SymbolsVersion

FILE: Final = "lexicon.json"
"""The name of a voice's own lexicon, among the files of its version."""
FIELDS: Final = ("word", "language", "phonemes", "respelling")
"""Of an entry in JSON; the last two are alternatives."""

_UNSPACED: Final = frozenset({"zh", "ja", "ko", "yue", "th", "lo", "km", "my"})
"""Languages in which a word is found anywhere; in the others it stands between blanks or marks."""
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
_PRIVATE: Final = 0xE000
"""The first of 6,400 code points that mean what we want: each stands for one entry's phonemes."""
_N_PRIVATE: Final = 0xF900 - _PRIVATE
_DOTTED: Final = str.maketrans("İı", "ii")
"""The two letters that `re.IGNORECASE` takes for an i and `str.casefold` does not."""


class LexiconError(SpeechError):
    """An entry of a lexicon cannot be used; the message names the word and the field."""


@dataclass(frozen=True, slots=True)
class Entry:
    """How one word is said: by `phonemes`, or as if it were spelt `respelling`; one of both."""

    word: str
    language: str
    """BCP 47, lower case. GPT-SoVITS voices read en, zh, ja, ko and yue."""
    phonemes: tuple[str, ...] = ()
    """Symbols of the table; Mandarin and Cantonese: two for each character."""
    respelling: str = ""

    def __post_init__(self) -> None:
        if not self.word.strip() or self.word != self.word.strip():
            raise LexiconError(f"word: {self.word!r} is empty or has blanks around it")
        if not _LANGUAGE.fullmatch(self.language):
            raise LexiconError(f"{self.word!r}: language: {self.language!r} is no language tag (en, zh, ...)")
        if bool(self.phonemes) == bool(self.respelling.strip()):
            raise LexiconError(f"{self.word!r}: give either phonemes or a respelling")
        if any(_PRIVATE <= ord(c) < _PRIVATE + _N_PRIVATE for c in self.word + self.respelling):
            raise LexiconError(f"{self.word!r}: holds a code point of Unicode's private area")
        if self.phonemes and self.language in {"zh", "yue"} and len(self.phonemes) != 2 * len(self.word):
            raise LexiconError(
                f"{self.word!r}: phonemes: {len(self.phonemes)} for {len(self.word)} characters; each has two"
            )


@dataclass(frozen=True)
class Lexicon:
    """Entries; of two for one word in one language the later counts (the job's after the voice's)."""

    entries: tuple[Entry, ...] = ()

    @classmethod
    def join(cls, *lexicons: Lexicon) -> Lexicon:
        """All entries, those of later lexicons over those of earlier ones."""
        return cls(tuple(entry for lexicon in lexicons for entry in lexicon.entries))

    def check(self, version: SymbolsVersion) -> None:
        """Raises LexiconError if an entry names a symbol that voices of this version lack."""
        for entry in self.entries:
            for symbol in entry.phonemes:
                if symbol not in IDS[version]:
                    raise LexiconError(f"{entry.word!r}: phonemes: {symbol!r} is no symbol of {version}")

    def within(self, text: str) -> tuple[Entry, ...]:
        """The entries that count and whose word occurs in the text, by language and word.

        Whatever the language of the text: which of its stretches is read as what, the voice decides.
        """
        folded = _fold(text)
        return tuple(
            entry
            for _, language in sorted(self._by_language.items())
            for _, entry in sorted(language.items())
            if _fold(entry.word) in folded and _pattern(entry.language, [entry.word]).search(text)
        )

    def for_language(self, tag: str) -> Lexicon:
        """The entries for a language tag: those of its shorter forms ("en" for "en-gb"), then its own."""
        covering = [entry for entry in self.entries if f"{tag}-".startswith(f"{entry.language}-")]
        covering.sort(key=lambda entry: len(entry.language))
        return Lexicon(tuple(replace(entry, language=tag) for entry in covering))

    @functools.cached_property
    def _by_language(self) -> dict[str, dict[str, Entry]]:
        table: dict[str, dict[str, Entry]] = {}
        for entry in self.entries:
            table.setdefault(entry.language, {})[_key(entry.language, entry.word)] = entry
        if sum(map(len, table.values())) > _N_PRIVATE:
            raise LexiconError(f"entries: {len(self.entries)} are too many; the most is {_N_PRIVATE}")
        return table

    @functools.cached_property
    def _patterns(self) -> dict[str, re.Pattern[str]]:
        return {
            language: _pattern(language, (entry.word for entry in words.values()))
            for language, words in self._by_language.items()
        }

    def pattern(self, language: str) -> re.Pattern[str] | None:
        """Finds the words of a language, longer ones first; None if there are none."""
        return self._patterns.get(language)

    def entry(self, language: str, word: str) -> Entry:
        """The entry of a word that `pattern` found."""
        return self._by_language[language][_key(language, word)]

    def stand_in(self, language: str, word: str) -> str:
        """What stands for a word while its text is normalised: its respelling, or a private character."""
        entry = self.entry(language, word)
        return entry.respelling or chr(_PRIVATE + list(self._by_language[language].values()).index(entry))

    def phonemes_of(self, language: str, character: str) -> tuple[str, ...]:
        """The phonemes that a private character stands for; empty for any other character."""
        if not is_private(character) or language not in self._by_language:
            return ()
        entries = list(self._by_language[language].values())
        return entries[ord(character) - _PRIVATE].phonemes


def is_private(character: str) -> bool:
    """Whether a character is of the area that stands for entries."""
    return len(character) == 1 and _PRIVATE <= ord(character) < _PRIVATE + _N_PRIVATE


def _is_spaced(language: str) -> bool:
    return language.partition("-")[0] not in _UNSPACED


def _fold(text: str) -> str:
    return text.translate(_DOTTED).casefold()


def _key(language: str, word: str) -> str:
    return _fold(word) if _is_spaced(language) else word


@functools.lru_cache(maxsize=4096)
def _compile(language: str, words: tuple[str, ...]) -> re.Pattern[str]:
    alternatives = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    if _is_spaced(language):
        return re.compile(rf"(?<![\w'])(?:{alternatives})(?!\w)", re.IGNORECASE)
    return re.compile(alternatives)


def _pattern(language: str, words: Iterable[str]) -> re.Pattern[str]:
    return _compile(language, tuple(words))


# --- as JSON ---


def read_lexicon(text: str | bytes, *, place: str = "lexicon") -> Lexicon:
    """The lexicon that this JSON says: a list of entries, their phonemes one string with blanks between.

    Args:
        text: the content of a lexicon file.
        place: where it comes from, for the error's message.

    Raises:
        LexiconError: not JSON, or an entry is wrong; the message names its number, from 1, and the field.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LexiconError(f"{place}: no JSON: {error}") from error
    if not isinstance(found, list):
        raise LexiconError(f"{place}: must be a list of entries, [{{...}}, ...]")
    entries = []
    for number, fields in enumerate(found, start=1):
        try:
            entries.append(_read_entry(fields))
        except LexiconError as error:
            raise LexiconError(f"{place}: entry {number}: {error}") from error
    if len(entries) > _N_PRIVATE:
        raise LexiconError(f"{place}: {len(entries)} entries are too many; the most is {_N_PRIVATE}")
    return Lexicon(tuple(entries))


def write_lexicon(lexicon: Lexicon) -> str:
    """The lexicon as JSON, an entry a line, for people to read; `read_lexicon` reads it back."""
    lines = [json.dumps(describe_entry(entry), ensure_ascii=False) for entry in lexicon.entries]
    return "[\n  " + ",\n  ".join(lines) + "\n]\n" if lines else "[]\n"


def describe_entry(entry: Entry) -> dict[str, str]:
    """The entry as it stands in JSON."""
    said = {"phonemes": " ".join(entry.phonemes)} if entry.phonemes else {"respelling": entry.respelling}
    return {"word": entry.word, "language": entry.language, **said}


def _read_entry(fields: Any) -> Entry:
    if not isinstance(fields, dict):
        raise LexiconError(f"must be an object with {', '.join(FIELDS[:3])} or {FIELDS[3]}")
    if unknown := sorted(fields.keys() - set(FIELDS)):
        raise LexiconError(f"{unknown[0]}: unknown field; known are {', '.join(FIELDS)}")
    for name in FIELDS[:2]:
        if name not in fields:
            raise LexiconError(f"{name}: is missing")
    for name, given in fields.items():
        if not isinstance(given, str):
            raise LexiconError(f"{name}: must be a string")
    return Entry(
        fields["word"],
        fields["language"].lower(),
        tuple(fields.get("phonemes", "").split()),
        fields.get("respelling", ""),
    )
